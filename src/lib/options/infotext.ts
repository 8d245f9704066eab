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
