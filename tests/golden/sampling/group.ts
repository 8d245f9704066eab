/** One group of the sampling golden data, from its bytes: a JSON index and a safetensors file. Runs in browsers too. */

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

export function parseGroup(name: string, index: string, arrays: Uint8Array | undefined): Group {
  const head = JSON.parse(index) as Record<string, unknown> & { cases: Case[] };
  const tensors = arrays ? readSafetensors(arrays) : new Map<string, Tensor>();
  const tensor = (key: unknown): Tensor => {
    const found = tensors.get(String(key));
    if (found === undefined)
      throw new Error(`${name}: no tensor ${String(key)}${arrays ? '' : ` and no ${name}.safetensors`}`);
    return found;
  };
  return { head, cases: head.cases, tensor, floats: (key) => Float64Array.from(tensor(key).data) };
}

function readSafetensors(bytes: Uint8Array): Map<string, Tensor> {
  const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength))) as Record<
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

/** Numbers of the JSON index: `Infinity` and `NaN` are strings there. */
export function num(value: unknown): number {
  return typeof value === 'number' ? value : Number(value);
}

export function maxAbsDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  // Math.max keeps a NaN once met.
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs((a[i] as number) - (b[i] as number)));
  return worst;
}

export function sizeOf(values: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < values.length; i++) worst = Math.max(worst, Math.abs(values[i] as number));
  return worst;
}
