/** Weights that were computed instead of read: LoRA products, folded constants, test data. */
import { memorySource } from '../base/byte_source';
import { AppError } from '../base/errors';
import { elementCount, formatShape, type Shape } from '../base/shape';
import { packedBytes, quantType, type QuantTypeId } from '../quant/registry';
import type { NamedWeight } from './weights';

/**
 * Packed bytes in memory as a weight; the bytes are kept, not copied.
 * @throws AppError 'argument/invalid' when the bytes are not those of the shape and type
 */
export function packedWeight(
  name: string,
  type: QuantTypeId,
  shape: Shape,
  bytes: Uint8Array<ArrayBuffer>,
): NamedWeight {
  const expected = packedBytes(quantType(type), elementCount(shape));
  if (bytes.byteLength !== expected) {
    throw new AppError(
      'argument/invalid',
      `packedWeight: "${name}" ${formatShape(shape)} ${type} must have ${expected} bytes, got ${bytes.byteLength}.`,
      { details: { name, type, shape, expected, found: bytes.byteLength } },
    );
  }
  const source = memorySource(name, bytes);
  return { tensor: { name, type, shape, source, byteOffset: 0, byteLength: bytes.byteLength } };
}

/** f32 values in memory as a weight. The data are kept, not copied. */
export function memoryWeight(name: string, shape: Shape, data: Float32Array<ArrayBuffer>): NamedWeight {
  return packedWeight(name, 'F32', shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
