/**
 * GGML "K" super-blocks of 256 elements: sub-blocks of 16 or 32 share small integer scales, which share one or two
 * binary16 scales.
 *
 *   Q2_K  84 B | scales 0..15 (lo: scale, hi: minimum) | qs 16..79 | d 80 | dmin 82 |
 *   Q3_K 110 B | hmask 0..31 | qs 32..95 | scales 96..107 | d 108 |
 *   Q4_K 144 B | d 0 | dmin 2 | scales 4..15 | qs 16..143 |
 *   Q5_K 176 B | d 0 | dmin 2 | scales 4..15 | qh 16..47 | qs 48..175 |
 *   Q6_K 210 B | ql 0..127 | qh 128..191 | scales 192..207 (i8) | d 208 |
 *   Q8_K 292 B | d 0..3 (f32) | qs 4..259 (i8) | bsums 260..291 (i16) |
 *
 * Six-bit scales of Q4_K and Q5_K, 8 scales and 8 minima in 12 bytes:
 *   byte  0..3   [ sc4..7 bits 5:4 | sc0..3 ]
 *   byte  4..7   [ mn4..7 bits 5:4 | mn0..3 ]
 *   byte  8..11  [ mn4..7 bits 3:0 | sc4..7 bits 3:0 ]
 *
 * Source: ggml (MIT), ggml-quants.c, dequantize_row_q*_K. Products are exact in f32, the subtraction rounds once;
 * f64 arithmetic with one rounding on store gives the same bits (53 >= 2 * 24 + 2).
 */
import { blocks, f16At, i8 } from './legacy_blocks';
import { defineType } from './type_def';

const q2_k = blocks(256, 84, (bytes, at, out, to) => {
  const d = f16At(bytes, at + 80);
  const dmin = f16At(bytes, at + 82);
  for (let sub = 0; sub < 16; sub++) {
    const packed = bytes[at + sub] ?? 0;
    const scale = d * (packed & 15);
    const minimum = dmin * (packed >> 4);
    // 128 elements use 32 bytes: sub-blocks 2j and 2j+1 of a half read bits 2j of bytes 0..15 and 16..31.
    const from = at + 16 + (sub >> 3) * 32 + (sub & 1) * 16;
    const shift = ((sub >> 1) & 3) * 2;
    for (let l = 0; l < 16; l++) out[to + sub * 16 + l] = scale * (((bytes[from + l] ?? 0) >> shift) & 3) - minimum;
  }
});

const q3_k = blocks(256, 110, (bytes, at, out, to) => {
  const d = f16At(bytes, at + 108);
  for (let sub = 0; sub < 16; sub++) {
    const low = (bytes[at + 96 + (sub & 7)] ?? 0) >> (sub < 8 ? 0 : 4);
    const high = (bytes[at + 104 + (sub & 3)] ?? 0) >> (2 * (sub >> 2));
    const scale = d * (((low & 15) | ((high & 3) << 4)) - 32);
    const half = sub >> 3;
    const part = (sub >> 1) & 3;
    const from = (sub & 1) * 16;
    for (let l = 0; l < 16; l++) {
      // A set mask bit means "do not subtract 4".
      const keep = ((bytes[at + from + l] ?? 0) >> (4 * half + part)) & 1;
      const q = (((bytes[at + 32 + 32 * half + from + l] ?? 0) >> (2 * part)) & 3) - (keep ? 0 : 4);
      out[to + sub * 16 + l] = scale * q;
    }
  }
});

/** Six-bit scale `j` (0..7) of the 12 bytes at `s`. */
function sixBitScale(bytes: Uint8Array, s: number, j: number): number {
  if (j < 4) return (bytes[s + j] ?? 0) & 63;
  return ((bytes[s + j + 4] ?? 0) & 15) | (((bytes[s + j - 4] ?? 0) >> 6) << 4);
}

/** Six-bit minimum `j` (0..7) of the 12 bytes at `s`. */
function sixBitMinimum(bytes: Uint8Array, s: number, j: number): number {
  if (j < 4) return (bytes[s + j + 4] ?? 0) & 63;
  return ((bytes[s + j + 4] ?? 0) >> 4) | (((bytes[s + j] ?? 0) >> 6) << 4);
}

const q4_k = blocks(256, 144, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const dmin = f16At(bytes, at + 2);
  for (let sub = 0; sub < 8; sub++) {
    const scale = d * sixBitScale(bytes, at + 4, sub);
    const minimum = dmin * sixBitMinimum(bytes, at + 4, sub);
    const from = at + 16 + (sub >> 1) * 32;
    const shift = (sub & 1) * 4;
    for (let l = 0; l < 32; l++) out[to + sub * 32 + l] = scale * (((bytes[from + l] ?? 0) >> shift) & 15) - minimum;
  }
});

const q5_k = blocks(256, 176, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const dmin = f16At(bytes, at + 2);
  for (let sub = 0; sub < 8; sub++) {
    const scale = d * sixBitScale(bytes, at + 4, sub);
    const minimum = dmin * sixBitMinimum(bytes, at + 4, sub);
    const from = at + 48 + (sub >> 1) * 32;
    const shift = (sub & 1) * 4;
    for (let l = 0; l < 32; l++) {
      const high = (((bytes[at + 16 + l] ?? 0) >> sub) & 1) * 16;
      out[to + sub * 32 + l] = scale * ((((bytes[from + l] ?? 0) >> shift) & 15) + high) - minimum;
    }
  }
});

const q6_k = blocks(256, 210, (bytes, at, out, to) => {
  const d = f16At(bytes, at + 208);
  for (let sub = 0; sub < 16; sub++) {
    const scale = d * i8(bytes[at + 192 + sub]);
    const half = sub >> 3;
    const group = (sub >> 1) & 3;
    const l0 = (sub & 1) * 16;
    const low = at + 64 * half + 32 * (group & 1) + l0;
    const high = at + 128 + 32 * half + l0;
    const shift = group >= 2 ? 4 : 0;
    for (let l = 0; l < 16; l++) {
      const q = (((bytes[low + l] ?? 0) >> shift) & 15) | ((((bytes[high + l] ?? 0) >> (2 * group)) & 3) << 4);
      out[to + sub * 16 + l] = scale * (q - 32);
    }
  }
});

const q8_k = blocks(256, 292, (bytes, at, out, to) => {
  const d = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getFloat32(0, true);
  for (let i = 0; i < 256; i++) out[to + i] = d * i8(bytes[at + 4 + i]);
});

const halfWords = (offset: number, count: number) => ({ offset, width: 2, count }) as const;

export const kBlockTypes = [
  defineType({
    id: 'Q2_K',
    label: '2-bit, K super-block',
    kind: 'block',
    blockElems: 256,
    blockBytes: 84,
    bitsPerWeight: 2.625,
    ggmlType: 10,
    words: [halfWords(80, 2)],
    dequantize: q2_k,
  }),
  defineType({
    id: 'Q3_K',
    label: '3-bit, K super-block',
    kind: 'block',
    blockElems: 256,
    blockBytes: 110,
    bitsPerWeight: 3.4375,
    ggmlType: 11,
    words: [halfWords(108, 1)],
    dequantize: q3_k,
  }),
  defineType({
    id: 'Q4_K',
    label: '4-bit, K super-block',
    kind: 'block',
    blockElems: 256,
    blockBytes: 144,
    bitsPerWeight: 4.5,
    ggmlType: 12,
    words: [halfWords(0, 2)],
    dequantize: q4_k,
  }),
  defineType({
    id: 'Q5_K',
    label: '5-bit, K super-block',
    kind: 'block',
    blockElems: 256,
    blockBytes: 176,
    bitsPerWeight: 5.5,
    ggmlType: 13,
    words: [halfWords(0, 2)],
    dequantize: q5_k,
  }),
  defineType({
    id: 'Q6_K',
    label: '6-bit, K super-block',
    kind: 'block',
    blockElems: 256,
    blockBytes: 210,
    bitsPerWeight: 6.5625,
    ggmlType: 14,
    words: [halfWords(208, 1)],
    dequantize: q6_k,
  }),
  defineType({
    id: 'Q8_K',
    label: '8-bit activations, K super-block',
    kind: 'block',
    blockElems: 256,
    blockBytes: 292,
    bitsPerWeight: 9.125,
    ggmlType: 15,
    words: [{ offset: 0, width: 4, count: 1 }, halfWords(260, 16)],
    dequantize: q8_k,
  }),
] as const;
