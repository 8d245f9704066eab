/**
 * GGML lattice types: groups of 4 or 8 weights are entries of a constant code book, with signs and small scales.
 * All blocks hold 256 elements; n8 = group of 8, n4 = group of 4, sub32, sub16 = sub-blocks.
 *
 *   IQ2_XXS 66 B | d 0 | 8 x (u32: four 8-bit entries; u32: 4 x 7 sign bits, 4-bit scale) 2..65 |
 *   IQ2_XS  74 B | d 0 | 32 x u16: 9-bit entry, 7 sign bits 2..65 | scales 66..73 |
 *   IQ2_S   82 B | d 0 | entries lo 2..33 | signs 34..65 | entries hi 66..73 | scales 74..81 |
 *   IQ3_XXS 98 B | d 0 | 64 x 8-bit entry 2..65 | 8 x u32: 4 x 7 sign bits, 4-bit scale 66..97 |
 *   IQ3_S  110 B | d 0 | entries lo 2..65 | entries hi 66..73 | signs 74..105 | scales 106..109 |
 *   IQ1_S   50 B | d 0 | entries lo 2..33 | 8 x u16: 4 x 3 entry bits, 3-bit scale, shift sign 34..49 |
 *   IQ1_M   56 B | entries lo 0..31 | 16 x (2 x (3 entry bits, shift sign)) 32..47 | 4 x u16 scales, d in their top nibbles 48..55 |
 *
 * Seven sign bits stand for eight: the eighth is their parity. Source: ggml (MIT), ggml-quants.c, dequantize_row_iq*.
 */
import { iq1Grid, iq2SGrid, iq2XsGrid, iq2XxsGrid, iq3SGrid, iq3XxsGrid } from './iq_grids';
import { f16ToF32 } from './half';
import { blocks, f16At } from './legacy_blocks';
import { defineType } from './type_def';

function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function u32At(bytes: Uint8Array, at: number): number {
  return (u16At(bytes, at) | (u16At(bytes, at + 2) << 16)) >>> 0;
}

/** Eight sign bits from seven: bit 7 makes the number of set bits even. */
function withParity(seven: number): number {
  let parity = seven ^ (seven >> 4);
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return seven | ((parity & 1) << 7);
}

/** Writes one code book entry of `width` weights: scale * level, negated where the sign bit is set. */
function put(
  grid: Int8Array,
  entry: number,
  width: 4 | 8,
  signs: number,
  scale: number,
  out: Float32Array,
  to: number,
): void {
  for (let j = 0; j < width; j++) {
    const value = scale * (grid[entry * width + j] ?? 0);
    out[to + j] = (signs >> j) & 1 ? -value : value;
  }
}

const iq2Xxs = blocks(256, 66, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const grid = iq2XxsGrid();
  for (let sub = 0; sub < 8; sub++) {
    const signs = u32At(bytes, at + 6 + 8 * sub);
    const scale = d * (0.5 + (signs >>> 28)) * 0.25;
    for (let k = 0; k < 4; k++) {
      const entry = bytes[at + 2 + 8 * sub + k] ?? 0;
      put(grid, entry, 8, withParity((signs >>> (7 * k)) & 127), scale, out, to + 32 * sub + 8 * k);
    }
  }
});

const iq2Xs = blocks(256, 74, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const grid = iq2XsGrid();
  for (let n8 = 0; n8 < 32; n8++) {
    const code = u16At(bytes, at + 2 + 2 * n8);
    const nibble = ((bytes[at + 66 + (n8 >> 2)] ?? 0) >> (4 * ((n8 >> 1) & 1))) & 15;
    put(grid, code & 511, 8, withParity(code >> 9), d * (0.5 + nibble) * 0.25, out, to + 8 * n8);
  }
});

const iq2S = blocks(256, 82, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const grid = iq2SGrid();
  for (let n8 = 0; n8 < 32; n8++) {
    const high = ((bytes[at + 66 + (n8 >> 2)] ?? 0) >> (2 * (n8 & 3))) & 3;
    const entry = (bytes[at + 2 + n8] ?? 0) | (high << 8);
    const nibble = ((bytes[at + 74 + (n8 >> 2)] ?? 0) >> (4 * ((n8 >> 1) & 1))) & 15;
    put(grid, entry, 8, bytes[at + 34 + n8] ?? 0, d * (0.5 + nibble) * 0.25, out, to + 8 * n8);
  }
});

const iq3Xxs = blocks(256, 98, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const grid = iq3XxsGrid();
  for (let sub = 0; sub < 8; sub++) {
    const word = u32At(bytes, at + 66 + 4 * sub);
    const scale = d * (0.5 + (word >>> 28)) * 0.5;
    for (let k = 0; k < 4; k++) {
      const signs = withParity((word >>> (7 * k)) & 127);
      const n4 = sub * 8 + k * 2;
      put(grid, bytes[at + 2 + n4] ?? 0, 4, signs, scale, out, to + 4 * n4);
      put(grid, bytes[at + 3 + n4] ?? 0, 4, signs >> 4, scale, out, to + 4 * n4 + 4);
    }
  }
});

const iq3S = blocks(256, 110, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const grid = iq3SGrid();
  for (let n4 = 0; n4 < 64; n4++) {
    const high = ((bytes[at + 66 + (n4 >> 3)] ?? 0) >> (n4 & 7)) & 1;
    const entry = (bytes[at + 2 + n4] ?? 0) | (high << 8);
    const signs = (bytes[at + 74 + (n4 >> 1)] ?? 0) >> (4 * (n4 & 1));
    const nibble = ((bytes[at + 106 + (n4 >> 4)] ?? 0) >> (4 * ((n4 >> 3) & 1))) & 15;
    put(grid, entry, 4, signs, d * (1 + 2 * nibble), out, to + 4 * n4);
  }
});

const SHIFT = 0.125;

const iq1S = blocks(256, 50, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const grid = iq1Grid();
  for (let sub = 0; sub < 8; sub++) {
    const word = u16At(bytes, at + 34 + 2 * sub);
    const scale = d * (2 * ((word >> 12) & 7) + 1);
    const shift = word & 0x8000 ? -SHIFT : SHIFT;
    for (let k = 0; k < 4; k++) {
      const n8 = sub * 4 + k;
      const entry = (bytes[at + 2 + n8] ?? 0) | (((word >> (3 * k)) & 7) << 8);
      for (let j = 0; j < 8; j++) out[to + 8 * n8 + j] = scale * ((grid[entry * 8 + j] ?? 0) + shift);
    }
  }
});

const iq1M = blocks(256, 56, (bytes, at, out, to) => {
  const grid = iq1Grid();
  const s0 = u16At(bytes, at + 48);
  const s1 = u16At(bytes, at + 50);
  const s2 = u16At(bytes, at + 52);
  const s3 = u16At(bytes, at + 54);
  const d = f16ToF32((s0 >> 12) | ((s1 >> 8) & 0xf0) | ((s2 >> 4) & 0xf00) | (s3 & 0xf000));
  for (let n8 = 0; n8 < 32; n8++) {
    const sub16 = n8 >> 1;
    const word = u16At(bytes, at + 48 + 2 * (sub16 >> 2));
    const scale = d * (2 * ((word >> (3 * (sub16 & 3))) & 7) + 1);
    const nibble = ((bytes[at + 32 + (n8 >> 1)] ?? 0) >> (4 * (n8 & 1))) & 15;
    const entry = (bytes[at + n8] ?? 0) | ((nibble & 7) << 8);
    const shift = nibble & 8 ? -SHIFT : SHIFT;
    for (let j = 0; j < 8; j++) out[to + 8 * n8 + j] = scale * ((grid[entry * 8 + j] ?? 0) + shift);
  }
});

const halfWords = (offset: number, count: number) => ({ offset, width: 2, count }) as const;

export const latticeTypes = [
  defineType({
    id: 'IQ2_XXS',
    label: '2.06-bit lattice',
    kind: 'block',
    blockElems: 256,
    blockBytes: 66,
    bitsPerWeight: 2.0625,
    ggmlType: 16,
    words: [halfWords(0, 33)],
    dequantize: iq2Xxs,
  }),
  defineType({
    id: 'IQ2_XS',
    label: '2.31-bit lattice',
    kind: 'block',
    blockElems: 256,
    blockBytes: 74,
    bitsPerWeight: 2.3125,
    ggmlType: 17,
    words: [halfWords(0, 33)],
    dequantize: iq2Xs,
  }),
  defineType({
    id: 'IQ3_XXS',
    label: '3.06-bit lattice',
    kind: 'block',
    blockElems: 256,
    blockBytes: 98,
    bitsPerWeight: 3.0625,
    ggmlType: 18,
    words: [halfWords(0, 1), { offset: 66, width: 4, count: 8 }],
    dequantize: iq3Xxs,
  }),
  defineType({
    id: 'IQ1_S',
    label: '1.56-bit lattice',
    kind: 'block',
    blockElems: 256,
    blockBytes: 50,
    bitsPerWeight: 1.5625,
    ggmlType: 19,
    words: [halfWords(0, 1), halfWords(34, 8)],
    dequantize: iq1S,
  }),
  defineType({
    id: 'IQ3_S',
    label: '3.44-bit lattice',
    kind: 'block',
    blockElems: 256,
    blockBytes: 110,
    bitsPerWeight: 3.4375,
    ggmlType: 21,
    words: [halfWords(0, 1)],
    dequantize: iq3S,
  }),
  defineType({
    id: 'IQ2_S',
    label: '2.56-bit lattice',
    kind: 'block',
    blockElems: 256,
    blockBytes: 82,
    bitsPerWeight: 2.5625,
    ggmlType: 22,
    words: [halfWords(0, 1)],
    dequantize: iq2S,
  }),
  defineType({
    id: 'IQ1_M',
    label: '1.75-bit lattice',
    kind: 'block',
    blockElems: 256,
    blockBytes: 56,
    bitsPerWeight: 1.75,
    ggmlType: 29,
    words: [halfWords(48, 4)],
    dequantize: iq1M,
  }),
] as const;
