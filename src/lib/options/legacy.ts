/** Names of other programs → our options. */
import {
  MODEL_OPTIONS,
  type LegacyName,
  type LegacySource,
  type ModelOption,
  type ModelOptionId,
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
