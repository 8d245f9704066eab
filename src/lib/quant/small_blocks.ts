/**
 * GGML blocks of one, two and 1.6 bits.
 *
 *   Q1_0  18 B, 128 elements | d 0..1 | qs 2..17 |  w = bit ? d : -d, element i is bit i&7 of byte i>>3
 *   Q2_0  18 B,  64 elements | d 0..1 | qs 2..17 |  w = (q - 1) * d, element i is bits 2(i&3) of byte i>>2
 *   TQ2_0 66 B, 256 elements | qs 0..63 | d 64 |    w = d * (q - 1), 128 elements use 32 bytes, bits 2j
 *   TQ1_0 54 B, 256 elements | qs 0..47 | qh 48..51 | d 52 |  five trits per byte (four in qh)
 *         elements   0..159: n = 0..4 outer, bytes 0..31 inner
 *         elements 160..239: n = 0..4 outer, bytes 32..47 inner
 *         elements 240..255: n = 0..3 outer, qh 0..3 inner
 *
 * Source: ggml (MIT), ggml-quants.c, dequantize_row_{q1_0,q2_0,tq1_0,tq2_0}.
 */
import { blocks, f16At } from './legacy_blocks';
import { defineType } from './type_def';

const q1_0 = blocks(128, 18, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  for (let i = 0; i < 128; i++) out[to + i] = ((bytes[at + 2 + (i >> 3)] ?? 0) >> (i & 7)) & 1 ? d : -d;
});

const q2_0 = blocks(64, 18, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  for (let i = 0; i < 64; i++) out[to + i] = ((((bytes[at + 2 + (i >> 2)] ?? 0) >> (2 * (i & 3))) & 3) - 1) * d;
});

const tq2_0 = blocks(256, 66, (bytes, at, out, to) => {
  const d = f16At(bytes, at + 64);
  for (let i = 0; i < 256; i++) {
    const byte = bytes[at + 32 * (i >> 7) + (i & 31)] ?? 0;
    out[to + i] = d * (((byte >> (2 * ((i >> 5) & 3))) & 3) - 1);
  }
});

const POWERS_OF_3 = [1, 3, 9, 27, 81];

/** Trit `n` of a byte, as -1, 0, 1. The byte holds ceil(value * 256 / 243): multiplying walks to the next digit. */
function trit(byte: number, n: number): number {
  return ((((byte * (POWERS_OF_3[n] ?? 1)) & 255) * 3) >> 8) - 1;
}

const tq1_0 = blocks(256, 54, (bytes, at, out, to) => {
  const d = f16At(bytes, at + 52);
  const runs = [
    { from: 0, bytes: 32, trits: 5, to: 0 },
    { from: 32, bytes: 16, trits: 5, to: 160 },
    { from: 48, bytes: 4, trits: 4, to: 240 },
  ];
  for (const run of runs) {
    for (let n = 0; n < run.trits; n++) {
      for (let b = 0; b < run.bytes; b++) {
        out[to + run.to + n * run.bytes + b] = d * trit(bytes[at + run.from + b] ?? 0, n);
      }
    }
  }
});

const scaleAt = (offset: number) => [{ offset, width: 2, count: 1 }] as const;

export const smallBlockTypes = [
  defineType({
    id: 'TQ1_0',
    label: 'ternary, 1.69 bits',
    kind: 'block',
    blockElems: 256,
    blockBytes: 54,
    bitsPerWeight: 1.6875,
    ggmlType: 34,
    words: scaleAt(52),
    dequantize: tq1_0,
  }),
  defineType({
    id: 'TQ2_0',
    label: 'ternary, 2.06 bits',
    kind: 'block',
    blockElems: 256,
    blockBytes: 66,
    bitsPerWeight: 2.0625,
    ggmlType: 35,
    words: scaleAt(64),
    dequantize: tq2_0,
  }),
  defineType({
    id: 'Q1_0',
    label: '1-bit, scale per 128',
    kind: 'block',
    blockElems: 128,
    blockBytes: 18,
    bitsPerWeight: 1.125,
    ggmlType: 41,
    words: scaleAt(0),
    dequantize: q1_0,
  }),
  defineType({
    id: 'Q2_0',
    label: '2-bit, scale per 64',
    kind: 'block',
    blockElems: 64,
    blockBytes: 18,
    bitsPerWeight: 2.25,
    ggmlType: 42,
    words: scaleAt(0),
    dequantize: q2_0,
  }),
] as const;
