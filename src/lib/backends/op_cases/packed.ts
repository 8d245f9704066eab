/**
 * Test weights of any stored type. Floats are rounded to the type; block types get random valid blocks, so that every
 * bit pattern occurs, with scales that give the wanted spread. No quantizer is needed.
 */
import { AppError } from '../../base/errors';
import { elementCount, type Shape } from '../../base/shape';
import { memoryWeight, packedWeight } from '../../graph/memory_weight';
import type { NamedWeight } from '../../graph/weights';
import { f32ToBf16, f32ToF16 } from '../../quant/half';
import { packedBytes, quantType, type QuantTypeId } from '../../quant/registry';
import type { Random } from './random';

/** Where f16 scales lie in a block, and the scale's size for values of variance 1. */
interface BlockScales {
  readonly scaleAt: number;
  readonly unit: number;
  /** Byte of the minimum's f16, and minimum = factor · scale, which centres the values. */
  readonly minimum?: { readonly at: number; readonly factor: number };
}

/** `unit` is 1 / standard deviation of the decoded integers, measured on uniform random bits. */
const BLOCKS: Partial<Record<QuantTypeId, BlockScales>> = {
  Q4_0: { scaleAt: 0, unit: 1 / 4.6 },
  Q4_1: { scaleAt: 0, unit: 1 / 4.6, minimum: { at: 2, factor: -7.5 } },
  Q5_0: { scaleAt: 0, unit: 1 / 9.2 },
  Q5_1: { scaleAt: 0, unit: 1 / 9.2, minimum: { at: 2, factor: -15.5 } },
  Q8_0: { scaleAt: 0, unit: 1 / 73.9 },
  Q2_K: { scaleAt: 80, unit: 1 / 13.5, minimum: { at: 82, factor: 1.5 } },
  Q3_K: { scaleAt: 108, unit: 1 / 42 },
  Q4_K: { scaleAt: 0, unit: 1 / 250, minimum: { at: 2, factor: 7.5 } },
  Q5_K: { scaleAt: 0, unit: 1 / 500, minimum: { at: 2, factor: 15.5 } },
  Q6_K: { scaleAt: 208, unit: 1 / 1370 },
  IQ4_NL: { scaleAt: 0, unit: 1 / 70 },
  IQ4_XS: { scaleAt: 0, unit: 1 / 1300 },
};

/** Types of the table's weights, each decoded differently. */
export const CASE_WEIGHT_TYPES = [
  'F32',
  'F16',
  'BF16',
  'F8_E4M3',
  'F8_E5M2',
  'Q8_0',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q2_K',
  'Q3_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
  'IQ4_NL',
  'IQ4_XS',
  'NF4',
  'FP4',
  'LLM_INT8',
] as const satisfies readonly QuantTypeId[];

export type CaseWeightType = (typeof CASE_WEIGHT_TYPES)[number];

/**
 * A random weight with values of about the given standard deviation.
 * @param shape element count a multiple of the type's block
 * @throws AppError 'argument/invalid' when the shape does not divide into blocks
 */
export function randomWeight(name: string, shape: Shape, type: CaseWeightType, std: number, r: Random): NamedWeight {
  const count = elementCount(shape);
  const { blockElems, blockBytes } = quantType(type);
  if (count % blockElems !== 0) {
    throw new AppError(
      'argument/invalid',
      `op cases: "${name}" must have a multiple of ${blockElems} elements for ${type}, got ${count}; choose another shape.`,
    );
  }
  const bytes = new Uint8Array(packedBytes(quantType(type), count));
  const view = new DataView(bytes.buffer);
  const normals = (length: number, scale: number) => Float32Array.from({ length }, () => r.normal() * scale);
  /** Scales of blocks differ by up to a factor of two. */
  const spread = () => std * (0.7 + 0.6 * r.uniform());
  if (type === 'F32') return memoryWeight(name, shape, normals(count, std));
  if (type === 'F16' || type === 'BF16') {
    const encode = type === 'F16' ? f32ToF16 : f32ToBf16;
    for (let i = 0; i < count; i++) view.setUint16(2 * i, encode(r.normal() * std), true);
    return packedWeight(name, type, shape, bytes);
  }
  for (let i = 0; i < bytes.length; i++) bytes[i] = r.word() & 255;
  if (type === 'F8_E4M3' || type === 'F8_E5M2') {
    // Exponents stay near the bias: 2^-3..2^0 times the scale of the whole tensor; no NaN, no infinity.
    const mantissaBits = type === 'F8_E4M3' ? 3 : 2;
    const bias = type === 'F8_E4M3' ? 7 : 15;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0;
      const exponent = bias - 3 + ((byte >> mantissaBits) & 3);
      bytes[i] = (byte & 0x80) | (exponent << mantissaBits) | (byte & ((1 << mantissaBits) - 1));
    }
    return withCompanion(packedWeight(name, type, shape, bytes), 'scale', [1], Float32Array.of(1.4 * std));
  }
  if (type === 'NF4' || type === 'FP4') {
    const blockSize = 64;
    const absmax = Float32Array.from({ length: Math.ceil(count / blockSize) }, () => 1.6 * spread());
    const weight = withCompanion(packedWeight(name, type, shape, bytes), 'absmax', [absmax.length], absmax);
    return { ...weight, tensor: { ...weight.tensor, params: { blockSize } } };
  }
  if (type === 'LLM_INT8') {
    const rows = shape[0] ?? 1;
    const scales = Float32Array.from({ length: rows }, () => 1.7 * spread());
    return withCompanion(packedWeight(name, type, shape, bytes), 'SCB', [rows], scales);
  }
  const block = BLOCKS[type];
  if (!block) throw new AppError('argument/invalid', `op cases: no block layout for ${type}; add it to BLOCKS.`);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const scale = spread() * block.unit;
    view.setUint16(at + block.scaleAt, f32ToF16(scale), true);
    if (block.minimum) view.setUint16(at + block.minimum.at, f32ToF16(scale * block.minimum.factor), true);
  }
  return packedWeight(name, type, shape, bytes);
}

function withCompanion(
  weight: NamedWeight,
  companion: 'absmax' | 'SCB' | 'scale',
  shape: Shape,
  data: Float32Array<ArrayBuffer>,
): NamedWeight {
  const { tensor } = memoryWeight(`${weight.tensor.name}.${companion}`, shape, data);
  return { ...weight, tensor: { ...weight.tensor, companions: { [companion]: tensor } } };
}
