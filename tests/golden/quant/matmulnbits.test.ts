/** Blocks as onnxruntime's MatMulNBits takes them, sums beyond the f16 range, and kinds of cases that no suite reads. */
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { isPackable, packedCodes, packedScales } from '../../../src/lib/backends/onnx/packed_blocks';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import { isQuantTypeId, type QuantTypeId } from '../../../src/lib/quant/registry';
import type { StoredTensor } from '../../../src/lib/quant/tensor';
import { expectWithin } from '../within';
import { firstDifference, nmse, quantCases, quantPath, READ_KINDS, skipWhenEmpty } from './golden_cases';
import { floats, raw, readArrays } from './safetensors_arrays';

interface NBitsCase {
  readonly name: string;
  readonly kind: string;
  readonly from_type: string;
  readonly file: string;
  readonly packed_from: string;
  readonly params: { readonly K: number; readonly N: number };
  readonly inputs: { readonly B: string; readonly scales: string; readonly zero_points: string | null };
}

interface AccumulateCase {
  readonly name: string;
  readonly kind: string;
  readonly file: string;
  readonly rows: number;
  readonly params: readonly { readonly type: string }[];
  readonly tolerance: { readonly nmse: number };
}

function stored(type: QuantTypeId, shape: readonly number[], bytes: Uint8Array<ArrayBuffer>): StoredTensor {
  return { name: 'w', type, shape, source: memorySource('w', bytes), byteOffset: 0, byteLength: bytes.length };
}

describe('blocks for MatMulNBits', () => {
  const cases = quantCases<NBitsCase>(['matmulnbits']);
  skipWhenEmpty(cases);
  for (const c of cases) {
    const type = c.from_type;
    if (!isQuantTypeId(type) || !isPackable(type) || c.inputs.zero_points !== null) {
      it.skip(`${c.name}: the ONNX backend decodes ${type} instead, and gives no zero points`, () => undefined);
      continue;
    }
    it(c.name, async () => {
      const bytes = raw(readArrays(quantPath(c.packed_from)), 'packed');
      const weight = { tensor: stored(type, [c.params.N, c.params.K], bytes) };
      const arrays = readArrays(quantPath(c.file));
      expect(firstDifference(await packedCodes(weight), raw(arrays, c.inputs.B))).toBeUndefined();
      expect(firstDifference(await packedScales(weight), floats(arrays, c.inputs.scales))).toBeUndefined();
    });
  }
});

describe('sums beyond the range of f16', () => {
  const cases = quantCases<AccumulateCase>(['ggml-accumulate']);
  skipWhenEmpty(cases);
  for (const c of cases) {
    it.each(c.params.map(({ type }) => type))(`${c.name} %s`, async (type) => {
      if (!isQuantTypeId(type)) throw new Error(`unknown type ${type}`);
      const arrays = readArrays(quantPath(c.file));
      const x = floats(arrays, 'x');
      const columns = arrays.get('x')?.shape.at(-1) ?? 0;
      const weights = await dequantizeTensor(stored(type, [c.rows, columns], raw(arrays, `${type}.packed`)));
      const y = Array.from({ length: (x.length / columns) * c.rows }, (_, i) => {
        const [token, row] = [Math.floor(i / c.rows), i % c.rows];
        let sum = 0;
        for (let k = 0; k < columns; k++) sum += (x[token * columns + k] ?? 0) * (weights[row * columns + k] ?? 0);
        return sum;
      });
      expectWithin(nmse(y, floats(arrays, `${type}.y`)), c.tolerance.nmse);
    });
  }
});

const read: readonly string[] = READ_KINDS;
for (const { name, kind } of quantCases<{ name: string; kind: string }>().filter((c) => !read.includes(c.kind)))
  it.skip(`${name}: no suite reads cases of the kind "${kind}"`, () => undefined);
