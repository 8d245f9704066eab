/** torch's CPU random numbers: Mersenne Twister words, uniforms and normals in torch's order. */

const N = 624;
const M = 397;

/** Seeds as users type them; negative and large values are reduced as torch and numpy do. */
export type Seed = number | bigint;

/** The low 64 bits of a seed; fractions are dropped. */
export function seedBits(seed: Seed): bigint {
  return BigInt.asUintN(64, typeof seed === 'bigint' ? seed : BigInt(Math.trunc(seed)));
}

/** Matsumoto & Nishimura 1998, MT19937 with the 2002 integer seeding; torch uses the low 32 bits of the seed. */
export class Mt19937 {
  readonly #state = new Uint32Array(N);
  #index = N;

  constructor(seed: Seed) {
    const state = this.#state;
    state[0] = Number(BigInt.asUintN(32, seedBits(seed)));
    for (let i = 1; i < N; i++) {
      const previous = state[i - 1] as number;
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** Next 32-bit word. */
  word(): number {
    if (this.#index >= N) this.#refill();
    let y = this.#state[this.#index++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < N; i++) {
      const y = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % N] as number) & 0x7fffffff);
      state[i] = (state[(i + M) % N] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#index = 0;
  }

  /** torch float32 uniform in 0..1: 24 bits of one word. */
  uniform(): number {
    return (this.word() & 0xffffff) * 2 ** -24;
  }

  /** torch float64 uniform in 0..1: 53 bits of two words, the first one high. */
  uniform53(): number {
    const high = this.word();
    const low = this.word();
    return ((high & 0x1fffff) * 2 ** 32 + low) * 2 ** -53;
  }
}

/**
 * torch.randn on the CPU: one generator, successive draws.
 * Source: PyTorch aten/native/cpu/DistributionTemplates.h, normal_fill (16 and more elements) and the scalar path
 * (fewer), whose second Box-Muller value waits for the next small draw.
 */
export class TorchCpuNoise {
  readonly #words: Mt19937;
  #waiting: number | undefined;

  constructor(seed: Seed) {
    this.#words = new Mt19937(seed);
  }

  /** `count` float32 normals. */
  randn(count: number): Float32Array<ArrayBuffer> {
    const out = new Float32Array(count);
    if (count < 16) return out.map(() => this.#scalar());
    this.#fill(out, () => this.#words.uniform(), fillBlock32);
    return out;
  }

  /** `count` float64 normals: not the float32 stream with more digits. */
  randn64(count: number): Float64Array<ArrayBuffer> {
    const out = new Float64Array(count);
    if (count < 16) return out.map(() => this.#scalar());
    this.#fill(out, () => this.#words.uniform53(), fillBlock64);
    return out;
  }

  #fill<A extends Float32Array | Float64Array>(out: A, uniform: () => number, block: (d: A) => void): void {
    for (let i = 0; i < out.length; i++) out[i] = uniform();
    for (let i = 0; i + 16 <= out.length; i += 16) block(out.subarray(i, i + 16) as A);
    if (out.length % 16 === 0) return;
    const tail = out.subarray(out.length - 16) as A;
    for (let i = 0; i < 16; i++) tail[i] = uniform();
    block(tail);
  }

  #scalar(): number {
    if (this.#waiting !== undefined) {
      const value = this.#waiting;
      this.#waiting = undefined;
      return value;
    }
    const u1 = this.#words.uniform53();
    const u2 = this.#words.uniform53();
    const radius = Math.sqrt(-2 * Math.log1p(-u2));
    this.#waiting = radius * Math.sin(2 * Math.PI * u1);
    return radius * Math.cos(2 * Math.PI * u1);
  }
}

const TWO_PI_32 = Math.fround(2 * Math.PI);

/** Box-Muller over one block of 16 uniforms, each operation rounded to float32 as torch's vector code does. */
function fillBlock32(d: Float32Array): void {
  for (let j = 0; j < 8; j++) {
    const u1 = Math.fround(1 - (d[j] as number));
    const angle = Math.fround(TWO_PI_32 * (d[j + 8] as number));
    const radius = Math.fround(Math.sqrt(Math.fround(-2 * Math.fround(Math.log(u1)))));
    d[j] = radius * Math.fround(Math.cos(angle));
    d[j + 8] = radius * Math.fround(Math.sin(angle));
  }
}

function fillBlock64(d: Float64Array): void {
  for (let j = 0; j < 8; j++) {
    const angle = 2 * Math.PI * (d[j + 8] as number);
    const radius = Math.sqrt(-2 * Math.log(1 - (d[j] as number)));
    d[j] = radius * Math.cos(angle);
    d[j + 8] = radius * Math.sin(angle);
  }
}
