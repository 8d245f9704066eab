/** Random numbers of CUDA's torch.randn in software: Philox 4x32-10 and the Box-Muller step of the web UIs' "NV" mode. */
import type { Seed } from './mt19937';
import { seedBits } from './mt19937';

type Block = [number, number, number, number];

/** High and low word of a 32x32-bit product. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** Philox 4x32-10. Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". */
export function philox4x32(counter: readonly number[], key: readonly number[]): Block {
  let [c0, c1, c2, c3] = [counter[0] ?? 0, counter[1] ?? 0, counter[2] ?? 0, counter[3] ?? 0];
  let [k0, k1] = [key[0] ?? 0, key[1] ?? 0];
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = mulHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

const INV = Math.fround(2.3283064e-10);
const INV_2PI = Math.fround(INV * Math.fround(6.2831855));

function radiusAndAngle(a: number, b: number): [radius: number, angle: number] {
  return [Math.sqrt(-2 * Math.log(a * INV + INV / 2)), b * INV_2PI + INV_2PI / 2];
}

/** Successive draws of torch.randn on a CUDA device, by the rule for tensors that fit one launch. */
export class PhiloxNoise {
  readonly #key: readonly [number, number];
  #draw = 0;

  constructor(seed: Seed) {
    const bits = seedBits(seed);
    this.#key = [Number(bits & 0xffffffffn), Number(bits >> 32n)];
  }

  /** `count` float32 normals; each call advances the draw counter by one, whatever its size. */
  randn(count: number): Float32Array<ArrayBuffer> {
    const out = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const [a, b] = philox4x32([this.#draw, 0, i, 0], this.#key);
      const [radius, angle] = radiusAndAngle(a, b);
      out[i] = radius * Math.sin(angle);
    }
    this.#draw++;
    return out;
  }

  /**
   * One draw as a real card makes it when the tensor has more elements than threads: every thread gives four normals.
   * @param threads  SMs * (most threads per SM / 256) * 256 of the card
   */
  randnGrid(count: number, threads: number): Float32Array<ArrayBuffer> {
    const out = new Float32Array(count);
    const rounds = Math.ceil(count / (threads * 4));
    for (let round = 0; round < rounds; round++) {
      for (let thread = 0; thread < threads; thread++) {
        const start = round * 4 * threads + thread;
        if (start >= count) break;
        const words = philox4x32([this.#draw + round, 0, thread, 0], this.#key);
        for (let j = 0; j < 4 && start + j * threads < count; j++) {
          const [radius, angle] = radiusAndAngle(words[j & 2] as number, words[(j & 2) + 1] as number);
          out[start + j * threads] = radius * (j % 2 === 0 ? Math.sin(angle) : Math.cos(angle));
        }
      }
    }
    this.#draw += Math.max(rounds, 1);
    return out;
  }
}
