/** Minimal reader of golden arrays, apart from the product's own reader so that one cannot hide a fault of the other. */
import { readFileSync } from 'node:fs';

export interface GoldenArray {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** All arrays of a small, well-formed safetensors file. */
export function readArrays(path: string): Map<string, GoldenArray> {
  const file = readFileSync(path);
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + headerBytes).toString('utf8')) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, entry]) => {
        const [begin, end] = entry.data_offsets;
        const bytes = Uint8Array.from(file.subarray(8 + headerBytes + begin, 8 + headerBytes + end));
        return [name, { dtype: entry.dtype, shape: entry.shape, bytes }];
      }),
  );
}

/** One F32 array; fails when the file lacks it. */
export function floats(arrays: Map<string, GoldenArray>, name: string): Float32Array {
  const array = arrays.get(name);
  if (array?.dtype !== 'F32') throw new Error(`golden file has no F32 array ${name}`);
  return new Float32Array(array.bytes.buffer);
}

/** Raw bytes of one array; fails when the file lacks it. */
export function raw(arrays: Map<string, GoldenArray>, name: string): Uint8Array<ArrayBuffer> {
  const array = arrays.get(name);
  if (!array) throw new Error(`golden file has no array ${name}`);
  return array.bytes;
}
