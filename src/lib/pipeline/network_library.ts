/**
 * Files that generations use beside the model, wherever the host keeps them: found by the names that prompts and
 * requests use, opened when first needed, kept while the host lives. Browser store and command line both stand behind
 * `NetworkStore`.
 */
import { AppError } from '../base/errors';
import type { TensorIndex } from '../formats/tensor_index';
import type { ClipVisionConfig } from '../models/clip_vision/clip_vision';
import type { ControlNetConfig } from '../models/controlnet/controlnet';
import { detectFile, type DetectedFile } from '../models/detect';
import type { IpAdapterConfig } from '../models/ip_adapter/ip_adapter';
import type { ModelPart } from '../models/part';
import type { T2iAdapterConfig } from '../models/t2i_adapter/t2i_adapter';
import { readTextualInversion } from '../models/textual_inversion';
import type { NetworkSummary } from '../rpc/engine';
import type { ControlModel } from './control/control_model';
import type { Embedding } from './embeddings';
import type { GenerateHost } from './generate';
import type { LoraFile } from './networks';

/** A file as the host lists it, before it is opened. */
export interface NetworkEntry extends Omit<NetworkSummary, 'fits' | 'kind'> {
  readonly kind: NetworkSummary['kind'] | 'clip-vision';
  /** Other names that tags may use, such as the one in the file's own metadata. */
  readonly aliases?: readonly string[];
  /** Tied to the content, for example its SHA-256. */
  readonly contentId: string;
}

export interface NetworkStore {
  list(): Promise<readonly NetworkEntry[]>;
  /** @throws AppError 'file/…', 'storage/…' */
  open(id: string): Promise<TensorIndex>;
  /** First 12 digits of an adapter's hash, where listing does not know it yet. */
  adapterHash?(id: string): Promise<string>;
}

/** The kinds of `detectFile` that are networks, by the kind that people know. */
export const NETWORK_OF_KIND: Readonly<Record<string, NetworkEntry['kind']>> = {
  lora: 'lora',
  embedding: 'embedding',
  controlnet: 'control',
  't2i-adapter': 'control',
  'ip-adapter': 'control',
  'clip-vision': 'clip-vision',
  upscaler: 'upscaler',
  vae: 'vae',
  'tiny-vae': 'vae',
};

type JobParts = Required<Pick<GenerateHost, 'resolveLora' | 'embeddings' | 'loadUpscaler' | 'loadControl' | 'loadVae'>>;

export class NetworkLibrary {
  readonly #store: NetworkStore;
  readonly #files = new Map<string, Promise<DetectedFile>>();
  readonly #embeddings = new Map<string, Promise<Embedding>>();

  constructor(store: NetworkStore) {
    this.#store = store;
  }

  /** What the page lists; vision towers are chosen by themselves. */
  async summaries(): Promise<readonly Omit<NetworkSummary, 'fits'>[]> {
    const all = await this.#store.list();
    return all.flatMap(({ aliases: _, contentId: __, kind, ...rest }) =>
      kind === 'clip-vision' ? [] : [{ ...rest, kind }],
    );
  }

  /** Everything that a job with these texts may ask for. Embeddings are read when the texts name them. */
  async partsFor(texts: readonly string[]): Promise<JobParts> {
    const entries = await this.#store.list();
    const words = texts.join('\n').toLowerCase();
    const named = entries.filter(({ kind, name }) => kind === 'embedding' && words.includes(name.toLowerCase()));
    const embeddings: Embedding[] = [];
    for (const entry of named) embeddings.push(await this.#embedding(entry));
    const part = async (id: string, kind: NetworkEntry['kind'], role: ModelPart['role']) => {
      const entry = find(entries, kind, id);
      return entry && this.#part(entry, role);
    };
    return {
      embeddings,
      resolveLora: async (name) => {
        const entry = find(entries, 'lora', name);
        return entry && this.#lora(entry);
      },
      loadUpscaler: async (id) => (await part(id, 'upscaler', 'upscaler')) ?? undefined,
      loadVae: async (id) => {
        const entry = find(entries, 'vae', id);
        return entry && { part: await this.#part(entry, 'vae'), contentId: entry.contentId, hash: entry.hash };
      },
      loadControl: async (id) => {
        const entry = find(entries, 'control', id);
        return entry && this.#control(entry, entries);
      },
    };
  }

  async #lora({ id, contentId, hash }: NetworkEntry): Promise<LoraFile> {
    const { index } = await this.#file(id);
    const shortHash = hash === '' ? ((await this.#store.adapterHash?.(id)) ?? '') : hash;
    return { id: contentId.slice(0, 16), index, ...(shortHash === '' ? {} : { shortHash }) };
  }

  #embedding({ id, name, hash }: NetworkEntry): Promise<Embedding> {
    return this.#once(this.#embeddings, id, async () => {
      const inversion = await readTextualInversion((await this.#file(id)).index);
      return { name, inversion, hash };
    });
  }

  async #part({ id, name }: NetworkEntry, role: ModelPart['role']): Promise<ModelPart> {
    const file = await this.#file(id);
    const found = file.parts.find((one) => one.role === role);
    if (found) return found;
    throw new AppError('model/unrecognised', `${name}: must hold a ${role}, got ${file.kind}; choose another file.`, {
      details: { name, kind: file.kind, role },
    });
  }

  async #control(entry: NetworkEntry, entries: readonly NetworkEntry[]): Promise<ControlModel> {
    const { name, hash, contentId } = entry;
    const base = { id: contentId.slice(0, 16), name, hash };
    const { parts, kind } = await this.#file(entry.id);
    const [part] = parts;
    switch (part?.role) {
      case 'controlnet':
        return { ...base, kind: 'controlnet', part: part as ModelPart<ControlNetConfig> };
      case 't2i-adapter':
        return { ...base, kind: 't2i-adapter', part: part as ModelPart<T2iAdapterConfig> };
      case 'ip-adapter': {
        const adapter = part as ModelPart<IpAdapterConfig>;
        const own = parts.find((one) => one.role === 'clip-vision') as ModelPart<ClipVisionConfig> | undefined;
        return { ...base, kind: 'ip-adapter', part: adapter, vision: own ?? (await this.#vision(adapter, entries)) };
      }
      default:
        throw new AppError(
          'model/unrecognised',
          `${name}: must hold a ControlNet, T2I-Adapter or IP-Adapter, got ${kind}; choose another file.`,
          { details: { name, kind } },
        );
    }
  }

  /** The vision tower whose picture vectors an adapter was trained on, by their width. */
  async #vision(adapter: ModelPart<IpAdapterConfig>, entries: readonly NetworkEntry[]) {
    for (const entry of entries) {
      if (entry.kind !== 'clip-vision') continue;
      const tower = (await this.#part(entry, 'clip-vision')) as ModelPart<ClipVisionConfig>;
      if (tower.config.projection === adapter.config.imageWidth) return tower;
    }
    throw new AppError(
      'model/missing-part',
      `${adapter.file}: needs a CLIP vision model of width ${adapter.config.imageWidth} as well; add its file to the models.`,
      { details: { adapter: adapter.file, width: adapter.config.imageWidth } },
    );
  }

  #file(id: string): Promise<DetectedFile> {
    return this.#once(this.#files, id, async () => detectFile(await this.#store.open(id)));
  }

  /** Failures are not kept: the next attempt may succeed. */
  #once<T>(held: Map<string, Promise<T>>, id: string, make: () => Promise<T>): Promise<T> {
    const known = held.get(id);
    if (known) return known;
    const made = make();
    held.set(id, made);
    made.catch(() => held.delete(id));
    return made;
  }
}

/** By id, by name, by name in any case, by alias: the first that matches. */
function find(entries: readonly NetworkEntry[], kind: NetworkEntry['kind'], wanted: string): NetworkEntry | undefined {
  const own = entries.filter((entry) => entry.kind === kind);
  const lower = wanted.toLowerCase();
  const rules: readonly ((entry: NetworkEntry) => boolean)[] = [
    ({ id }) => id === wanted,
    ({ name }) => name === wanted,
    ({ name }) => name.toLowerCase() === lower,
    ({ aliases = [] }) => aliases.some((alias) => alias.toLowerCase() === lower),
  ];
  for (const rule of rules) {
    const found = own.find(rule);
    if (found) return found;
  }
  return undefined;
}
