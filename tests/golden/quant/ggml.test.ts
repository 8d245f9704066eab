/** Every GGML type against the reference decoder: matrix, edge blocks, row ranges, and the sums of products. */
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import { packedBytes, quantTypeOfGgml } from '../../../src/lib/quant/registry';
import type { StoredTensor } from '../../../src/lib/quant/tensor';
import { firstDifference, nmse, quantCases, quantPath, skipWhenEmpty, someRows } from './golden_cases';
import { floats, raw, readArrays } from './safetensors_arrays';
import { expectWithin } from '../within';

interface GgmlCase {
  readonly name: string;
  readonly kind: string;
  readonly type: string;
  readonly type_id: number;
  readonly block_elements: number;
  readonly block_bytes: number;
  readonly file: string;
  readonly odd?: { readonly rows: number; readonly cols: number; readonly tokens: number };
  readonly tolerance: { readonly nmse_f32_accumulate: number };
}

describe('ggml types', () => {
  const cases = quantCases<GgmlCase>(['ggml']);
  skipWhenEmpty(cases);
  for (const c of cases) {
    const type = quantTypeOfGgml(c.type_id);
    const stored = (bytes: Uint8Array<ArrayBuffer>, shape: readonly number[]): StoredTensor => ({
      name: c.name,
      type: type?.id ?? 'F32',
      shape,
      source: memorySource(c.name, bytes),
      byteOffset: 0,
      byteLength: bytes.length,
    });

    it(`${c.name}: values`, async () => {
      expect(type?.id).toBe(c.type);
      if (!type) return;
      expect([type.blockElems, type.blockBytes]).toEqual([c.block_elements, c.block_bytes]);
      expect(type.bitsPerWeight).toBeCloseTo((c.block_bytes * 8) / c.block_elements, 6);
      const arrays = readArrays(quantPath(c.file));
      for (const [packed, want] of [
        ['packed', 'dequant'],
        ['edge.packed', 'edge.dequant'],
      ] as const) {
        const shape = arrays.get(want)?.shape;
        if (!shape) continue;
        const bytes = raw(arrays, packed);
        const expected = floats(arrays, want);
        expect(packedBytes(type, expected.length)).toBe(bytes.length);
        const tensor = stored(bytes, shape);
        expect(firstDifference(await dequantizeTensor(tensor), expected)).toBeUndefined();
        const rowElems = shape.slice(1).reduce((a, b) => a * b, 1);
        const { rowStart, rowCount } = someRows(shape[0] ?? 0);
        const part = await dequantizeTensor(tensor, { rowStart, rowCount });
        const wanted = expected.slice(rowStart * rowElems, (rowStart + rowCount) * rowElems);
        expect(firstDifference(part, wanted)).toBeUndefined();
      }
    });

    const { odd } = c;
    if (odd) {
      it(`${c.name}: products of odd sizes`, async () => {
        const arrays = readArrays(quantPath(c.file));
        const weights = await dequantizeTensor(stored(raw(arrays, 'odd.packed'), [odd.rows, odd.cols]));
        const x = floats(arrays, 'odd.x');
        const y = Array.from({ length: odd.tokens * odd.rows }, (_, i) => {
          const [token, row] = [Math.floor(i / odd.rows), i % odd.rows];
          let sum = 0;
          for (let k = 0; k < odd.cols; k++) sum += (x[token * odd.cols + k] ?? 0) * (weights[row * odd.cols + k] ?? 0);
          return sum;
        });
        expectWithin(nmse(y, floats(arrays, 'odd.y')), c.tolerance.nmse_f32_accumulate);
      });
    }
  }
});
