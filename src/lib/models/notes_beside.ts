/**
 * What people know about a model beside its weights: header metadata of trainers and the JSON files that model sites
 * and other programs put next to a file. User-supplied text: taken as text, shortened, never trusted.
 * Sources of the field names: civitai's `.civitai.info` (API v1 model versions), A1111's user metadata JSON,
 * Hugging Face model cards as `README.md` front matter, SAI model spec 1.0, kohya-ss `ss_*` headers.
 */
import type { TensorIndex } from '../formats/tensor_index';

export interface ModelNotes {
  readonly name?: string;
  readonly triggerWords?: readonly string[];
  readonly tags?: readonly string[];
  readonly description?: string;
  readonly baseModel?: string;
  readonly licence?: string;
  readonly pageUrl?: string;
  readonly notes?: string;
}

type Json = Readonly<Record<string, unknown>>;

const MAX_WORDS = 40;
const MAX_WORD_CHARS = 300;
const MAX_TEXT_CHARS = 4000;

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Text without markup, shortened; undefined for anything else. */
function text(value: unknown, max = MAX_TEXT_CHARS): string | undefined {
  if (typeof value !== 'string') return undefined;
  const plain = value
    .replace(/<(br|\/p|\/li)[^>]*>/gi, '\n')
    .replace(/<[^>]*>/g, '')
    .replace(/&nbsp;/g, ' ')
    .replace(/&amp;/g, '&')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  return plain === '' ? undefined : plain.slice(0, max);
}

function words(value: unknown): string[] | undefined {
  const list = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [];
  const found = list.flatMap((one) => text(one, MAX_WORD_CHARS) ?? []);
  return found.length > 0 ? [...new Set(found)].slice(0, MAX_WORDS) : undefined;
}

/** Leaves out what is undefined. */
function notes(fields: { readonly [Key in keyof ModelNotes]: ModelNotes[Key] | undefined }): ModelNotes {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function webPage(value: unknown): string | undefined {
  return typeof value === 'string' && /^https?:\/\//.test(value) ? value.slice(0, 500) : undefined;
}

function fromCivitai(json: Json): ModelNotes {
  const model = isJson(json['model']) ? json['model'] : {};
  const id = json['modelId'];
  return notes({
    name: text(model['name'], MAX_WORD_CHARS),
    triggerWords: words(json['trainedWords']),
    tags: words(model['tags'] ?? json['tags']),
    description: text(json['description']) ?? text(model['description']),
    baseModel: text(json['baseModel'], MAX_WORD_CHARS),
    licence: undefined,
    pageUrl: typeof id === 'number' ? `https://civitai.com/models/${id}` : undefined,
    notes: undefined,
  });
}

function fromUserMetadata(json: Json): ModelNotes {
  return notes({
    name: undefined,
    triggerWords: words(json['activation text']),
    tags: words(json['tags']),
    description: text(json['description']),
    baseModel: text(json['sd version'], MAX_WORD_CHARS),
    licence: text(json['license'], MAX_WORD_CHARS),
    pageUrl: webPage(json['url']),
    notes: text(json['notes']),
  });
}

/** A JSON file beside a model; nothing for files of other programs. */
export function notesFromJson(json: unknown): ModelNotes {
  if (!isJson(json)) return {};
  if ('trainedWords' in json || 'modelId' in json) return fromCivitai(json);
  if (['activation text', 'sd version', 'description', 'notes', 'tags'].some((key) => key in json))
    return fromUserMetadata(json);
  return {};
}

/** Front matter of a model card: `license:`, `base_model:`, `tags:`, `instance_prompt:`; plain lines and lists only. */
export function notesFromModelCard(markdown: string): ModelNotes {
  const head = /^---\r?\n([\s\S]*?)\r?\n---/.exec(markdown)?.[1];
  if (head === undefined) return {};
  const fields = new Map<string, string[]>();
  let key = '';
  for (const line of head.split(/\r?\n/)) {
    const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(line) ?? [];
    const item = /^\s*-\s+(.+)$/.exec(line)?.[1];
    if (name !== undefined) fields.set((key = name), value ? [unquoted(value)] : []);
    else if (item !== undefined) fields.get(key)?.push(unquoted(item));
  }
  const one = (name: string) => text(fields.get(name)?.[0], MAX_WORD_CHARS);
  return notes({
    name: undefined,
    triggerWords: words(fields.get('instance_prompt')),
    tags: words(fields.get('tags')),
    description: undefined,
    baseModel: one('base_model'),
    licence: one('license_name') ?? one('license'),
    pageUrl: undefined,
    notes: undefined,
  });
}

const unquoted = (value: string) => value.trim().replace(/^["']|["']$/g, '');

/** The most frequent tag of kohya's training set speaks for the LoRA when it is on most pictures. */
function trainedTags(metadata: TensorIndex['metadata']): string[] | undefined {
  const raw = metadata.get('ss_tag_frequency');
  if (typeof raw !== 'string') return undefined;
  try {
    const folders = JSON.parse(raw) as unknown;
    if (!isJson(folders)) return undefined;
    const counts = new Map<string, number>();
    for (const folder of Object.values(folders)) {
      for (const [tag, count] of Object.entries(isJson(folder) ? folder : {})) {
        if (typeof count === 'number') counts.set(tag.trim(), (counts.get(tag.trim()) ?? 0) + count);
      }
    }
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    const most = sorted[0]?.[1] ?? 0;
    return words(
      sorted
        .filter(([, count]) => count >= most * 0.8)
        .slice(0, 4)
        .map(([tag]) => tag),
    );
  } catch {
    // A broken note in a header is no reason to refuse the weights.
    return undefined;
  }
}

/** What the file's own header says. */
export function notesFromHeader({ metadata }: Pick<TensorIndex, 'metadata'>): ModelNotes {
  const said = (...keys: readonly string[]) =>
    keys.map((key) => metadata.get(key)).find((value) => value !== undefined);
  return notes({
    name: text(said('modelspec.title', 'general.name', 'ss_output_name'), MAX_WORD_CHARS),
    triggerWords: words(said('modelspec.trigger_phrase')) ?? trainedTags(metadata),
    tags: words(said('modelspec.tags')),
    description: text(said('modelspec.description', 'general.description')),
    baseModel: text(said('ss_base_model_version', 'modelspec.architecture'), MAX_WORD_CHARS),
    licence: text(said('modelspec.license', 'general.license'), MAX_WORD_CHARS),
    pageUrl: webPage(said('general.url', 'general.source.url')),
    notes: undefined,
  });
}

/** Later notes fill what earlier ones lack. */
export function joinNotes(...all: readonly ModelNotes[]): ModelNotes {
  return all.reduceRight<ModelNotes>((joined, one) => ({ ...joined, ...one }), {});
}
