/**
 * GGML blocks as the kernels read them: codes in element order in `u32` words, scales apart from them. The fragments
 * in `wgsl/quant/` are the other side of this table. Each word is described by where its bits lie in the stored block;
 * `repack_blocks.ts` follows that on the host, `wgsl/repack_blocks.wgsl` on the device. Plain data.
 *
 *   quants   words per block, consecutive elements in consecutive bits, high bit planes after the low ones per 32
 *   scales   one binary16 per block (two per word), or words per block as the fragment's header says
 */
import type { QuantTypeId } from '../../../quant/registry';

/** A byte of a word: bits of one stored byte, and two more above them from another. */
export interface ByteField {
  readonly at: number;
  readonly shift: number;
  /** Bits taken: 4 or 6. */
  readonly bits: 4 | 6;
  /** Where bits 4 and 5 come from. */
  readonly high?: { readonly at: number; readonly shift: number };
}

/** One word; `at` is the first byte in the block, `shift` where in each byte its code begins. */
export type WordRecipe =
  /** 4 bytes as they are. */
  | { readonly kind: 'copy'; readonly at: number }
  /** 2 bytes, zeros above. */
  | { readonly kind: 'half'; readonly at: number }
  /** One nibble each of 8 bytes. */
  | { readonly kind: 'nibbles'; readonly at: number; readonly shift: 0 | 4 }
  /** Two bits each of 16 bytes. */
  | { readonly kind: 'pairs'; readonly at: number; readonly shift: number }
  /** One bit each of 32 bytes. */
  | { readonly kind: 'bits'; readonly at: number; readonly shift: number }
  /** 4 bytes with their nibbles exchanged. */
  | { readonly kind: 'swapped'; readonly at: number }
  /** 4 bytes put together from fields, each less `minus`. */
  | { readonly kind: 'fields'; readonly fields: readonly ByteField[]; readonly minus: 0 | 32 };

/** How stored blocks become words. */
export interface RepackLayout {
  readonly blockBytes: number;
  readonly quants: readonly WordRecipe[];
  /** Words, or where the block's lone binary16 lies. */
  readonly scales: readonly WordRecipe[] | { readonly halfAt: number };
}

export interface BlockLayout extends RepackLayout {
  /** File below `wgsl/quant/`. */
  readonly fragment: string;
  readonly blockElems: number;
}

/** Bytes of scales per block: 2 for a lone binary16, else a multiple of 4. */
export function scaleBytesOf({ scales }: RepackLayout): number {
  return 'halfAt' in scales ? 2 : 4 * scales.length;
}

const copy = (at: number): WordRecipe => ({ kind: 'copy', at });
const range = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const nibbles = (at: number, shift: number): WordRecipe => ({ kind: 'nibbles', at, shift: shift === 0 ? 0 : 4 });

/** 32 nibbles in Q4_0 order: low nibbles of 16 bytes, then high ones. */
const halves16 = (at: number): WordRecipe[] => range(4, (i) => nibbles(at + 8 * (i & 1), 4 * (i >> 1)));
/** 32 nibbles from 32 bytes. */
const nibbles32 = (at: number, shift: number): WordRecipe[] => range(4, (i) => nibbles(at + 8 * i, shift));
/** 32 bit pairs from 32 bytes. */
const pairs32 = (at: number, shift: number): WordRecipe[] =>
  range(2, (half) => ({ kind: 'pairs', at: at + 16 * half, shift }));
/** 256 elements as 8 runs of 32. */
const runs = (make: (run: number) => WordRecipe[]): WordRecipe[] => range(8, make).flat();

/** Four fields to a word. */
function fieldWords(fields: readonly ByteField[], minus: 0 | 32 = 0): WordRecipe[] {
  return range(fields.length / 4, (i) => ({ kind: 'fields', fields: fields.slice(4 * i, 4 * i + 4), minus }));
}

/** The 12 bytes of six-bit scales and minima of Q4_K and Q5_K as 8 byte pairs, then d and dmin. */
const SCALE_PAIRS: readonly WordRecipe[] = [
  ...fieldWords(
    range(8, (j): ByteField[] =>
      j < 4
        ? [
            { at: 4 + j, shift: 0, bits: 6 },
            { at: 8 + j, shift: 0, bits: 6 },
          ]
        : [
            { at: 8 + j, shift: 0, bits: 4, high: { at: j, shift: 6 } },
            { at: 8 + j, shift: 4, bits: 4, high: { at: 4 + j, shift: 6 } },
          ],
    ).flat(),
  ),
  copy(0),
];

export const BLOCK_LAYOUTS: Readonly<Partial<Record<QuantTypeId, BlockLayout>>> = {
  Q8_0: {
    fragment: 'q8_0',
    blockElems: 32,
    blockBytes: 34,
    quants: range(8, (i) => copy(2 + 4 * i)),
    scales: { halfAt: 0 },
  },
  Q4_0: { fragment: 'q4_0', blockElems: 32, blockBytes: 18, quants: halves16(2), scales: { halfAt: 0 } },
  Q4_1: { fragment: 'q4_1', blockElems: 32, blockBytes: 20, quants: halves16(4), scales: [copy(0)] },
  Q5_0: {
    fragment: 'q5_0',
    blockElems: 32,
    blockBytes: 22,
    quants: [...halves16(6), copy(2)],
    scales: { halfAt: 0 },
  },
  Q5_1: { fragment: 'q5_1', blockElems: 32, blockBytes: 24, quants: [...halves16(8), copy(4)], scales: [copy(0)] },
  Q2_K: {
    fragment: 'q2_k',
    blockElems: 256,
    blockBytes: 84,
    quants: runs((run) => pairs32(16 + 32 * (run >> 2), 2 * (run & 3))),
    scales: [...range(4, (i) => copy(4 * i)), copy(80)],
  },
  Q3_K: {
    fragment: 'q3_k',
    blockElems: 256,
    blockBytes: 110,
    // A set mask bit means "do not subtract 4", so it is simply bit 2 of a code with an offset of 4.
    quants: runs((run) => [...pairs32(32 + 32 * (run >> 2), 2 * (run & 3)), { kind: 'bits', at: 0, shift: run }]),
    scales: [
      ...fieldWords(
        range(16, (sub) => ({
          at: 96 + (sub & 7),
          shift: sub < 8 ? 0 : 4,
          bits: 4,
          high: { at: 104 + (sub & 3), shift: 2 * (sub >> 2) },
        })),
        32,
      ),
      { kind: 'half', at: 108 },
    ],
  },
  Q4_K: {
    fragment: 'q4_k',
    blockElems: 256,
    blockBytes: 144,
    quants: runs((run) => nibbles32(16 + 32 * (run >> 1), 4 * (run & 1))),
    scales: SCALE_PAIRS,
  },
  Q5_K: {
    fragment: 'q5_k',
    blockElems: 256,
    blockBytes: 176,
    quants: runs((run) => [...nibbles32(48 + 32 * (run >> 1), 4 * (run & 1)), { kind: 'bits', at: 16, shift: run }]),
    scales: SCALE_PAIRS,
  },
  Q6_K: {
    fragment: 'q6_k',
    blockElems: 256,
    blockBytes: 210,
    quants: runs((run) => {
      const half = run >> 2;
      const group = run & 3;
      return [...nibbles32(64 * half + 32 * (group & 1), group >= 2 ? 4 : 0), ...pairs32(128 + 32 * half, 2 * group)];
    }),
    scales: [...range(4, (i) => copy(192 + 4 * i)), { kind: 'half', at: 208 }],
  },
  IQ4_NL: { fragment: 'iq4_nl', blockElems: 32, blockBytes: 18, quants: halves16(2), scales: { halfAt: 0 } },
  IQ4_XS: {
    fragment: 'iq4_xs',
    blockElems: 256,
    blockBytes: 136,
    quants: runs((run) => halves16(8 + 16 * run)),
    scales: [
      ...fieldWords(
        range(8, (sub) => ({
          at: 4 + (sub >> 1),
          shift: 4 * (sub & 1),
          bits: 4,
          high: { at: 2 + (sub >> 2), shift: 2 * (sub & 3) },
        })),
        32,
      ),
      { kind: 'half', at: 0 },
    ],
  },
};

/** bitsandbytes codes: the file has the even element in the HIGH nibble, words have it lowest. No scales among them. */
export const CODE_LAYOUT: RepackLayout = { blockBytes: 4, quants: [{ kind: 'swapped', at: 0 }], scales: [] };
