/** Reads the golden model folders: cases, configuration, tensors, weight files. Enumerates; names nothing. */
import { readFileSync, existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
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
  readonly name: string;
  readonly folder: string;
  readonly cases: readonly GoldenCase[];
  readonly config: Readonly<Record<string, unknown>>;
  /** Files of other folders that the notes name as base weights, `../folder/file`. */
  readonly base: readonly string[];
  /** Weight files, relative to the folder. */
  readonly files: readonly string[];
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/** Family folders of an index, in its order. */
export function familyNames(root: string): string[] {
  const index = JSON.parse(readFileSync(join(root, 'index.json'), 'utf8')) as { families: Record<string, unknown> };
  return Object.keys(index.families);
}

function allFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? allFiles(path) : [path];
  });
}

const indexes = new Map<string, Promise<TensorIndex>>();

/** The index of a weight file, read once. */
export function indexOf(path: string): Promise<TensorIndex> {
  const known = indexes.get(path);
  if (known) return known;
  const opened = openTensorIndex(memorySource(basename(path), new Uint8Array(readFileSync(path))));
  indexes.set(path, opened);
  return opened;
}

/** A configuration file, empty when absent. */
export function readConfig(path: string): Readonly<Record<string, unknown>> {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>) : {};
}

export async function readFamily(root: string, name: string): Promise<GoldenFamily> {
  const folder = join(root, name);
  const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as {
    cases: GoldenCase[];
    tensors: string;
    notes?: string[];
  };
  const config = readConfig(join(folder, 'config.json'));
  const tensors = new Map<string, HostTensor>();
  const index = await indexOf(join(folder, golden.tensors));
  for (const [key, stored] of index.tensors) tensors.set(key, await loadTensor(stored));
  const files = allFiles(folder)
    .map((path) => relative(folder, path))
    .filter((path) => /\.(safetensors|gguf|pth|pt)$/.test(path) && basename(path) !== golden.tensors)
    .sort();
  const base = (golden.notes ?? []).flatMap((note) => note.match(/\.\.\/[\w-]+\/[\w.-]+\.(?:safetensors|gguf)/g) ?? []);
  return { name, folder, cases: golden.cases, config, base, files, tensors };
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
