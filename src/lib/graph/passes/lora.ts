/**
 * Low-rank adapters as side paths: y = W·x + s·U(D·x), where the strength s is an input of the graph. Weights are
 * never rewritten, so quantised ones stay as they are and a slider move compiles nothing.
 * Knows layers and matrices; file formats and flavours are told apart elsewhere.
 * Source: Hu et al. 2021, eq. 3; convolutions as in LoCon (LyCORIS), cp-decomposition by `mid`.
 */
import { AppError } from '../../base/errors';
import { elementCount, formatShape, type Shape } from '../../base/shape';
import type { AnyNode, Graph, Node, Value, ValueId } from '../ir';
import { valueOf } from '../ir';
import { memoryWeight } from '../memory_weight';
import { weightShape, type NamedWeight, type WeightMap } from '../weights';
import { GraphWriter } from './graph_writer';
import { joinLowRank, toPlainFactors, type Factors, type LowRankUpdate } from './lora_factors';

export type { LowRankUpdate };

/** ΔW in full, for flavours that have no small form (LoHa, LoKr, full differences), the file's scale applied. */
export interface DeltaUpdate {
  readonly kind: 'delta';
  readonly weight: NamedWeight;
}

/** Added to the layer's output: s·b. */
export interface BiasUpdate {
  readonly kind: 'bias';
  readonly data: Float32Array;
}

/**
 * Takes the place of W at a fixed strength (DoRA, OFT, norms): another strength needs another program. The tensor's
 * name must tell its content, strength included, since program caches compare names.
 */
export interface ReplaceUpdate {
  readonly kind: 'replace';
  readonly weight: NamedWeight;
}

export type LayerUpdate = LowRankUpdate | DeltaUpdate | BiasUpdate | ReplaceUpdate;

export interface Lora {
  /**
   * The graph gets an input `lora:<id>`, f32 [1]: the strength. Unique in the list, and tied to the file's content (its
   * hash): names of side-path weights carry it, since program caches compare names.
   */
  readonly id: string;
  /**
   * By weight name without its `.weight`, such as `down_blocks.0.resnets.0.conv1`; for `replace` also by the full name
   * of any weight.
   */
  readonly layers: ReadonlyMap<string, readonly LayerUpdate[]>;
}

export interface LoraResult {
  readonly graph: Graph;
  /** The given weights and those of the side paths. */
  readonly weights: WeightMap;
  /** Layer names of each LoRA that met no linear layer or convolution of this graph. */
  readonly unmatched: ReadonlyMap<string, readonly string[]>;
}

/** Name of the strength input of a LoRA. */
export function loraInput(id: string): string {
  return `lora:${id}`;
}

type Layer = Node<'linear'> | Node<'conv2d'>;

const isLayer = (node: AnyNode): node is Layer => node.op === 'linear' || node.op === 'conv2d';

/** `name` of a weight `name.weight`; other weights keep their name. */
const layerName = (weight: string) => weight.replace(/\.weight$/, '');

interface Own {
  readonly lora: string;
  readonly update: LayerUpdate;
}

/**
 * Adds the side paths of all LoRAs to a graph; call it before `optimize`. Low-rank updates of one layer are joined
 * along the rank: two small layers per layer, however many LoRAs.
 * At strength 0 the reference gives the plain graph's result bit for bit (y + 0·x).
 * @throws AppError 'lora/shape' for factors that do not fit their layer, 'argument/invalid' for an id given twice
 */
export function applyLora(graph: Graph, weights: WeightMap, loras: readonly Lora[]): LoraResult {
  const ids = new Set(loras.map((lora) => lora.id));
  if (ids.size !== loras.length) {
    throw new AppError('argument/invalid', 'applyLora: ids must be unique, got one twice; number equal files.', {
      details: { ids: loras.map((lora) => lora.id) },
    });
  }
  return new LoraPass(graph, weights, loras).run();
}

class LoraPass {
  readonly #graph: Graph;
  readonly #loras: readonly Lora[];
  readonly #writer: GraphWriter;
  readonly #weights: Map<string, NamedWeight>;
  readonly #matched = new Set<string>();
  /** Layer names by weight value; replaced weights have other names in the new graph. */
  readonly #layerOf = new Map<ValueId, string>();

  constructor(graph: Graph, weights: WeightMap, loras: readonly Lora[]) {
    this.#loras = loras;
    this.#weights = new Map(weights);
    this.#graph = { ...graph, values: graph.values.map((value) => this.#replaceWeight(value)) };
    this.#writer = new GraphWriter(this.#graph, { shareEqualNodes: true });
  }

  /** A leaf for the replacement of a weight, if there is one; of several the last LoRA's. */
  #replaceWeight(value: Value): Value {
    if (value.source.kind !== 'weight') return value;
    const { name } = value.source;
    this.#layerOf.set(value.id, layerName(name));
    let source = value.source;
    for (const { id, layers } of this.#loras) {
      for (const key of new Set([name, layerName(name)])) {
        for (const update of layers.get(key) ?? []) {
          if (update.kind !== 'replace') continue;
          const { tensor } = update.weight;
          const shape = weightShape(update.weight);
          if (elementCount(shape) !== elementCount(value.shape)) throw misfit(key, 'replacement', value.shape, shape);
          this.#matched.add(key);
          source = { kind: 'weight', name: `lora:replace:${id}:${name}:${tensor.name}`, type: tensor.type };
          this.#weights.set(source.name, update.weight);
        }
      }
    }
    return { ...value, source };
  }

  run(): LoraResult {
    for (const node of this.#graph.nodes) {
      const own = isLayer(node) ? this.#updatesOf(node) : [];
      if (isLayer(node) && own.length > 0) this.#layer(node, own);
      else this.#writer.copy(node);
    }
    const unmatched = new Map(
      this.#loras.map(({ id, layers }) => [id, [...layers.keys()].filter((name) => !this.#matched.has(name))]),
    );
    return { graph: this.#writer.finish(), weights: this.#weights, unmatched };
  }

  #updatesOf(node: Layer): Own[] {
    const name = this.#layerOf.get(node.inputs[1] ?? -1);
    if (name === undefined) return [];
    const own: Own[] = [];
    for (const { id, layers } of this.#loras) {
      const updates = layers.get(name);
      if (!updates) continue;
      this.#matched.add(name);
      for (const update of updates) if (update.kind !== 'replace') own.push({ lora: id, update });
    }
    return own;
  }

  #layer(node: Layer, own: readonly Own[]): void {
    const w = this.#writer;
    const name = this.#layerOf.get(node.inputs[1] ?? -1) ?? node.scope;
    const shape = valueOf(this.#graph, node.inputs[1] ?? -1).shape;
    const [x, weight, bias, residual] = node.inputs.map((id) => (id === undefined ? undefined : w.map(id)));
    if (x === undefined) return;
    const { activation } = node.attrs;
    // The side path is added before the activation, the layer's own residual after it.
    let side = activation === undefined ? residual : undefined;
    const factors = own.flatMap(({ lora, update }) =>
      update.kind === 'low-rank' ? [{ lora, factors: toPlainFactors(name, update, shape) }] : [],
    );
    if (factors.length > 0) side = this.#lowRank(node, name, x, factors, side);
    for (const [i, { lora, update }] of own.entries()) {
      if (update.kind === 'low-rank') continue;
      const what = `lora:delta:${lora}.${i}:${name}`;
      if (update.kind === 'delta') {
        const delta = this.#weight(what, update.weight, shape);
        const y = this.#scale(this.#like(node, [x, delta], what), this.#strength(lora), what);
        side = side === undefined ? y : w.emit('binary', [side, y], { kind: 'add' }, what);
      }
    }
    let y = this.#like(node, [x, weight, bias, side], node.scope);
    for (const [i, { lora, update }] of own.entries()) {
      if (update.kind !== 'bias') continue;
      const what = `lora:bias:${lora}.${i}:${name}`;
      const out = shape[0] ?? 0;
      if (update.data.length !== out) throw misfit(name, 'bias', [out], [update.data.length]);
      const vector = this.#weight(what, memoryWeight(what, [out], Float32Array.from(update.data)), [out]);
      let scaled = w.emit('binary', [vector, this.#strength(lora)], { kind: 'mul' }, what);
      if (node.op === 'conv2d') scaled = this.#pixel(scaled, out, what);
      y = w.emit('binary', [y, scaled], { kind: 'add' }, what);
    }
    if (activation !== undefined) {
      y = w.emit('unary', [y], { kind: activation }, node.scope);
      if (residual !== undefined) y = w.emit('binary', [y, residual], { kind: 'add' }, node.scope);
    }
    w.replace(node.output, y);
  }

  /** s·U(D·x) + base, all LoRAs at once: their ranks are rows of one D and columns of one U. */
  #lowRank(
    node: Layer,
    name: string,
    x: ValueId,
    parts: readonly { readonly lora: string; readonly factors: Factors }[],
    base: ValueId | undefined,
  ): ValueId {
    const joined = joinLowRank(parts.map(({ factors }) => factors));
    const ids = parts.map(({ lora }) => lora).join('+');
    const downName = `lora:down:${ids}:${name}`;
    const upName = `lora:up:${ids}:${name}`;
    const down = this.#weight(downName, memoryWeight(downName, joined.downShape, joined.down), joined.downShape);
    const up = this.#weight(upName, memoryWeight(upName, joined.upShape, joined.up), joined.upShape);
    const strengths = this.#rankStrengths(parts.map(({ lora, factors }) => [lora, factors.rank] as const));
    const low = this.#scale(this.#like(node, [x, down], downName), strengths, downName);
    if (node.op === 'linear') return this.#writer.emit('linear', [low, up, undefined, base], {}, upName);
    const attrs = { stride: 1, pad: [0, 0, 0, 0], padMode: 'zeros', upsample: 1 } as const;
    return this.#writer.emit('conv2d', [low, up, undefined, base], attrs, upName);
  }

  /** The strength of each rank: a scalar for one LoRA, `[R]` for several, made from the scalars by a 0/1 matrix. */
  #rankStrengths(ranks: readonly (readonly [string, number])[]): ValueId {
    const ids = [...new Set(ranks.map(([lora]) => lora))];
    const scalars = ids.map((id) => this.#strength(id));
    const [only] = scalars;
    if (scalars.length === 1 && only !== undefined) return only;
    const rows = ranks.flatMap(([lora, rank]) => Array.from({ length: rank }, () => ids.indexOf(lora)));
    const matrix = new Float32Array(rows.length * ids.length);
    for (const [row, column] of rows.entries()) matrix[row * ids.length + column] = 1;
    const what = `lora:ranks:${ranks.map(([lora, rank]) => `${lora}=${rank}`).join()}`;
    const all = this.#writer.emit('concat', scalars, { axis: 0 }, what);
    const weight = this.#weight(what, memoryWeight(what, [rows.length, ids.length], matrix), [rows.length, ids.length]);
    return this.#writer.emit('linear', [all, weight], {}, what);
  }

  #strength(lora: string): ValueId {
    return this.#writer.input(loraInput(lora), { shape: [1], elementType: 'f32', layout: 'plain' });
  }

  /** x · s, s `[1]` or `[last axis]` (channels of an image). */
  #scale(x: ValueId, s: ValueId, scope: string): ValueId {
    const { layout } = this.#writer.type(x);
    const length = elementCount(this.#writer.type(s).shape);
    const factor = layout === 'image' ? this.#pixel(s, length, scope) : s;
    return this.#writer.emit('binary', [x, factor], { kind: 'mul' }, scope);
  }

  /** `[C]` → image `[1, C, 1, 1]`. */
  #pixel(vector: ValueId, length: number, scope: string): ValueId {
    const row = this.#writer.emit('reshape', [vector], { shape: [1, length] }, scope);
    return this.#writer.emit('vectorToImage', [row], {}, scope);
  }

  /** A layer with the same attributes but the activation, and other weights. */
  #like(node: Layer, inputs: readonly (ValueId | undefined)[], scope: string): ValueId {
    if (node.op === 'linear') return this.#writer.emit('linear', inputs, {}, scope);
    const { activation: _, ...attrs } = node.attrs;
    return this.#writer.emit('conv2d', inputs, attrs, scope);
  }

  #weight(name: string, weight: NamedWeight, shape: Shape): ValueId {
    const found = weightShape(weight);
    if (elementCount(found) !== elementCount(shape)) throw misfit(name, 'weight', shape, found);
    this.#weights.set(name, weight);
    const source = { kind: 'weight', name, type: weight.tensor.type } as const;
    return this.#writer.weight({ shape, elementType: 'f32', layout: 'plain' }, source);
  }
}

function misfit(layer: string, what: string, expected: Shape, found: Shape): AppError {
  return new AppError(
    'lora/shape',
    `LoRA: ${what} of layer "${layer}" must have ${formatShape(expected)}, got ${formatShape(found)}; the file is for another base model.`,
    { details: { layer, expected, found } },
  );
}
