/**
 * Conversions between f32 and the 16- and 8-bit floats, round to nearest even. CPU truth for every backend.
 * Formats: IEEE 754 binary16; bfloat16; OCP 8-bit floating point (E4M3, E5M2), OCP Microscaling (E8M0, E2M1).
 */
const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** f32 value of a binary16 code (0..65535). */
export function f16ToF32(code: number): number {
  return f16Table()[code & 0xffff] ?? 0;
}

let halfValues: Float32Array | undefined;

/** All 65536 values of binary16, made once (256 KiB): a look-up is faster than assembling the exponent each time. */
export function f16Table(): Float32Array {
  if (halfValues) return halfValues;
  const table = new Float32Array(65536);
  for (let code = 0; code < 65536; code++) {
    const sign = code & 0x8000 ? -1 : 1;
    const exponent = (code >> 10) & 31;
    const mantissa = code & 1023;
    if (exponent === 31) table[code] = mantissa ? NaN : sign * Infinity;
    else if (exponent === 0) table[code] = sign * mantissa * 2 ** -24;
    else table[code] = sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
  }
  halfValues = table;
  return table;
}

/** binary16 code of an f32 value: nearest even, infinity from 65520 on, subnormals kept, NaN becomes 0x7e00 with its sign. */
export function f32ToF16(value: number): number {
  f32[0] = value;
  const bits = u32[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal 2^-14: count in units of 2^-24. The product is exact, so ties are seen as ties.
    return sign | roundHalfEven(Math.abs(f32[0] ?? 0) * 2 ** 24);
  }
  const rebased = magnitude - 0x38000000;
  return sign | ((rebased + 0x0fff + ((rebased >>> 13) & 1)) >>> 13);
}

/** f32 value of a bfloat16 code: the upper half of an f32. */
export function bf16ToF32(code: number): number {
  u32[0] = (code & 0xffff) << 16;
  return f32[0] ?? 0;
}

/** bfloat16 code of an f32 value: nearest even, NaN made quiet. */
export function f32ToBf16(value: number): number {
  f32[0] = value;
  const bits = u32[0] ?? 0;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Nearest integer of a non-negative number, ties to even. */
export function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return rest > 0.5 ? low + 1 : low;
  return low % 2 === 0 ? low : low + 1;
}
