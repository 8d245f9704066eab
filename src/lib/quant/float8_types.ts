/**
 * 8-bit floats. A code is a byte, so each type is a table of 256 values.
 *
 *   E4M3FN    s eeee mmm  bias 7,  no infinity, NaN = s 1111 111, largest 448
 *   E5M2      s eeeee mm  bias 15, IEEE-like: the upper byte of a binary16
 *   ...FNUZ   same fields, bias one larger, no negative zero: code 0x80 is NaN, no infinity
 *   E8M0      eeeeeeee    2^(e-127), 255 is NaN
 *
 * Sources: OCP 8-bit Floating Point 1.0; OCP Microscaling Formats 1.0; Noune et al. 2022 for the FNUZ forms.
 */
import { f16ToF32, roundHalfEven } from './half';
import { defineType, type Dequantize } from './type_def';

function table(value: (code: number) => number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, code) => value(code));
}

function miniFloat(code: number, exponentBits: number, mantissaBits: number, bias: number): number {
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code >> mantissaBits) & ((1 << exponentBits) - 1);
  const mantissa = (code & ((1 << mantissaBits) - 1)) / (1 << mantissaBits);
  return sign * (exponent === 0 ? mantissa * 2 ** (1 - bias) : (1 + mantissa) * 2 ** (exponent - bias));
}

/** Values of the 256 codes of each 8-bit float. */
export const float8Tables = {
  F8_E4M3: table((code) => ((code & 0x7f) === 0x7f ? NaN : miniFloat(code, 4, 3, 7))),
  F8_E5M2: table((code) => f16ToF32(code << 8)),
  F8_E4M3FNUZ: table((code) => (code === 0x80 ? NaN : miniFloat(code, 4, 3, 8))),
  F8_E5M2FNUZ: table((code) => (code === 0x80 ? NaN : miniFloat(code, 5, 2, 16))),
  F8_E8M0: table((code) => (code === 255 ? NaN : 2 ** (code - 127))),
} as const;

function lookUp(values: Float32Array): Dequantize {
  return (bytes, count, out, outOffset = 0, byteOffset = 0) => {
    for (let i = 0; i < count; i++) out[outOffset + i] = values[bytes[byteOffset + i] ?? 0] ?? 0;
  };
}

/**
 * E4M3FN or E5M2 code of a value, nearest even, saturating: overflow and infinity give the largest finite value.
 * NaN stays NaN.
 */
export function f32ToFloat8(value: number, type: 'F8_E4M3' | 'F8_E5M2'): number {
  const [mantissaBits, bias, maxCode, nanCode] = type === 'F8_E4M3' ? [3, 7, 0x7e, 0x7f] : [2, 15, 0x7b, 0x7f];
  if (Number.isNaN(value)) return nanCode;
  const x = Math.fround(value);
  const sign = x < 0 || Object.is(x, -0) ? 0x80 : 0;
  const magnitude = Math.abs(x);
  if (magnitude === Infinity) return sign | maxCode;
  // Binade of the value, not below the subnormals' one; clz32 of the f32 bits would do the same.
  const exponent = Math.max(magnitude === 0 ? 1 - bias : floorLog2(magnitude), 1 - bias);
  const steps = roundHalfEven(magnitude * 2 ** (mantissaBits - exponent));
  const code = ((exponent + bias - 1) << mantissaBits) + steps;
  return sign | Math.min(code, maxCode);
}

function floorLog2(value: number): number {
  let exponent = Math.floor(Math.log2(value));
  // Math.log2 may be off by one ulp beside a power of two.
  if (2 ** exponent > value) exponent--;
  if (2 ** (exponent + 1) <= value) exponent++;
  return exponent;
}

export const float8Types = [
  defineType({
    id: 'F8_E4M3',
    label: '8-bit float E4M3',
    kind: 'float',
    blockElems: 1,
    blockBytes: 1,
    bitsPerWeight: 8,
    safetensorsDtype: 'F8_E4M3',
    dequantize: lookUp(float8Tables.F8_E4M3),
  }),
  defineType({
    id: 'F8_E5M2',
    label: '8-bit float E5M2',
    kind: 'float',
    blockElems: 1,
    blockBytes: 1,
    bitsPerWeight: 8,
    safetensorsDtype: 'F8_E5M2',
    dequantize: lookUp(float8Tables.F8_E5M2),
  }),
  defineType({
    id: 'F8_E4M3FNUZ',
    label: '8-bit float E4M3 FNUZ',
    kind: 'float',
    blockElems: 1,
    blockBytes: 1,
    bitsPerWeight: 8,
    safetensorsDtype: 'F8_E4M3FNUZ',
    dequantize: lookUp(float8Tables.F8_E4M3FNUZ),
  }),
  defineType({
    id: 'F8_E5M2FNUZ',
    label: '8-bit float E5M2 FNUZ',
    kind: 'float',
    blockElems: 1,
    blockBytes: 1,
    bitsPerWeight: 8,
    safetensorsDtype: 'F8_E5M2FNUZ',
    dequantize: lookUp(float8Tables.F8_E5M2FNUZ),
  }),
  defineType({
    id: 'F8_E8M0',
    label: '8-bit power of two E8M0',
    kind: 'float',
    blockElems: 1,
    blockBytes: 1,
    bitsPerWeight: 8,
    safetensorsDtype: 'F8_E8M0',
    dequantize: lookUp(float8Tables.F8_E8M0),
  }),
] as const;
