/**
 * GGML blocks of 4-bit codes with a table of values.
 *
 *   IQ4_NL 18 B, 32 elements  | d 0..1 | qs 2..17 |                       w = d * T[nib], Q4_0 order
 *   IQ4_XS 136 B, 256         | d 0 | scales_h 2..3 | scales_l 4..7 | qs 8..135 |  w = d * (ls - 32) * T[nib]
 *   MXFP4  17 B, 32           | e 0 (E8M0) | qs 1..16 |                   w = 2^(e-128) * E[nib], Q4_0 order
 *   NVFP4  36 B, 64           | d 0..3 (UE4M3 per 16) | qs 4..35 |        w = ue4m3(d) / 2 * E[nib]
 *          sub-block s: bytes 4+8s..; element j (0..7) low nibble of byte j, element j+8 its high nibble
 *
 * E holds the E2M1 values doubled, so both scales are halved. Source: ggml (MIT), ggml-quants.c, ggml-common.h.
 */
import { blocks, f16At } from './legacy_blocks';
import { defineType } from './type_def';

/** Non-linear 4-bit levels of IQ4_NL and IQ4_XS (ggml kvalues_iq4nl). */
export const IQ4_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;

/** Twice the E2M1 values; code 8 is +0 as in ggml. */
export const E2M1_DOUBLED = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] as const;

/** Half of a UE4M3 scale: no sign (bit 7 is ignored), codes 0 and 0x7F are 0 (0xFF is not: ggml compares the byte). */
export function ue4m3Half(code: number): number {
  if (code === 0x7f) return 0;
  const x = code & 0x7f;
  const exponent = x >> 3;
  const mantissa = x & 7;
  return 0.5 * (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7));
}

/** Half of an E8M0 scale: 2^(e-128); code 255 is an ordinary exponent here, not NaN. */
export function e8m0Half(code: number): number {
  return 2 ** (code - 128);
}

const iq4Nl = blocks(32, 18, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 2 + j] ?? 0;
    out[to + j] = d * (IQ4_VALUES[pair & 15] ?? 0);
    out[to + 16 + j] = d * (IQ4_VALUES[pair >> 4] ?? 0);
  }
});

const iq4Xs = blocks(256, 136, (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const high = (bytes[at + 2] ?? 0) | ((bytes[at + 3] ?? 0) << 8);
  for (let sub = 0; sub < 8; sub++) {
    const low = ((bytes[at + 4 + (sub >> 1)] ?? 0) >> (4 * (sub & 1))) & 15;
    const scale = d * ((low | (((high >> (2 * sub)) & 3) << 4)) - 32);
    const from = at + 8 + 16 * sub;
    for (let j = 0; j < 16; j++) {
      const pair = bytes[from + j] ?? 0;
      out[to + sub * 32 + j] = scale * (IQ4_VALUES[pair & 15] ?? 0);
      out[to + sub * 32 + 16 + j] = scale * (IQ4_VALUES[pair >> 4] ?? 0);
    }
  }
});

const mxfp4 = blocks(32, 17, (bytes, at, out, to) => {
  const scale = e8m0Half(bytes[at] ?? 0);
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 1 + j] ?? 0;
    out[to + j] = scale * (E2M1_DOUBLED[pair & 15] ?? 0);
    out[to + 16 + j] = scale * (E2M1_DOUBLED[pair >> 4] ?? 0);
  }
});

const nvfp4 = blocks(64, 36, (bytes, at, out, to) => {
  for (let sub = 0; sub < 4; sub++) {
    const scale = ue4m3Half(bytes[at + sub] ?? 0);
    for (let j = 0; j < 8; j++) {
      const pair = bytes[at + 4 + 8 * sub + j] ?? 0;
      out[to + sub * 16 + j] = scale * (E2M1_DOUBLED[pair & 15] ?? 0);
      out[to + sub * 16 + 8 + j] = scale * (E2M1_DOUBLED[pair >> 4] ?? 0);
    }
  }
});

export const fp4BlockTypes = [
  defineType({
    id: 'IQ4_NL',
    label: '4-bit non-linear, scale per 32',
    kind: 'block',
    blockElems: 32,
    blockBytes: 18,
    bitsPerWeight: 4.5,
    ggmlType: 20,
    words: [{ offset: 0, width: 2, count: 1 }],
    dequantize: iq4Nl,
  }),
  defineType({
    id: 'IQ4_XS',
    label: '4-bit non-linear, super-block',
    kind: 'block',
    blockElems: 256,
    blockBytes: 136,
    bitsPerWeight: 4.25,
    ggmlType: 23,
    words: [{ offset: 0, width: 2, count: 2 }],
    dequantize: iq4Xs,
  }),
  defineType({
    id: 'MXFP4',
    label: 'microscaling FP4, power-of-two scale per 32',
    kind: 'block',
    blockElems: 32,
    blockBytes: 17,
    bitsPerWeight: 4.25,
    ggmlType: 39,
    dequantize: mxfp4,
  }),
  defineType({
    id: 'NVFP4',
    label: 'FP4, 8-bit float scale per 16',
    kind: 'block',
    blockElems: 64,
    blockBytes: 36,
    bitsPerWeight: 4.5,
    ggmlType: 40,
    dequantize: nvfp4,
  }),
] as const;
