/** What the WebGPU backend reads how: stored type × operator → path. The catalogue page is made from this table. */
import type { OpName } from '../../graph/ops/registry';
import { QUANT_TYPES, type QuantTypeId } from '../../quant/registry';
import { OP_RECORDERS } from './ops/registry';
import { BLOCK_LAYOUTS } from './weights/block_layouts';
import { directFragment } from './weights/weight_plan';

/**
 * direct: kernels decode the stored bits. decoded: turned into floats on the host while loading.
 * refused: the type has no decoder, the error names it.
 */
export type WeightPath = 'direct' | 'decoded' | 'refused';

/** Operators that read a matrix weight in place; every other weight becomes f32 at load. */
export const MATRIX_OPS = ['linear', 'conv2d', 'embedding'] as const satisfies readonly OpName[];

export interface SupportRow {
  readonly type: QuantTypeId;
  readonly label: string;
  readonly paths: Readonly<Record<(typeof MATRIX_OPS)[number], WeightPath>>;
  /** File below `wgsl/quant/`; undefined when decoded or refused. */
  readonly fragment: string | undefined;
}

/** One row per stored type. */
export function supportTable(): readonly SupportRow[] {
  return QUANT_TYPES.map((type) => {
    const fragment = directFragment(type.id);
    const path: WeightPath = fragment !== undefined ? 'direct' : 'dequantize' in type ? 'decoded' : 'refused';
    return { type: type.id, label: type.label, paths: { linear: path, conv2d: path, embedding: path }, fragment };
  });
}

/** Types whose blocks stay whole on the device, so that a convolution's weight keeps the order of the file. */
export function keepsBlocks(type: QuantTypeId): boolean {
  return BLOCK_LAYOUTS[type] !== undefined || type === 'NF4' || type === 'FP4';
}

/** Operators that only rename data and cost nothing. */
const FREE: ReadonlySet<OpName> = new Set<OpName>(['reshape', 'imageToTokens', 'tokensToImage', 'vectorToImage']);

/** How an operator runs: by a kernel, as a renaming of data, or not at all. */
export function operatorPath(name: OpName): 'kernel' | 'free' | 'none' {
  if (FREE.has(name)) return 'free';
  return OP_RECORDERS[name] ? 'kernel' : 'none';
}
