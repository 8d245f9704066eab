/**
 * bitsandbytes: codes in one tensor, scales in companion tensors. The decoders here give the bare code values;
 * `dequantize.ts` multiplies by the scales.
 *
 *   NF4, FP4   byte i holds elements 2i (HIGH nibble) and 2i+1 (low nibble) of the flattened weight;
 *              w = code * absmax[element / blockSize]; blocks ignore rows; an odd count ends in half a byte
 *   nested     absmax[i] = nested_quant_map[u8[i]] * nested_absmax[i / 256] + nested_offset
 *   LLM.int8   w = q * SCB[row] / 127
 *
 * Source: bitsandbytes (MIT), functional.py; Dettmers et al. 2023 (QLoRA) for the NF4 levels, 2022 for LLM.int8.
 */
import { defineType, type Dequantize } from './type_def';

/** Quantiles of the normal distribution, f32 as stored by the library. */
export const NF4_VALUES: Float32Array = Float32Array.from([
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
]);

const FP4_MAGNITUDES = [0, 0.0625 / 12, 8 / 12, 1, 4 / 12, 6 / 12, 2 / 12, 3 / 12];

/** FP4 in the library's own code order, which is not the order of IEEE-like E2M1; bit 3 is the sign. */
export const FP4_VALUES: Float32Array = Float32Array.from({ length: 16 }, (_, code) => {
  const magnitude = FP4_MAGNITUDES[code & 7] ?? 0;
  return code & 8 ? -magnitude : magnitude;
});

/** Decoder of 4-bit codes, high nibble first, with a given table of 16 values. */
export function highNibbleFirst(values: Float32Array): Dequantize {
  return (bytes, count, out, outOffset = 0, byteOffset = 0) => {
    for (let i = 0; i < count; i++) {
      const pair = bytes[byteOffset + (i >> 1)] ?? 0;
      out[outOffset + i] = values[i & 1 ? pair & 15 : pair >> 4] ?? 0;
    }
  };
}

const int8Rows: Dequantize = (bytes, count, out, outOffset = 0, byteOffset = 0) => {
  for (let i = 0; i < count; i++) out[outOffset + i] = ((bytes[byteOffset + i] ?? 0) << 24) >> 24;
};

export const bnbTypes = [
  defineType({
    id: 'NF4',
    label: 'bitsandbytes NF4',
    kind: 'companion',
    blockElems: 2,
    blockBytes: 1,
    bitsPerWeight: 4.5,
    dequantize: highNibbleFirst(NF4_VALUES),
  }),
  defineType({
    id: 'FP4',
    label: 'bitsandbytes FP4',
    kind: 'companion',
    blockElems: 2,
    blockBytes: 1,
    bitsPerWeight: 4.5,
    dequantize: highNibbleFirst(FP4_VALUES),
  }),
  defineType({
    id: 'LLM_INT8',
    label: 'bitsandbytes LLM.int8, scale per row',
    kind: 'companion',
    blockElems: 1,
    blockBytes: 1,
    bitsPerWeight: 8,
    dequantize: int8Rows,
  }),
] as const;
