/** Model options in picture metadata: each under the key that its row names. */
import { MODEL_OPTIONS, type ModelOption, type ModelOptionId, type ModelOptionValues } from './model_options';

type Row = ModelOption & { readonly id: ModelOptionId };

/** Rows whose values are `modelOptions` of a request and change the picture. */
const WRITTEN = (MODEL_OPTIONS as readonly Row[]).filter(
  (option) => option.place === undefined && option.infotext !== undefined,
);

/** Key → text of what the user set. */
export function optionsToInfotext(values: ModelOptionValues): Map<string, string> {
  const given = values as Readonly<Record<string, string | number | boolean | undefined>>;
  return new Map(
    WRITTEN.flatMap(({ id, infotext }) => {
      const value = given[id];
      return value === undefined || value === 'model' || infotext === undefined ? [] : [[infotext, String(value)]];
    }),
  );
}

/** The options among the pairs of an infotext; values out of range are left out. */
export function optionsFromInfotext(pairs: ReadonlyMap<string, string>): ModelOptionValues {
  const found: Record<string, string | number> = {};
  for (const option of WRITTEN) {
    const text = pairs.get(option.infotext ?? '');
    if (text === undefined) continue;
    if (option.type === 'choice' && option.choices.includes(text)) found[option.id] = text;
    const value = Number(text);
    if (option.type === 'number' && text !== '' && value >= option.min && value <= option.max) found[option.id] = value;
  }
  return found;
}
