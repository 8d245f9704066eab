/** Encoders against the reference quantizers on the matrix that every golden file was packed from. */
import { describe, expect, it } from 'vitest';
import { canQuantize, quantize } from '../../../src/lib/quant/quantize';
import { quantizeNf4 } from '../../../src/lib/quant/quantize_nf4';
import { quantTypeOfGgml } from '../../../src/lib/quant/registry';
import { quantCases, quantPath, skipWhenEmpty } from './golden_cases';
import { floats, raw, readArrays } from './safetensors_arrays';

interface GgmlCase {
  readonly name: string;
  readonly kind: string;
  readonly type_id: number;
  readonly file: string;
  readonly inputs_file: string;
}

interface Bnb4Case {
  readonly name: string;
  readonly kind: string;
  readonly file: string;
  readonly expected_file: string;
  readonly params: { readonly quant: string; readonly blocksize: number; readonly nested: boolean };
}

describe('quantizers', () => {
  const cases = quantCases<GgmlCase>(['ggml']);
  skipWhenEmpty(cases);
  for (const c of cases) {
    const type = quantTypeOfGgml(c.type_id)?.id;
    if (type === undefined || !canQuantize(type)) continue;
    it(`${c.name}: same bytes`, () => {
      const original = floats(readArrays(quantPath(c.inputs_file)), 'w_original');
      const packed = raw(readArrays(quantPath(c.file)), 'packed');
      const got = quantize(type, original);
      expect(got.length).toBe(packed.length);
      const differing = got.reduce((count, byte, i) => count + (byte === packed[i] ? 0 : 1), 0);
      expect(differing, 'bytes that differ from the reference').toBe(0);
    });
  }

  const bnb4Cases = quantCases<Bnb4Case>(['bnb4']);
  skipWhenEmpty(bnb4Cases);
  for (const c of bnb4Cases) {
    if (c.params.quant !== 'nf4' || c.params.nested) continue;
    it(`${c.name}: packing its own values again gives the same bytes`, () => {
      const expected = readArrays(quantPath(c.expected_file));
      const again = quantizeNf4(floats(expected, 'dequant_f32'), c.params.blocksize);
      const stored = [...readArrays(quantPath(c.file))].find(([name]) => name.endsWith('.weight'));
      const absmax = floats(expected, 'absmax');
      // A block whose largest magnitude is not a code of its own (all codes below 1) cannot be recovered from values.
      let compared = 0;
      again.absmax.forEach((largest, block) => {
        if (largest !== absmax[block] || largest === 0) return;
        compared++;
        const half = c.params.blocksize / 2;
        const from = block * half;
        expect([...again.packed.subarray(from, from + half)]).toEqual([
          ...(stored?.[1].bytes.subarray(from, from + half) ?? []),
        ]);
      });
      expect(compared).toBeGreaterThan(0);
    });
  }
});
