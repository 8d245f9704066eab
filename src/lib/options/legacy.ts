/** Names of other programs → our options. */
import {
  MODEL_OPTIONS,
  type LegacyName,
  type LegacySource,
  type ModelOption,
  type ModelOptionId,
  type ModelOptionValues,
} from './model_options';

/** Switches that have no counterpart here: read without complaint, with the reason to show. */
export const WITHOUT_COUNTERPART: readonly (LegacyName & { readonly note: string })[] = [
  {
    source: 'forge option',
    name: 'forge_unet_storage_dtype',
    note: 'kernels read the type that the file has; "convert" makes another file, " (fp16 LoRA)" is the side path',
  },
  { source: 'infotext', name: 'Diffusion in Low Bits', note: 'kernels read the type that the file has' },
  { source: 'forge option', name: 'fp8_storage', note: 'kernels read the type that the file has' },
];

/** What an old name and value mean here. */
export interface LegacySetting {
  /** Undefined: the switch has no counterpart; `note` says why. */
  readonly option?: ModelOptionId;
  /** Undefined: the old switch has no effect; `note` says why. */
  readonly value?: string | number | boolean;
  readonly note?: string;
}

/** Our options among switches of another program, and what is to be said of the others; names that are none of ours are left. */
export function optionsFromLegacy(
  given: Iterable<readonly [name: string, value: unknown]>,
  source?: LegacySource,
): {
  readonly options: ModelOptionValues;
  readonly notes: readonly { readonly name: string; readonly note: string }[];
  readonly known: ReadonlySet<string>;
} {
  const options: Record<string, string | number | boolean> = {};
  const notes: { name: string; note: string }[] = [];
  const known = new Set<string>();
  const all: readonly (ModelOption & { readonly id: ModelOptionId })[] = MODEL_OPTIONS;
  for (const [name, value] of given) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') continue;
    const found = fromLegacy(name, value, source);
    const option = all.find(({ id }) => id === found?.option);
    // Fields of the request and files are read by their own rules.
    if (!found || option?.place !== undefined) continue;
    known.add(name);
    const fits = option && found.value !== undefined ? valueOf(option, found.value) : undefined;
    if (option && fits !== undefined) options[option.id] = fits;
    else if (found.note !== undefined) notes.push({ name, note: found.note });
  }
  return { options, notes, known };
}

/** The value in the option's own type and range; undefined when it is none. */
export function valueOf(option: ModelOption, value: string | number | boolean): string | number | boolean | undefined {
  switch (option.type) {
    case 'number': {
      const number = value === '' || typeof value === 'boolean' ? NaN : Number(value);
      return number >= option.min && number <= option.max ? number : undefined;
    }
    case 'choice':
      return option.choices.find((choice) => choice === String(value).toLowerCase());
    case 'boolean': {
      const text = String(value).toLowerCase();
      return text === 'true' ? true : text === 'false' ? false : undefined;
    }
    case 'files':
      return undefined;
  }
}

/**
 * Translates a switch of another program; undefined for names that are none of ours.
 * Names may occur in several programs: `source` narrows the search.
 */
export function fromLegacy(
  name: string,
  value: string | number | boolean,
  source?: LegacySource,
): LegacySetting | undefined {
  const asked = (old: LegacyName) => old.name === name && (source === undefined || old.source === source);
  const options: readonly (ModelOption & { readonly id: ModelOptionId })[] = MODEL_OPTIONS;
  for (const { id: option, legacy } of options) {
    const old = legacy.find(asked);
    if (!old) continue;
    const note = old.note === undefined ? {} : { note: old.note };
    if (old.ignored) return { option, ...note };
    const mapped = old.values ? old.values[String(value)] : value;
    return mapped === undefined ? { option, ...note } : { option, value: mapped, ...note };
  }
  const none = WITHOUT_COUNTERPART.find(asked);
  return none && { note: none.note };
}
