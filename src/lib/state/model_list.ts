/** Which models of the library are shown, and in which order. Pure. */
import type { ModelEntry } from '../rpc/models';

export const MODEL_SORTS = ['used', 'added', 'name', 'size'] as const;
export type ModelSort = (typeof MODEL_SORTS)[number];

/** Groups of kinds as users think of them. */
export const MODEL_GROUPS = ['model', 'part', 'lora', 'embedding', 'control', 'upscaler'] as const;
export type ModelGroup = (typeof MODEL_GROUPS)[number];

const GROUP_OF_KIND: Readonly<Record<string, ModelGroup>> = {
  checkpoint: 'model',
  unet: 'model',
  transformer: 'model',
  lora: 'lora',
  embedding: 'embedding',
  upscaler: 'upscaler',
  controlnet: 'control',
  't2i-adapter': 'control',
  'ip-adapter': 'control',
};

export function groupOf({ kind, builtin }: Pick<ModelEntry, 'kind' | 'builtin'>): ModelGroup {
  return builtin ? 'model' : (GROUP_OF_KIND[kind ?? ''] ?? 'part');
}

/** Can be opened: it has a denoiser, and nothing that it needs is missing. */
export function opens(entry: ModelEntry): boolean {
  return groupOf(entry) === 'model' && (entry.missing ?? []).length === 0;
}

/** Stored parts that can stand for a missing one. */
export function candidates(
  entries: readonly ModelEntry[],
  missing: { readonly role: string; readonly encoder?: string },
): ModelEntry[] {
  return entries.filter(
    (entry) =>
      groupOf(entry) === 'part' &&
      entry.parts?.some((part) => part.role === missing.role && (!missing.encoder || part.encoder === missing.encoder)),
  );
}

const ORDERS: Readonly<Record<ModelSort, (a: ModelEntry, b: ModelEntry) => number>> = {
  used: (a, b) => b.usedAt - a.usedAt,
  added: (a, b) => b.addedAt - a.addedAt,
  name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
  size: (a, b) => b.sizeBytes - a.sizeBytes,
};

function text(entry: ModelEntry): string {
  const { name, familyLabel, kind, hash, licence, notes, tags, triggerWords, baseModel, weightTypes, files } = entry;
  const paths = files.map((file) => file.path);
  return [name, familyLabel, kind, hash, licence, notes, baseModel, tags, triggerWords, weightTypes, paths]
    .flat()
    .filter(Boolean)
    .join('\n')
    .toLowerCase();
}

export interface ModelView {
  /** Words that must all occur in name, family, types, hash, tags, notes, trigger words or file names. */
  readonly search: string;
  readonly sort: ModelSort;
  readonly group: ModelGroup | 'all';
}

export function shownModels(entries: readonly ModelEntry[], { search, sort, group }: ModelView): ModelEntry[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return entries
    .filter((entry) => group === 'all' || groupOf(entry) === group)
    .filter((entry) => {
      const all = text(entry);
      return words.every((word) => all.includes(word));
    })
    .sort(ORDERS[sort]);
}
