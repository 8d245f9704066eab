/** What decoding one weight costs, per fragment of `wgsl/quant/`: operations counted in the WGSL, and bytes stored. */
import { BLOCK_LAYOUTS, scaleBytesOf } from './block_layouts';

export interface DecodeCost {
  /** Arithmetic per weight beyond one multiply-add's operand; 0 for floats as they are. */
  readonly operations: number;
  readonly bytes: number;
}

const OPERATIONS: Readonly<Record<string, number>> = {
  f32: 0,
  f16: 0,
  f16_scratch: 0,
  f32_scratch: 0,
  bf16: 2,
  f8_e4m3: 8,
  f8_e5m2: 5,
  int8_rows: 3,
  q8_0: 5,
  q4_0: 6,
  q4_1: 7,
  q5_0: 9,
  q5_1: 10,
  iq4_nl: 9,
  iq4_xs: 12,
  code4: 9,
  q2_k: 11,
  q3_k: 13,
  q4_k: 11,
  q5_k: 14,
  q6_k: 13,
};

const ROW_BYTES: Readonly<Record<string, number>> = { f32: 4, f16: 2, bf16: 2 };

const blockBytes = new Map(
  Object.values(BLOCK_LAYOUTS).map((layout) => [
    layout.fragment,
    (4 * layout.quants.length + scaleBytesOf(layout)) / layout.blockElems,
  ]),
);

/** Cost of a fragment; one that is not in the table counts as expensive. */
export function decodeCost(fragment: string): DecodeCost {
  return {
    operations: OPERATIONS[fragment] ?? 10,
    bytes: blockBytes.get(fragment) ?? ROW_BYTES[fragment] ?? (fragment === 'code4' ? 0.5625 : 1),
  };
}
