/** Reads one group of the sampling golden data: a JSON index and a safetensors file. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { goldenDir, goldenGroup } from '../golden_dir';

export type Case = Record<string, unknown> & { readonly name: string; readonly kind: string };

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Uint8Array;
}

export interface Group {
  readonly head: Record<string, unknown>;
  readonly cases: readonly Case[];
  tensor(key: unknown): Tensor;
  floats(key: unknown): Float64Array;
}

/** The group, or undefined when this golden folder does not have it. */
export function readGroup(name: string): Group | undefined {
  const folder = goldenGroup('sampling');
  if (folder === undefined || !existsSync(join(folder, `${name}.json`))) return undefined;
  const index = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Record<string, unknown> & {
    cases: Case[];
  };
  const file = join(folder, `${name}.safetensors`);
  const tensors = existsSync(file) ? readSafetensors(file) : new Map<string, Tensor>();
  const tensor = (key: unknown): Tensor => {
    const found = tensors.get(String(key));
    if (found === undefined) throw new Error(`${name}: no tensor ${String(key)}`);
    return found;
  };
  return { head: index, cases: index.cases, tensor, floats: (key) => Float64Array.from(tensor(key).data) };
}

function readSafetensors(path: string): Map<string, Tensor> {
  const bytes = readFileSync(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + headerLength).toString('utf8')) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const result = new Map<string, Tensor>();
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__') continue;
    const [from, to] = entry.data_offsets;
    const copy = new Uint8Array(bytes.subarray(8 + headerLength + from, 8 + headerLength + to)).buffer;
    const data =
      entry.dtype === 'F64'
        ? new Float64Array(copy)
        : entry.dtype === 'F32'
          ? new Float32Array(copy)
          : new Uint8Array(copy);
    result.set(key, { shape: entry.shape, data });
  }
  return result;
}

/** Registers a suite over a group; one skipped test with the reason when the data are absent. */
export function describeGroup(name: string, body: (group: Group) => void): void {
  const group = readGroup(name);
  describe(`golden sampling/${name}`, () => {
    if (group === undefined) it.skip(`no ${name} data in ${goldenDir}`, () => undefined);
    else body(group);
  });
}

/** Numbers of the JSON index: `Infinity` and `NaN` are strings there. */
export function num(value: unknown): number {
  return typeof value === 'number' ? value : Number(value);
}

export function maxAbsDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs((a[i] as number) - (b[i] as number));
    if (!(d <= worst)) worst = d;
  }
  return worst;
}

export function sizeOf(values: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < values.length; i++) worst = Math.max(worst, Math.abs(values[i] as number));
  return worst;
}
