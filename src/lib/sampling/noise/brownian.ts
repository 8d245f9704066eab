/**
 * Brownian noise for the SDE samplers: one tree per image seed, so a batch equals single runs and overlapping intervals
 * agree. Reproduces the tree the web UIs use (torchsde's, halved at midpoints).
 */
import { AppError } from '../../base/errors';
import { roundEven } from '../math';
import type { SigmaRange } from '../sampler';
import { noiseStream, type NoiseKind } from './image_noise';
import { seedBits, type Seed } from './mt19937';
import { seedSequenceState } from './seed_sequence';

/**
 * Python's round(x, 6): the nearest decimal, in a tie the even one. Another rule moves a border, and with it the tree.
 * A double is a tie only where t * 128 is an odd integer (half a millionth is 1 / (2^7 * 5^6)); t * 1e6 is exact there,
 * and toFixed would round it up.
 */
function roundTime(t: number): number {
  return Number.isInteger(t * 128) ? roundEven(t * 1e6) / 1e6 : Number(t.toFixed(6));
}

const POOL_SIZE = 24;
/** Halvings after which an interval is below every rounding of the times. */
const MAX_DEPTH = 64;

interface Node {
  readonly from: number;
  readonly to: number;
  readonly key: bigint;
  readonly depth: number;
  readonly increment: Float32Array;
  left?: Node;
  right?: Node;
}

/** One image's Brownian motion over a range of times. Halves are made when first asked for and kept. */
class BrownianTree {
  readonly #root: Node;
  readonly #kind: NoiseKind;
  readonly #entropy: bigint;
  readonly #count: number;

  constructor(kind: NoiseKind, seed: Seed, count: number, from: number, to: number) {
    this.#kind = kind;
    this.#entropy = seedBits(seed);
    this.#count = count;
    const word = seedSequenceState({ entropy: this.#entropy, poolSize: POOL_SIZE }, 1)[0] ?? 0;
    const scale = Math.sqrt(to - from);
    const increment = this.#normal(word).map((v) => scale * v);
    this.#root = { from, to, key: 0n, depth: 0, increment };
  }

  /** W(to) - W(from) added onto `out`; the interval lies inside the tree. */
  addIncrement(out: Float64Array, from: number, to: number): void {
    this.#collect(this.#root, from, to, out);
  }

  #normal(seed: number): Float32Array {
    return noiseStream(this.#kind, seed).randn(this.#count);
  }

  #collect(node: Node, from: number, to: number, out: Float64Array): void {
    if (to <= node.from || from >= node.to) return;
    const whole = from <= node.from && to >= node.to;
    const middle = roundTime((node.from + node.to) / 2);
    // An interval with no border left inside it cannot be split further.
    if (whole || node.depth >= MAX_DEPTH || middle <= node.from || middle >= node.to) {
      for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + (node.increment[i] as number);
      return;
    }
    const { left, right } = this.#split(node, middle);
    this.#collect(left, from, to, out);
    this.#collect(right, from, to, out);
  }

  /** Brownian bridge: the value at the middle given both ends. */
  #split(node: Node, middle: number): { left: Node; right: Node } {
    if (node.left !== undefined && node.right !== undefined) return { left: node.left, right: node.right };
    const spawnKey = [...keyWords(node.key), node.depth];
    const z = this.#normal(seedSequenceState({ entropy: this.#entropy, spawnKey, poolSize: POOL_SIZE }, 1)[0] ?? 0);
    const [l, r] = [middle - node.from, node.to - middle];
    const [share, spread] = [l / (l + r), Math.sqrt((l * r) / (l + r))];
    const leftIncrement = node.increment.map((w, i) => share * w + spread * (z[i] as number));
    const rightIncrement = node.increment.map((w, i) => w - (leftIncrement[i] as number));
    const depth = node.depth + 1;
    node.left = { from: node.from, to: middle, key: node.key * 2n, depth, increment: leftIncrement };
    node.right = { from: middle, to: node.to, key: node.key * 2n + 1n, depth, increment: rightIncrement };
    return { left: node.left, right: node.right };
  }
}

/** A spawn key entry of any size as 32-bit words, lowest first. */
function keyWords(key: bigint): number[] {
  const list: number[] = [];
  for (let rest = key; rest > 0n; rest >>= 32n) list.push(Number(rest & 0xffffffffn));
  return list.length === 0 ? [0] : list;
}

export interface BrownianNoiseOptions extends SigmaRange {
  readonly kind: NoiseKind;
  /** One seed per image. ENSD plays no part. */
  readonly seeds: readonly Seed[];
  /** Elements of one image's latent. */
  readonly count: number;
}

/**
 * Unit-variance noise for an interval: (W(b) - W(a)) / sqrt(|b - a|), negative going down as in k-diffusion.
 * The range is that of the **whole** schedule, also when only its tail is run; intervals outside are clipped.
 */
export class BrownianNoise {
  readonly #trees: readonly BrownianTree[];
  readonly #min: number;
  readonly #max: number;
  readonly #count: number;

  /** @throws AppError 'argument/invalid' unless 0 < sigmaMin <= sigmaMax and there is a seed */
  constructor({ kind, seeds, count, sigmaMin, sigmaMax }: BrownianNoiseOptions) {
    if (!(sigmaMin > 0 && sigmaMin <= sigmaMax && Number.isFinite(sigmaMax) && seeds.length > 0 && count > 0)) {
      throw new AppError(
        'argument/invalid',
        `Brownian noise: needs 0 < sigma_min <= sigma_max, a seed and elements, got ${sigmaMin}..${sigmaMax}, ${seeds.length} seeds, ${count} elements.`,
      );
    }
    this.#min = roundTime(sigmaMin);
    // A one-level run has an empty range; it is never asked for noise, but the tree needs a width.
    this.#max = Math.max(roundTime(sigmaMax), this.#min + 1e-6);
    this.#count = count;
    this.#trees = seeds.map((seed) => new BrownianTree(kind, seed, count, this.#min, this.#max));
  }

  /** [N * count] float32 noise of the interval between two noise levels. */
  between(sigma: number, sigmaNext: number): Float32Array<ArrayBuffer> {
    const clip = (t: number): number => Math.min(Math.max(roundTime(t), this.#min), this.#max);
    const [a, b] = [clip(sigma), clip(sigmaNext)];
    const [from, to] = [Math.min(a, b), Math.max(a, b)];
    const scale = (sigmaNext >= sigma ? 1 : -1) / Math.sqrt(Math.abs(sigmaNext - sigma) || 1);
    const out = new Float32Array(this.#count * this.#trees.length);
    this.#trees.forEach((tree, image) => {
      const sum = new Float64Array(this.#count);
      tree.addIncrement(sum, from, to);
      sum.forEach((v, i) => (out[image * this.#count + i] = v * scale));
    });
    return out;
  }
}
