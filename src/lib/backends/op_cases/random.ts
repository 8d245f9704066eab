/** Seeded numbers for test data: the same in every browser. */

export interface Random {
  /** Whole number below 2³². */
  word(): number;
  /** 0 ≤ x < 1 */
  uniform(): number;
  /** Mean 0, variance 1. */
  normal(): number;
}

/** Hash of a text as a seed. Source: FNV-1a, 32 bits. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Source: mulberry32 (Tommy Ettinger, public domain); normal by Box and Muller 1958. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const word = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  };
  const uniform = () => word() / 2 ** 32;
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { word, uniform, normal };
}
