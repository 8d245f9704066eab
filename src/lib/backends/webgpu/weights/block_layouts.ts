/**
 * GGML blocks as the kernels read them: codes in element order in `u32` words, scales apart from them. The fragments
 * in `wgsl/quant/` are the other side of this table. No device, no files: bytes in, words out.
 *
 *   quants   words per block, consecutive elements in consecutive bits, high bit planes after the low ones per 32
 *   scales   one binary16 per block (two per word), or words per block as the fragment's header says
 */
import type { QuantTypeId } from '../../../quant/registry';

export interface BlockLayout {
  /** File below `wgsl/quant/`. */
  readonly fragment: string;
  readonly blockElems: number;
  readonly blockBytes: number;
  readonly quantWords: number;
  /** Bytes of scales per block: 2 for a lone binary16, else a multiple of 4. */
  readonly scaleBytes: number;
  /**
   * Repacks one block.
   * @param at first byte of the block in `bytes`
   * @param q first word of the block in `quants`
   * @param s first byte of the block's scales in `scales`
   */
  readonly repack: (bytes: DataView, at: number, quants: Uint32Array, q: number, scales: DataView, s: number) => void;
}

/** Low nibbles of four bytes as 16 bits. */
function nibbles(word: number): number {
  const x = word & 0x0f0f0f0f;
  const y = (x | (x >>> 4)) & 0x00ff00ff;
  return (y | (y >>> 8)) & 0xffff;
}

/** Low bit pairs of four bytes as 8 bits. */
function pairs(word: number): number {
  const x = word & 0x03030303;
  const y = (x | (x >>> 6)) & 0x000f000f;
  return (y | (y >>> 12)) & 0xff;
}

/** Low bits of four bytes as 4 bits. */
function bits(word: number): number {
  const x = word & 0x01010101;
  const y = (x | (x >>> 7)) & 0x00030003;
  return (y | (y >>> 14)) & 0xf;
}

/** 32 nibbles in Q4_0 order (low nibbles of 16 bytes, then high ones) into 4 words. */
function nibbles16(bytes: DataView, at: number, quants: Uint32Array, q: number): void {
  for (let half = 0; half < 2; half++) {
    const a = bytes.getUint32(at + 8 * half, true);
    const b = bytes.getUint32(at + 8 * half + 4, true);
    quants[q + half] = nibbles(a) | (nibbles(b) << 16);
    quants[q + 2 + half] = nibbles(a >>> 4) | (nibbles(b >>> 4) << 16);
  }
}

/** 32 nibbles from 32 bytes at a bit offset of 0 or 4 into 4 words. */
function nibbles32(bytes: DataView, at: number, shift: number, quants: Uint32Array, q: number): void {
  for (let i = 0; i < 4; i++) {
    const a = bytes.getUint32(at + 8 * i, true) >>> shift;
    const b = bytes.getUint32(at + 8 * i + 4, true) >>> shift;
    quants[q + i] = nibbles(a) | (nibbles(b) << 16);
  }
}

/** 32 bit pairs from 32 bytes at a bit offset into 2 words. */
function pairs32(bytes: DataView, at: number, shift: number, quants: Uint32Array, q: number): void {
  for (let half = 0; half < 2; half++) {
    let word = 0;
    for (let i = 0; i < 4; i++) word |= pairs(bytes.getUint32(at + 16 * half + 4 * i, true) >>> shift) << (8 * i);
    quants[q + half] = word;
  }
}

/** 32 single bits from 32 bytes at a bit offset into 1 word. */
function bits32(bytes: DataView, at: number, shift: number): number {
  let word = 0;
  for (let i = 0; i < 8; i++) word |= bits(bytes.getUint32(at + 4 * i, true) >>> shift) << (4 * i);
  return word >>> 0;
}

function copyHalf(bytes: DataView, at: number, scales: DataView, s: number): void {
  scales.setUint16(s, bytes.getUint16(at, true), true);
}

/** The 12 bytes of six-bit scales and minima of Q4_K and Q5_K as 8 byte pairs, then d and dmin. */
function scalePairs(bytes: DataView, at: number, scales: DataView, s: number): void {
  for (let j = 0; j < 8; j++) {
    const low = bytes.getUint8(at + 4 + j);
    let scale = low & 63;
    let minimum = bytes.getUint8(at + 8 + (j & 3)) & 63;
    if (j >= 4) {
      const last = bytes.getUint8(at + 8 + j);
      scale = (last & 15) | ((bytes.getUint8(at + j) >> 6) << 4);
      minimum = (last >> 4) | ((low >> 6) << 4);
    }
    scales.setUint8(s + 2 * j, scale);
    scales.setUint8(s + 2 * j + 1, minimum);
  }
  scales.setUint32(s + 16, bytes.getUint32(at, true), true);
}

export const BLOCK_LAYOUTS: Readonly<Partial<Record<QuantTypeId, BlockLayout>>> = {
  Q8_0: {
    fragment: 'q8_0',
    blockElems: 32,
    blockBytes: 34,
    quantWords: 8,
    scaleBytes: 2,
    repack(bytes, at, quants, q, scales, s) {
      copyHalf(bytes, at, scales, s);
      for (let i = 0; i < 8; i++) quants[q + i] = bytes.getUint32(at + 2 + 4 * i, true);
    },
  },
  Q4_0: {
    fragment: 'q4_0',
    blockElems: 32,
    blockBytes: 18,
    quantWords: 4,
    scaleBytes: 2,
    repack(bytes, at, quants, q, scales, s) {
      copyHalf(bytes, at, scales, s);
      nibbles16(bytes, at + 2, quants, q);
    },
  },
  Q4_1: {
    fragment: 'q4_1',
    blockElems: 32,
    blockBytes: 20,
    quantWords: 4,
    scaleBytes: 4,
    repack(bytes, at, quants, q, scales, s) {
      scales.setUint32(s, bytes.getUint32(at, true), true);
      nibbles16(bytes, at + 4, quants, q);
    },
  },
  Q5_0: {
    fragment: 'q5_0',
    blockElems: 32,
    blockBytes: 22,
    quantWords: 5,
    scaleBytes: 2,
    repack(bytes, at, quants, q, scales, s) {
      copyHalf(bytes, at, scales, s);
      nibbles16(bytes, at + 6, quants, q);
      quants[q + 4] = bytes.getUint32(at + 2, true);
    },
  },
  Q5_1: {
    fragment: 'q5_1',
    blockElems: 32,
    blockBytes: 24,
    quantWords: 5,
    scaleBytes: 4,
    repack(bytes, at, quants, q, scales, s) {
      scales.setUint32(s, bytes.getUint32(at, true), true);
      nibbles16(bytes, at + 8, quants, q);
      quants[q + 4] = bytes.getUint32(at + 4, true);
    },
  },
  Q2_K: {
    fragment: 'q2_k',
    blockElems: 256,
    blockBytes: 84,
    quantWords: 16,
    scaleBytes: 20,
    repack(bytes, at, quants, q, scales, s) {
      for (let i = 0; i < 4; i++) scales.setUint32(s + 4 * i, bytes.getUint32(at + 4 * i, true), true);
      scales.setUint32(s + 16, bytes.getUint32(at + 80, true), true);
      for (let run = 0; run < 8; run++) {
        pairs32(bytes, at + 16 + 32 * (run >> 2), 2 * (run & 3), quants, q + 2 * run);
      }
    },
  },
  Q3_K: {
    fragment: 'q3_k',
    blockElems: 256,
    blockBytes: 110,
    quantWords: 24,
    scaleBytes: 20,
    repack(bytes, at, quants, q, scales, s) {
      for (let sub = 0; sub < 16; sub++) {
        const low = bytes.getUint8(at + 96 + (sub & 7)) >> (sub < 8 ? 0 : 4);
        const high = bytes.getUint8(at + 104 + (sub & 3)) >> (2 * (sub >> 2));
        scales.setInt8(s + sub, ((low & 15) | ((high & 3) << 4)) - 32);
      }
      scales.setUint32(s + 16, bytes.getUint16(at + 108, true), true);
      for (let run = 0; run < 8; run++) {
        pairs32(bytes, at + 32 + 32 * (run >> 2), 2 * (run & 3), quants, q + 3 * run);
        // A set mask bit means "do not subtract 4", so it is simply bit 2 of a code with an offset of 4.
        quants[q + 3 * run + 2] = bits32(bytes, at, run);
      }
    },
  },
  Q4_K: {
    fragment: 'q4_k',
    blockElems: 256,
    blockBytes: 144,
    quantWords: 32,
    scaleBytes: 20,
    repack(bytes, at, quants, q, scales, s) {
      scalePairs(bytes, at, scales, s);
      for (let run = 0; run < 8; run++) nibbles32(bytes, at + 16 + 32 * (run >> 1), 4 * (run & 1), quants, q + 4 * run);
    },
  },
  Q5_K: {
    fragment: 'q5_k',
    blockElems: 256,
    blockBytes: 176,
    quantWords: 40,
    scaleBytes: 20,
    repack(bytes, at, quants, q, scales, s) {
      scalePairs(bytes, at, scales, s);
      for (let run = 0; run < 8; run++) {
        nibbles32(bytes, at + 48 + 32 * (run >> 1), 4 * (run & 1), quants, q + 5 * run);
        quants[q + 5 * run + 4] = bits32(bytes, at + 16, run);
      }
    },
  },
  Q6_K: {
    fragment: 'q6_k',
    blockElems: 256,
    blockBytes: 210,
    quantWords: 48,
    scaleBytes: 20,
    repack(bytes, at, quants, q, scales, s) {
      for (let i = 0; i < 4; i++) scales.setUint32(s + 4 * i, bytes.getUint32(at + 192 + 4 * i, true), true);
      scales.setUint32(s + 16, bytes.getUint16(at + 208, true), true);
      for (let run = 0; run < 8; run++) {
        const half = run >> 2;
        const group = run & 3;
        nibbles32(bytes, at + 64 * half + 32 * (group & 1), group >= 2 ? 4 : 0, quants, q + 6 * run);
        pairs32(bytes, at + 128 + 32 * half, 2 * group, quants, q + 6 * run + 4);
      }
    },
  },
  IQ4_NL: {
    fragment: 'iq4_nl',
    blockElems: 32,
    blockBytes: 18,
    quantWords: 4,
    scaleBytes: 2,
    repack(bytes, at, quants, q, scales, s) {
      copyHalf(bytes, at, scales, s);
      nibbles16(bytes, at + 2, quants, q);
    },
  },
  IQ4_XS: {
    fragment: 'iq4_xs',
    blockElems: 256,
    blockBytes: 136,
    quantWords: 32,
    scaleBytes: 12,
    repack(bytes, at, quants, q, scales, s) {
      const high = bytes.getUint16(at + 2, true);
      for (let sub = 0; sub < 8; sub++) {
        const low = (bytes.getUint8(at + 4 + (sub >> 1)) >> (4 * (sub & 1))) & 15;
        scales.setInt8(s + sub, (low | (((high >> (2 * sub)) & 3) << 4)) - 32);
        nibbles16(bytes, at + 8 + 16 * sub, quants, q + 4 * sub);
      }
      scales.setUint32(s + 8, bytes.getUint16(at, true), true);
    },
  },
};
