/** Reads the golden model folders: cases, configuration, tensors, weight files. Enumerates; names nothing. */
import { memorySource } from '../../../src/lib/base/byte_source';
import type { HostTensor } from '../../../src/lib/backends/backend';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import { loadTensor } from './load_tensor';

export interface GoldenCase {
  readonly name: string;
  readonly inputs: Readonly<Record<string, string | number>>;
  readonly expected: Readonly<Record<string, string>>;
  readonly intermediates?: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, unknown>>;
  readonly tolerance: Readonly<Record<string, number>>;
  readonly weights?: string;
}

export interface GoldenFamily {
  readonly store: GoldenStore;
  readonly name: string;
  readonly cases: readonly GoldenCase[];
  readonly config: Readonly<Record<string, unknown>>;
  /** Files of other folders that the notes name as base weights, `../folder/file`. */
  readonly base: readonly string[];
  /** Weight files, relative to the folder. */
  readonly files: readonly string[];
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/** Bytes of a file below the golden models folder; undefined when there is none. Node reads disks, browsers fetch. */
export type ReadFile = (path: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** The golden models folder. Paths are relative to it; indexes are read once. */
export class GoldenStore {
  readonly #read: ReadFile;
  readonly #indexes = new Map<string, Promise<TensorIndex>>();

  constructor(read: ReadFile) {
    this.#read = read;
  }

  /** Index of a weight file; `..` in the path is resolved. */
  index(path: string): Promise<TensorIndex> {
    const plain = resolvePath(path);
    const known = this.#indexes.get(plain);
    if (known) return known;
    const opened = this.#read(plain).then((bytes) => {
      if (!bytes) throw new Error(`the golden folder has no models/${plain}`);
      return openTensorIndex(memorySource(plain.split('/').at(-1) ?? plain, bytes));
    });
    this.#indexes.set(plain, opened);
    return opened;
  }

  /** A JSON file, undefined when absent. */
  async json<T>(path: string): Promise<T | undefined> {
    const bytes = await this.#read(resolvePath(path));
    return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as T);
  }

  /** Family folders of the index, in its order. */
  async familyNames(): Promise<string[]> {
    return Object.keys((await this.json<{ families: Record<string, unknown> }>('index.json'))?.families ?? {});
  }

  async config(path: string): Promise<Readonly<Record<string, unknown>>> {
    return (await this.json<Record<string, unknown>>(path)) ?? {};
  }

  async family(name: string): Promise<GoldenFamily> {
    const golden = await this.json<GoldenFile>(`${name}/golden.json`);
    if (!golden) throw new Error(`the golden folder has no models/${name}/golden.json`);
    const tensors = new Map<string, HostTensor>();
    const index = await this.index(`${name}/${golden.tensors}`);
    for (const [key, stored] of index.tensors) tensors.set(key, await loadTensor(stored));
    const files: string[] = [];
    // A selection of the golden folder may leave files out.
    for (const file of Object.keys(golden.weights ?? {}).sort()) {
      if (await this.#read(`${name}/${file}`)) files.push(file);
    }
    const notes = (golden.notes ?? []).join(' ');
    const base = notes.match(/\.\.\/[\w-]+\/[\w.-]+\.(?:safetensors|gguf)/g) ?? [];
    const config = await this.config(`${name}/config.json`);
    return { store: this, name, cases: golden.cases, config, base, files, tensors };
  }
}

interface GoldenFile {
  readonly cases: GoldenCase[];
  readonly tensors: string;
  readonly notes?: string[];
  readonly weights?: Record<string, unknown>;
}

function resolvePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** A case's input tensors by argument name, `same_as` resolved. */
export function inputsOf(family: GoldenFamily, goldenCase: GoldenCase): ReadonlyMap<string, HostTensor> {
  const { same_as: base, ...own } = goldenCase.inputs;
  const inherited = base === undefined ? undefined : family.cases.find((other) => other.name === base);
  const inputs = new Map(inherited ? inputsOf(family, inherited) : []);
  for (const [argument, key] of Object.entries(own)) {
    const tensor = family.tensors.get(String(key));
    if (tensor) inputs.set(argument, tensor);
  }
  return inputs;
}
