/**
 * What each adapter flavour does to a weight W [out, in(, kh, kw)].
 * Sources: Hu et al. 2021 (LoRA); Yeh et al. 2023 (LyCORIS: LoCon, LoHa, LoKr); Liu et al. 2024 (DoRA, at strength m
 * as ComfyUI and Forge blend it: W + m·(W_dora - W)); Liu et al. 2022 ((IA)³); Chavan et al. 2023 (GLoRA).
 */
import { AppError } from '../../base/errors';
import { elementCount, formatShape, type Shape } from '../../base/shape';
import { dequantizeTensor } from '../../quant/dequantize';
import type { StoredTensor } from '../../quant/tensor';
import type { AdapterLayer, Field } from './keys';
import { kronecker, multiply, tucker } from './matrices';
import { butterfly, cayley, turnRows } from './orthogonal';

/** ΔW = scale · up·(mid·)down. */
export interface LowRankPatch {
  readonly kind: 'low-rank';
  readonly rank: number;
  readonly down: Float32Array;
  readonly up: Float32Array;
  readonly mid?: Float32Array;
  readonly scale: number;
}

/** ΔW in full; the strength multiplies it. */
export interface DeltaPatch {
  readonly kind: 'delta';
  readonly delta: Float32Array;
}

/** Depends on the weight it meets: applied in order, at a fixed strength. */
export interface TransformPatch {
  readonly kind: 'transform';
  /** @param weight row-major, not changed */
  apply(weight: Float32Array, strength: number): Float32Array;
}

export type WeightPatch = LowRankPatch | DeltaPatch | TransformPatch;

export interface LayerPatch {
  readonly weight?: WeightPatch;
  /** Added to the layer's bias, times the strength. */
  readonly bias?: Float32Array;
}

/** Far above any trained file. */
const MAX_ALPHA = 1e6;

class LayerReader {
  readonly #layer: AdapterLayer;
  readonly #shape: Shape;
  readonly #signal: AbortSignal | undefined;

  constructor(layer: AdapterLayer, shape: Shape, signal: AbortSignal | undefined) {
    this.#layer = layer;
    this.#shape = shape;
    this.#signal = signal;
  }

  has(field: Field): boolean {
    return this.#layer.fields.has(field);
  }

  shape(field: Field): Shape {
    return this.#layer.fields.get(field)?.shape ?? [];
  }

  async read(field: Field): Promise<Float32Array> {
    const tensor = this.#layer.fields.get(field);
    if (!tensor) throw this.misfit(`"${field}" is missing`);
    const data = await readFinite(tensor, this.#layer.name, this.#signal);
    return data;
  }

  /** alpha / rank, 1 without an alpha; broken alphas (NaN, overflowed f16) count as absent. */
  async scale(rank: number, declared: number | undefined): Promise<number> {
    if (!this.has('alpha')) return declared ?? 1;
    const tensor = this.#layer.fields.get('alpha');
    const [alpha = NaN] = tensor ? await dequantizeTensor(tensor, this.#signal ? { signal: this.#signal } : {}) : [];
    return Number.isFinite(alpha) && Math.abs(alpha) <= MAX_ALPHA ? alpha / rank : 1;
  }

  misfit(what: string): AppError {
    return new AppError(
      'lora/shape',
      `LoRA layer "${this.#layer.name}": ${what}, the model's weight is ${formatShape(this.#shape)}; the file is damaged or for another base model.`,
      { details: { layer: this.#layer.name, shape: this.#shape } },
    );
  }

  /** @throws AppError 'lora/shape' unless the values have the weight's count */
  expect(data: Float32Array, count: number, what: string): Float32Array {
    if (data.length !== count) throw this.misfit(`${what} must have ${count} numbers, got ${data.length}`);
    return data;
  }
}

async function readFinite(tensor: StoredTensor, layer: string, signal: AbortSignal | undefined): Promise<Float32Array> {
  const data = await dequantizeTensor(tensor, signal ? { signal } : {});
  if (data.every((value) => Number.isFinite(value))) return data;
  throw new AppError(
    'lora/shape',
    `LoRA layer "${layer}": values must be finite, "${tensor.name}" holds NaN or infinity; get the file again.`,
    {
      details: { layer, tensor: tensor.name },
    },
  );
}

interface Sizes {
  readonly out: number;
  readonly inner: number;
  readonly taps: number;
  /** inner · taps */
  readonly columns: number;
}

function sizesOf(shape: Shape): Sizes {
  const [out = 0, inner = 1, ...kernel] = shape;
  const taps = elementCount(kernel);
  return { out, inner, taps, columns: inner * taps };
}

async function lowRank(r: LayerReader, sizes: Sizes, declared: number | undefined): Promise<LowRankPatch> {
  const rank = r.shape('down')[0] ?? 0;
  const down = await r.read('down');
  const up = r.expect(await r.read('up'), sizes.out * rank, 'the up factor');
  if (rank < 1) throw r.misfit('the rank must be at least 1');
  const scale = await r.scale(rank, declared);
  if (!r.has('mid'))
    return { kind: 'low-rank', rank, down: r.expect(down, rank * sizes.columns, 'the down factor'), up, scale };
  const mid = r.expect(await r.read('mid'), rank * rank * sizes.taps, 'the core');
  return { kind: 'low-rank', rank, down: r.expect(down, rank * sizes.inner, 'the down factor'), up, mid, scale };
}

async function loha(r: LayerReader, sizes: Sizes, declared: number | undefined): Promise<Float32Array> {
  const rank = r.shape('hada_w1_b')[0] ?? 0;
  const scale = await r.scale(rank, declared);
  const factor = async (a: Field, b: Field, core: Field) => {
    const [left, right] = [await r.read(a), await r.read(b)];
    r.expect(left, rank * sizes.out, a);
    if (!r.has(core)) return multiply(left, r.expect(right, rank * sizes.columns, b), sizes.out, rank, sizes.columns);
    const middle = r.expect(await r.read(core), rank * rank * sizes.taps, core);
    return tucker(middle, left, r.expect(right, rank * sizes.inner, b), { rank, ...sizes });
  };
  const first = await factor('hada_w1_a', 'hada_w1_b', 'hada_t1');
  const second = await factor('hada_w2_a', 'hada_w2_b', 'hada_t2');
  return first.map((value, i) => value * (second[i] ?? 0) * scale);
}

async function lokr(r: LayerReader, sizes: Sizes, declared: number | undefined): Promise<Float32Array> {
  let rank = 0;
  let [p = 0, q = 0] = r.shape('lokr_w1');
  let first: Float32Array;
  if (r.has('lokr_w1')) first = await r.read('lokr_w1');
  else {
    p = r.shape('lokr_w1_a')[0] ?? 0;
    q = r.shape('lokr_w1_b')[1] ?? 0;
    rank = r.shape('lokr_w1_b')[0] ?? 0;
    first = multiply(await r.read('lokr_w1_a'), await r.read('lokr_w1_b'), p, rank, q);
  }
  const [rows, columns] = [sizes.out / p, sizes.inner / q];
  if (!Number.isInteger(rows) || !Number.isInteger(columns)) throw r.misfit(`a ${p}x${q} factor must divide it`);
  const count = rows * columns * sizes.taps;
  let second: Float32Array;
  if (r.has('lokr_w2')) second = await r.read('lokr_w2');
  else {
    rank = r.shape('lokr_w2_b')[0] ?? 0;
    const [a, b] = [await r.read('lokr_w2_a'), await r.read('lokr_w2_b')];
    second = r.has('lokr_t2')
      ? tucker(await r.read('lokr_t2'), a, b, { rank, out: rows, inner: columns, taps: sizes.taps })
      : multiply(a, r.expect(b, rank * columns * sizes.taps, 'lokr_w2_b'), rows, rank, columns * sizes.taps);
  }
  r.expect(second, count, 'the second factor');
  // Two full factors carry no rank, so their alpha means nothing.
  const scale = rank > 0 ? await r.scale(rank, declared) : 1;
  return kronecker(first, second, { p, q, r: rows, s: columns, taps: sizes.taps }).map((value) => value * scale);
}

/** ΔW of a low-rank patch in full. */
export function fullDelta(patch: LowRankPatch | DeltaPatch, shape: Shape): Float32Array {
  if (patch.kind === 'delta') return patch.delta;
  const { out, inner, taps, columns } = sizesOf(shape);
  const { rank, up, down, mid, scale } = patch;
  const full = mid
    ? // mid[q, r]: up's column q meets down's row r.
      multiply(up, coreTimesDown(mid, down, { rank, inner, taps }), out, rank, columns)
    : multiply(up, down, out, rank, columns);
  return scale === 1 ? full : full.map((value) => value * scale);
}

function coreTimesDown(
  core: Float32Array,
  down: Float32Array,
  { rank, inner, taps }: { rank: number; inner: number; taps: number },
): Float32Array {
  const out = new Float32Array(rank * inner * taps);
  for (let i = 0; i < rank; i += 1)
    for (let j = 0; j < rank; j += 1)
      for (let n = 0; n < inner; n += 1)
        for (let t = 0; t < taps; t += 1) {
          const at = (i * inner + n) * taps + t;
          out[at] = (out[at] ?? 0) + (core[(i * rank + j) * taps + t] ?? 0) * (down[j * inner + n] ?? 0);
        }
  return out;
}

function blend(weight: Float32Array, changed: Float32Array, strength: number): Float32Array {
  return weight.map((value, i) => value + strength * ((changed[i] ?? 0) - value));
}

/** Norms of V per output row, or per input channel over outputs and kernel. */
function norms(v: Float32Array, { out, inner, taps, columns }: Sizes, axis: 'out' | 'in'): Float64Array {
  const squares = new Float64Array(axis === 'out' ? out : inner);
  for (let o = 0; o < out; o += 1)
    for (let c = 0; c < columns; c += 1) {
      const at = axis === 'out' ? o : Math.floor(c / taps);
      const value = v[o * columns + c] ?? 0;
      squares[at] = (squares[at] ?? 0) + value * value;
    }
  return squares.map(Math.sqrt);
}

async function dora(r: LayerReader, sizes: Sizes, base: Float32Array): Promise<TransformPatch> {
  const magnitude = await r.read('dora');
  const rows = r.shape('dora')[0] ?? 0;
  const axis = rows === sizes.out && rows !== 1 ? 'out' : 'in';
  r.expect(magnitude, axis === 'out' ? sizes.out : sizes.inner, 'dora_scale');
  return {
    kind: 'transform',
    apply(weight, strength) {
      const v = weight.map((value, i) => value + (base[i] ?? 0));
      const length = norms(v, sizes, axis);
      for (let i = 0; i < v.length; i += 1) {
        const at = axis === 'out' ? Math.floor(i / sizes.columns) : Math.floor((i % sizes.columns) / sizes.taps);
        v[i] = ((v[i] ?? 0) * (magnitude[at] ?? 0)) / (length[at] || 1);
      }
      return blend(weight, v, strength);
    },
  };
}

async function glora(r: LayerReader, { out, columns }: Sizes, declared: number | undefined): Promise<TransformPatch> {
  const rank = r.shape('glora_a2')[0] ?? 0;
  const [a1, a2] = [await r.read('glora_a1'), await r.read('glora_a2')];
  const [b1, b2] = [await r.read('glora_b1'), await r.read('glora_b2')];
  r.expect(a1, columns * rank, 'a1');
  r.expect(b1, out * rank, 'b1');
  const added = multiply(b1, r.expect(b2, rank * columns, 'b2'), out, rank, columns);
  const scale = await r.scale(rank, declared);
  return {
    kind: 'transform',
    apply(weight, strength) {
      const turned = multiply(multiply(weight, a1, out, columns, rank), a2, out, rank, columns);
      return weight.map((value, i) => value + strength * scale * ((turned[i] ?? 0) + (added[i] ?? 0)));
    },
  };
}

async function ia3(r: LayerReader, sizes: Sizes): Promise<TransformPatch> {
  const vector = await r.read('ia3');
  const [onInput = 0] = await r.read('onInput');
  r.expect(vector, onInput ? sizes.inner : sizes.out, 'the vector');
  const at = (i: number) => (onInput ? Math.floor((i % sizes.columns) / sizes.taps) : Math.floor(i / sizes.columns));
  return {
    kind: 'transform',
    apply: (weight, strength) => weight.map((value, i) => value * (1 + strength * (vector[at(i)] ?? 0))),
  };
}

async function orthogonal(r: LayerReader, sizes: Sizes): Promise<TransformPatch> {
  const shape = r.shape('oft');
  const b = shape.at(-1) ?? 0;
  const count = shape.at(-3) ?? 0;
  const stages = shape.length === 4 ? (shape[0] ?? 0) : 1;
  const blocks = await r.read('oft');
  if (count * b !== sizes.out) throw r.misfit(`${count} blocks of ${b} must cover the outputs`);
  const [constraint = 0] = r.has('alpha') ? await r.read('alpha') : [0];
  const rescale = r.has('rescale') ? await r.read('rescale') : undefined;
  const all = cayley(blocks, stages * count, b, constraint);
  if (shape.length === 4) {
    const turns = Array.from({ length: stages }, (_, m) => all.slice(m * count, (m + 1) * count));
    return { kind: 'transform', apply: (weight, strength) => butterfly(weight, sizes.columns, turns, b, strength) };
  }
  return {
    kind: 'transform',
    apply: (weight, strength) => blend(weight, turnRows(weight, sizes.columns, all, b, rescale), strength),
  };
}

/**
 * Reads one layer of an adapter file.
 * @param shape the weight that the file means, all rows of a fused one
 * @param declaredScale alpha / rank from the file's metadata, used when the layer has no alpha of its own
 * @throws AppError 'lora/shape' for factors that do not fit or are not finite, 'lora/unknown' for an unknown flavour
 */
export async function readPatch(
  layer: AdapterLayer,
  shape: Shape,
  { declaredScale, signal }: { declaredScale?: number; signal?: AbortSignal } = {},
): Promise<LayerPatch> {
  const r = new LayerReader(layer, shape, signal);
  const sizes = sizesOf(shape);
  const bias = r.has('diffBias') ? await r.read('diffBias') : r.has('normBias') ? await r.read('normBias') : undefined;
  const weight = await weightPatch(r, layer, shape, sizes, declaredScale);
  return { ...(weight ? { weight } : {}), ...(bias ? { bias: r.expect(bias, sizes.out, 'the bias') } : {}) };
}

async function weightPatch(
  r: LayerReader,
  layer: AdapterLayer,
  shape: Shape,
  sizes: Sizes,
  declared: number | undefined,
): Promise<WeightPatch | undefined> {
  const count = elementCount(shape);
  const delta = (data: Float32Array): DeltaPatch => ({ kind: 'delta', delta: r.expect(data, count, 'the difference') });
  let patch: LowRankPatch | DeltaPatch | undefined;
  if (r.has('oft')) return orthogonal(r, sizes);
  if (r.has('glora_a1')) return glora(r, sizes, declared);
  if (r.has('ia3')) return ia3(r, sizes);
  if (r.has('down')) patch = await lowRank(r, sizes, declared);
  else if (r.has('hada_w1_a')) patch = delta(await loha(r, sizes, declared));
  else if (r.has('lokr_w1') || r.has('lokr_w1_a')) patch = delta(await lokr(r, sizes, declared));
  else if (r.has('diff')) patch = delta(await r.read('diff'));
  else if (r.has('normWeight')) patch = delta(await r.read('normWeight'));
  else if (r.has('set')) {
    const data = r.expect(await r.read('set'), count, 'the replacement');
    return { kind: 'transform', apply: (weight, strength) => (strength === 0 ? weight : data) };
  }
  if (patch && r.has('dora')) return dora(r, sizes, fullDelta(patch, shape));
  if (patch || r.has('diffBias') || r.has('normBias')) return patch;
  throw new AppError(
    'lora/unknown',
    `LoRA layer "${layer.name}": no known flavour has ${[...layer.fields.keys()].join(', ')}; update the product or choose another file.`,
    { details: { layer: layer.name, fields: [...layer.fields.keys()] } },
  );
}
