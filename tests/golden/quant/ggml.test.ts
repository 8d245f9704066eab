/** Every GGML type against the reference decoder: matrix, odd rows, edge blocks. Numeric equality, NaN = NaN, -0 = +0. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import { packedBytes, quantTypeOfGgml } from '../../../src/lib/quant/registry';
import { goldenGroup } from '../golden_dir';
import { floats, raw, readArrays } from './safetensors_arrays';

interface GgmlCase {
  readonly name: string;
  readonly kind: string;
  readonly type: string;
  readonly type_id: number;
  readonly block_elements: number;
  readonly block_bytes: number;
  readonly rows: number;
  readonly cols: number;
  readonly file: string;
}

const folder = goldenGroup('quant');
const cases = folder
  ? (JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { cases: GgmlCase[] }).cases.filter(
      (c) => c.kind === 'ggml',
    )
  : [];

/** First difference as text, or undefined. */
export function firstDifference(got: Float32Array, want: Float32Array): string | undefined {
  if (got.length !== want.length) return `${got.length} values, want ${want.length}`;
  for (let i = 0; i < got.length; i++) {
    const same = got[i] === want[i] || (Number.isNaN(got[i]) && Number.isNaN(want[i]));
    if (!same) return `element ${i}: ${got[i]}, want ${want[i]}`;
  }
  return undefined;
}

describe('ggml types', () => {
  if (!folder) it.skip('no quant group in the golden folder');
  for (const c of cases) {
    it(c.name, async () => {
      const type = quantTypeOfGgml(c.type_id);
      expect(type?.id).toBe(c.type);
      if (!type) return;
      expect([type.blockElems, type.blockBytes]).toEqual([c.block_elements, c.block_bytes]);
      const arrays = readArrays(join(folder!, c.file));
      for (const [packed, want] of [
        ['packed', 'dequant'],
        ['edge.packed', 'edge.dequant'],
      ] as const) {
        if (!arrays.has(packed)) continue;
        const bytes = raw(arrays, packed);
        const expected = floats(arrays, want);
        expect(packedBytes(type, expected.length)).toBe(bytes.length);
        const shape = arrays.get(want)!.shape;
        const tensor = {
          name: c.name,
          type: type.id,
          shape,
          source: memorySource(c.name, bytes),
          byteOffset: 0,
          byteLength: bytes.length,
        };
        expect(firstDifference(await dequantizeTensor(tensor), expected)).toBeUndefined();
        const middle = await dequantizeTensor(tensor, { rowStart: 3, rowCount: 2 });
        const rowElems = shape.slice(1).reduce((a, b) => a * b, 1);
        expect(firstDifference(middle, expected.slice(3 * rowElems, 5 * rowElems))).toBeUndefined();
      }
    });
  }
});
