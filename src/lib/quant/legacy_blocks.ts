/**
 * GGML blocks of 32 elements with one scale (Q4_0, Q5_0, Q8_0) or scale and minimum (Q4_1, Q5_1), and Q8_1.
 * All little-endian; d, m, s are binary16. "Q4_0 order": element j (0..15) is the low nibble of qs[j],
 * element j+16 its high nibble.
 *
 *   Q4_0 18 B  | d 0..1 | qs 2..17            |  w = (nib - 8) * d
 *   Q4_1 20 B  | d 0..1 | m 2..3 | qs 4..19   |  w = nib * d + m
 *   Q5_0 22 B  | d 0..1 | qh 2..5 | qs 6..21  |  w = ((nib | bit i of qh << 4) - 16) * d
 *   Q5_1 24 B  | d | m | qh 4..7 | qs 8..23   |  w = (nib | bit << 4) * d + m
 *   Q8_0 34 B  | d 0..1 | qs 2..33 (i8)       |  w = q * d
 *   Q8_1 36 B  | d | s | qs 4..35 (i8)        |  w = q * d;  s = d * sum(q), for dot products only
 *
 * Source: ggml (MIT), ggml-quants.c, dequantize_row_*. Products need at most 23 bits, so f64 arithmetic with one
 * rounding on store equals ggml's f32 arithmetic.
 */
import { f16Table } from './half';
import { defineType, type Dequantize } from './type_def';

const halves = f16Table();

/** binary16 value at a byte offset. */
export function f16At(bytes: Uint8Array, offset: number): number {
  return halves[(bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8)] ?? 0;
}

/** Calls `block(blockByteOffset, outOffset)` for each whole block. */
export function blocks(
  blockElems: number,
  blockBytes: number,
  block: (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void,
): Dequantize {
  return (bytes, count, out, outOffset = 0, byteOffset = 0) => {
    for (let i = 0; i * blockElems < count; i++)
      block(bytes, byteOffset + i * blockBytes, out, outOffset + i * blockElems);
  };
}

const q4_0 = blocks(32, 18, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 2 + j] ?? 0;
    out[to + j] = ((pair & 15) - 8) * d;
    out[to + 16 + j] = ((pair >> 4) - 8) * d;
  }
});

const q4_1 = blocks(32, 20, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const m = f16At(bytes, at + 2);
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 4 + j] ?? 0;
    out[to + j] = (pair & 15) * d + m;
    out[to + 16 + j] = (pair >> 4) * d + m;
  }
});

/** The 32 fifth bits; a plain read, the field is not aligned. */
function highBits(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

const q5_0 = blocks(32, 22, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const qh = highBits(bytes, at + 2);
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 6 + j] ?? 0;
    out[to + j] = ((pair & 15) + ((qh >>> j) & 1) * 16 - 16) * d;
    out[to + 16 + j] = ((pair >> 4) + ((qh >>> (j + 16)) & 1) * 16 - 16) * d;
  }
});

const q5_1 = blocks(32, 24, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const m = f16At(bytes, at + 2);
  const qh = highBits(bytes, at + 4);
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 8 + j] ?? 0;
    out[to + j] = ((pair & 15) + ((qh >>> j) & 1) * 16) * d + m;
    out[to + 16 + j] = ((pair >> 4) + ((qh >>> (j + 16)) & 1) * 16) * d + m;
  }
});

/** Signed value of a byte. */
export function i8(byte: number | undefined): number {
  return ((byte ?? 0) << 24) >> 24;
}

const q8_0 = blocks(32, 34, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  for (let j = 0; j < 32; j++) out[to + j] = i8(bytes[at + 2 + j]) * d;
});

const q8_1 = blocks(32, 36, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  for (let j = 0; j < 32; j++) out[to + j] = i8(bytes[at + 4 + j]) * d;
});

const halfWords = (offset: number, count: number) => ({ offset, width: 2, count }) as const;

export const legacyBlockTypes = [
  defineType({
    id: 'Q4_0',
    label: '4-bit, scale per 32',
    kind: 'block',
    blockElems: 32,
    blockBytes: 18,
    bitsPerWeight: 4.5,
    ggmlType: 2,
    words: [halfWords(0, 1)],
    dequantize: q4_0,
  }),
  defineType({
    id: 'Q4_1',
    label: '4-bit, scale and minimum per 32',
    kind: 'block',
    blockElems: 32,
    blockBytes: 20,
    bitsPerWeight: 5,
    ggmlType: 3,
    words: [halfWords(0, 2)],
    dequantize: q4_1,
  }),
  defineType({
    id: 'Q5_0',
    label: '5-bit, scale per 32',
    kind: 'block',
    blockElems: 32,
    blockBytes: 22,
    bitsPerWeight: 5.5,
    ggmlType: 6,
    words: [halfWords(0, 1), { offset: 2, width: 4, count: 1 }],
    dequantize: q5_0,
  }),
  defineType({
    id: 'Q5_1',
    label: '5-bit, scale and minimum per 32',
    kind: 'block',
    blockElems: 32,
    blockBytes: 24,
    bitsPerWeight: 6,
    ggmlType: 7,
    words: [halfWords(0, 2), { offset: 4, width: 4, count: 1 }],
    dequantize: q5_1,
  }),
  defineType({
    id: 'Q8_0',
    label: '8-bit, scale per 32',
    kind: 'block',
    blockElems: 32,
    blockBytes: 34,
    bitsPerWeight: 8.5,
    ggmlType: 8,
    words: [halfWords(0, 1)],
    dequantize: q8_0,
  }),
  defineType({
    id: 'Q8_1',
    label: '8-bit activations, scale and sum per 32',
    kind: 'block',
    blockElems: 32,
    blockBytes: 36,
    bitsPerWeight: 9,
    ggmlType: 9,
    words: [halfWords(0, 2)],
    dequantize: q8_1,
  }),
] as const;
