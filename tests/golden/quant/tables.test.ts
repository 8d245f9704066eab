/** Code tables and encoders of the small floats against the field's libraries. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FP4_VALUES, NF4_VALUES } from '../../../src/lib/quant/bnb_types';
import { f32ToFloat8, float8Tables } from '../../../src/lib/quant/float8_types';
import { E2M1_DOUBLED, IQ4_VALUES, e8m0Half, ue4m3Half } from '../../../src/lib/quant/fp4_blocks';
import { f16Table, f32ToBf16, f32ToF16, f16ToF32 } from '../../../src/lib/quant/half';
import { iq1Grid, iq2SGrid, iq2XsGrid, iq2XxsGrid, iq3SGrid, iq3XxsGrid } from '../../../src/lib/quant/iq_grids';
import { firstDifference, quantCases, quantPath, skipWhenEmpty } from './golden_cases';
import { floats, raw, readArrays, type GoldenArray } from './safetensors_arrays';

interface TableCase {
  readonly name: string;
  readonly kind: string;
  readonly file: string;
  readonly expected?: { readonly all_f16?: { readonly count: number; readonly sha256_of_f32_little_endian: string } };
}

const codes = (count: number, value: (code: number) => number) =>
  Float32Array.from({ length: count }, (_, c) => value(c));

/** What the product has for each array of the tables; arrays without an entry are inputs of other checks. */
const TABLES: Readonly<Record<string, () => ArrayLike<number>>> = {
  nf4: () => NF4_VALUES,
  fp4: () => FP4_VALUES,
  e2m1fn: () => codes(16, (c) => (E2M1_DOUBLED[c] ?? 0) / 2),
  e4m3fn: () => float8Tables.F8_E4M3,
  e4m3fnuz: () => float8Tables.F8_E4M3FNUZ,
  e5m2: () => float8Tables.F8_E5M2,
  e5m2fnuz: () => float8Tables.F8_E5M2FNUZ,
  e8m0fnu: () => float8Tables.F8_E8M0,
  ggml_e8m0_half: () => codes(256, e8m0Half),
  ggml_ue4m3_half: () => codes(256, ue4m3Half),
};

const GRIDS: Readonly<Record<string, () => ArrayLike<number>>> = {
  'grid.IQ1_S': iq1Grid,
  'grid.IQ2_S': iq2SGrid,
  'grid.IQ2_XS': iq2XsGrid,
  'grid.IQ2_XXS': iq2XxsGrid,
  'grid.IQ3_S': iq3SGrid,
  'grid.IQ3_XXS': iq3XxsGrid,
  kvalues_iq4nl: () => IQ4_VALUES,
  kvalues_mxfp4_doubled: () => E2M1_DOUBLED,
};

function u16(arrays: Map<string, GoldenArray>, name: string): Uint16Array {
  return new Uint16Array(raw(arrays, name).buffer);
}

function expectCodes(got: number, want: number, isNan: (code: number) => boolean, what: string): void {
  if (isNan(want)) expect(isNan(got), what).toBe(true);
  else expect(got, what).toBe(want);
}

describe('tables', () => {
  const cases = quantCases<TableCase>(['table']);
  skipWhenEmpty(cases);
  for (const c of cases) {
    it(c.name, () => {
      const arrays = readArrays(quantPath(c.file));
      for (const [name, table] of Object.entries(TABLES)) {
        if (arrays.has(name)) expect(firstDifference(table(), floats(arrays, name)), name).toBeUndefined();
      }
      for (const [name, grid] of Object.entries(GRIDS)) {
        if (!arrays.has(name)) continue;
        expect(firstDifference(grid(), new Int8Array(raw(arrays, name).buffer)), name).toBeUndefined();
      }
      checkFloat8Encoders(arrays);
      checkHalfEncoders(arrays, c);
    });
  }
});

function checkFloat8Encoders(arrays: Map<string, GoldenArray>): void {
  if (!arrays.has('e4m3fn_saturating')) return;
  const values = floats(arrays, 'f32');
  const e4m3 = raw(arrays, 'e4m3fn_saturating');
  const e5m2 = raw(arrays, 'e5m2_saturating');
  values.forEach((value, i) => {
    expectCodes(f32ToFloat8(value, 'F8_E4M3'), e4m3[i] ?? -1, (code) => (code & 0x7f) === 0x7f, `e4m3 of ${value}`);
    expectCodes(f32ToFloat8(value, 'F8_E5M2'), e5m2[i] ?? -1, (code) => (code & 0x7f) > 0x7c, `e5m2 of ${value}`);
  });
}

function checkHalfEncoders(arrays: Map<string, GoldenArray>, c: TableCase): void {
  const all = c.expected?.all_f16;
  if (all) {
    const finite = Float32Array.from(f16Table().filter((value) => !Number.isNaN(value)));
    expect(finite.length).toBe(all.count);
    expect(createHash('sha256').update(Buffer.from(finite.buffer)).digest('hex')).toBe(all.sha256_of_f32_little_endian);
  }
  if (arrays.has('to_f16.code')) {
    const values = floatsOfBits(arrays, 'to_f16.f32_bits');
    const want = u16(arrays, 'to_f16.code');
    values.forEach((value, i) =>
      expectCodes(f32ToF16(value), want[i] ?? -1, (code) => (code & 0x7fff) > 0x7c00, `f16 of ${value}`),
    );
  }
  if (arrays.has('to_bf16.code')) {
    const values = floatsOfBits(arrays, 'to_bf16.f32_bits');
    const want = u16(arrays, 'to_bf16.code');
    values.forEach((value, i) =>
      expectCodes(f32ToBf16(value), want[i] ?? -1, (code) => (code & 0x7fff) > 0x7f80, `bf16 of ${value}`),
    );
  }
  if (arrays.has('f16.sample_code')) {
    const bits = floatsOfBits(arrays, 'f16.sample_f32_bits');
    u16(arrays, 'f16.sample_code').forEach((code, i) => expect(f16ToF32(code)).toBe(bits[i]));
  }
}

function floatsOfBits(arrays: Map<string, GoldenArray>, name: string): Float32Array {
  return new Float32Array(raw(arrays, name).buffer);
}
