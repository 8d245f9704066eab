/**
 * f32 to Q8_0 and Q4_0, with ggml's reference rounding: byte-exact with quantize_row_{q8_0,q4_0}_ref.
 * Every step is rounded to f32 because the reference computes in f32. Source: ggml (MIT), ggml-quants.c.
 */
import { f32ToF16 } from './half';

const { fround } = Math;

function putF16(bytes: Uint8Array, at: number, value: number): void {
  const code = f32ToF16(value);
  bytes[at] = code & 255;
  bytes[at + 1] = code >> 8;
}

/** 1 / d in f32; 0 where a block holds only zeros. */
function inverse(d: number): number {
  return d === 0 ? 0 : fround(1 / d);
}

/** roundf: half away from zero, unlike Math.round for negative halves. */
function roundAwayFromZero(x: number): number {
  return x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5);
}

/** d = largest magnitude / 127, q = round(x / d). @param values length a multiple of 32 */
export function quantizeQ8_0(values: Float32Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array((values.length / 32) * 34);
  for (let block = 0; block * 32 < values.length; block++) {
    const from = block * 32;
    const to = block * 34;
    let largest = 0;
    for (let j = 0; j < 32; j++) largest = Math.max(largest, Math.abs(values[from + j] ?? 0));
    const d = fround(largest / 127);
    const id = inverse(d);
    putF16(out, to, d);
    for (let j = 0; j < 32; j++) out[to + 2 + j] = roundAwayFromZero(fround((values[from + j] ?? 0) * id)) & 255;
  }
  return out;
}

/** The value of largest magnitude maps to -8, so d may be negative. @param values length a multiple of 32 */
export function quantizeQ4_0(values: Float32Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array((values.length / 32) * 18);
  for (let block = 0; block * 32 < values.length; block++) {
    const from = block * 32;
    const to = block * 18;
    let extreme = 0;
    for (let j = 0; j < 32; j++) {
      const value = values[from + j] ?? 0;
      if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    }
    const d = fround(extreme / -8);
    const id = inverse(d);
    putF16(out, to, d);
    const code = (i: number) => Math.min(15, Math.trunc(fround(fround((values[from + i] ?? 0) * id) + 8.5)));
    for (let j = 0; j < 16; j++) out[to + 2 + j] = code(j) | (code(j + 16) << 4);
  }
  return out;
}
