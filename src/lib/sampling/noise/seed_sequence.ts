/** numpy's SeedSequence: spreads a seed and a path over a pool of words; seeds every node of the Brownian tree. */

const INIT_A = 0x43b0d7e5;
const MULT_A = 0x931e8875;
const INIT_B = 0x8b51f9dd;
const MULT_B = 0x58f38ded;
const MIX_L = 0xca01f9dd;
const MIX_R = 0x4973f715;
const SHIFT = 16;

export interface SeedSequenceOptions {
  /** Non-negative seed of any size. */
  readonly entropy: bigint;
  readonly spawnKey?: readonly number[];
  /** Words in the pool, >= 4. */
  readonly poolSize?: number;
}

/**
 * `count` 32-bit words of a SeedSequence.
 * Source: O'Neill 2015, "Developing a seed_seq alternative", as in numpy.random.SeedSequence
 */
export function seedSequenceState(
  { entropy, spawnKey = [], poolSize = 4 }: SeedSequenceOptions,
  count: number,
): number[] {
  const pool = mixedPool(assembled(entropy, spawnKey, poolSize), poolSize);
  let constant = INIT_B;
  return Array.from({ length: count }, (_, i) => {
    let value = ((pool[i % poolSize] as number) ^ constant) >>> 0;
    constant = Math.imul(constant, MULT_B) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> SHIFT)) >>> 0;
  });
}

function words(value: bigint): number[] {
  const list: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 32n) list.push(Number(rest & 0xffffffffn));
  return list.length === 0 ? [0] : list;
}

/** With a spawn key, a short entropy is padded to the pool first, so that seed and path cannot be confused. */
function assembled(entropy: bigint, spawnKey: readonly number[], poolSize: number): number[] {
  const run = words(entropy);
  const path = spawnKey.flatMap((key) => words(BigInt(key)));
  while (path.length > 0 && run.length < poolSize) run.push(0);
  return [...run, ...path];
}

function mixedPool(entropy: readonly number[], poolSize: number): number[] {
  let constant = INIT_A;
  const hash = (input: number): number => {
    let value = (input ^ constant) >>> 0;
    constant = Math.imul(constant, MULT_A) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> SHIFT)) >>> 0;
  };
  const mix = (x: number, y: number): number => {
    const result = (Math.imul(MIX_L, x) - Math.imul(MIX_R, y)) >>> 0;
    return (result ^ (result >>> SHIFT)) >>> 0;
  };
  const pool = Array.from({ length: poolSize }, (_, i) => hash(entropy[i] ?? 0));
  for (let from = 0; from < poolSize; from++) {
    for (let to = 0; to < poolSize; to++) {
      if (from !== to) pool[to] = mix(pool[to] as number, hash(pool[from] as number));
    }
  }
  for (let i = poolSize; i < entropy.length; i++) {
    for (let to = 0; to < poolSize; to++) pool[to] = mix(pool[to] as number, hash(entropy[i] as number));
  }
  return pool;
}
