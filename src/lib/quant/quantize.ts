/** The types that this product can write, as one table. */
import { AppError } from '../base/errors';
import { f32ToBf16, f32ToF16 } from './half';
import { quantizeQ4_K } from './quantize_k';
import { quantizeQ4_0, quantizeQ8_0 } from './quantize_legacy';
import { quantType, type QuantTypeId } from './registry';

/** Packs values whose count is a multiple of the type's block. */
export type Quantize = (values: Float32Array) => Uint8Array<ArrayBuffer>;

function sixteenBit(encode: (value: number) => number): Quantize {
  return (values) => {
    const out = new Uint8Array(values.length * 2);
    values.forEach((value, i) => {
      const code = encode(value);
      out[2 * i] = code & 255;
      out[2 * i + 1] = code >> 8;
    });
    return out;
  };
}

const QUANTIZERS: Partial<Record<QuantTypeId, Quantize>> = {
  F32: (values) => new Uint8Array(values.slice().buffer),
  F16: sixteenBit(f32ToF16),
  BF16: sixteenBit(f32ToBf16),
  Q8_0: quantizeQ8_0,
  Q4_0: quantizeQ4_0,
  Q4_K: quantizeQ4_K,
};

/** Whether `quantize` knows a type. NF4 has its own function, because its scales are a tensor apart. */
export function canQuantize(type: QuantTypeId): boolean {
  return QUANTIZERS[type] !== undefined;
}

/**
 * Packs f32 values.
 * @param values finite; count a multiple of the type's block
 * @throws AppError 'quant/no-encoder' for types that are only read, 'argument/invalid' for a broken block
 */
export function quantize(type: QuantTypeId, values: Float32Array): Uint8Array<ArrayBuffer> {
  const encode = QUANTIZERS[type];
  if (!encode) {
    throw new AppError(
      'quant/no-encoder',
      `quantize: ${type} is read but not written; use one of ${Object.keys(QUANTIZERS).join(', ')}.`,
      {
        details: { type },
      },
    );
  }
  const { blockElems } = quantType(type);
  if (values.length % blockElems !== 0) {
    throw new AppError(
      'argument/invalid',
      `quantize: ${values.length} values are no multiple of the ${type} block of ${blockElems}.`,
      {
        details: { type, count: values.length },
      },
    );
  }
  return encode(values);
}
