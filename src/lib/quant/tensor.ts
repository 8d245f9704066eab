/** A tensor as it lies in a file: where its bytes are and how to read them. No bytes are held here. */
import type { ByteSource } from '../base/byte_source';
import type { QuantTypeId } from './registry';

/** Numbers that companion-scaled types need besides their companion tensors. */
export interface QuantParams {
  /** Weights per absmax (bitsandbytes). */
  readonly blockSize?: number;
  /** Absmax values per nested absmax. */
  readonly nestedBlockSize?: number;
  readonly nestedOffset?: number;
  /** Type the weight had before packing, as its file names it (`float16`, `bfloat16`, `float32`). */
  readonly originalDtype?: string;
}

/**
 * Names of companion tensors:
 * - NF4, FP4: `absmax` (F32, or U8 with `nested_absmax` and `nested_quant_map`), `quant_map` (16 code values)
 * - LLM_INT8: `SCB` (F32 per row; w = q * SCB / 127)
 * - any float or I8 type: `scale` (one value, or one per row of the first dimension; w = q * scale)
 */
export type CompanionName = 'absmax' | 'quant_map' | 'nested_absmax' | 'nested_quant_map' | 'SCB' | 'scale';

export interface StoredTensor {
  readonly name: string;
  readonly type: QuantTypeId;
  /** Torch order, outermost dimension first. True shape: `comfy.gguf.orig_shape` and quant states are applied. */
  readonly shape: readonly number[];
  readonly source: ByteSource;
  /** First byte in `source`. */
  readonly byteOffset: number;
  /** Bytes from `byteOffset` on; for a strided view the extent that its elements span. */
  readonly byteLength: number;
  /** Element strides of a view of a torch storage; absent when the elements lie in row-major order. */
  readonly strides?: readonly number[];
  /** 'big' for words of a big-endian GGUF; absent means little. */
  readonly byteOrder?: 'big';
  readonly companions?: Readonly<Partial<Record<CompanionName, StoredTensor>>>;
  readonly params?: QuantParams;
}

/** Number of elements: product of the dimensions, 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}
