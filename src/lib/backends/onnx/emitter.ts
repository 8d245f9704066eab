/**
 * A graph as an ONNX model: nodes by the lowering table, constants inline, weights as external data to be filled
 * later (`weight_blobs.ts`). Pure: reads no weight bytes, starts no session.
 */
import { AppError } from '../../base/errors';
import { elementCount, sameShape } from '../../base/shape';
import { valueOf, type AnyNode, type Graph, type Value, type ValueId } from '../../graph/ir';
import type { OpName } from '../../graph/ops/registry';
import type { NamedWeight, WeightMap } from '../../graph/weights';
import { isPackable } from './packed_blocks';
import type { Emitter, Lowering, LoweringOptions, PackedWeight, TensorName } from './lowering/lowering';
import { LOWERINGS } from './lowering/registry';
import { encodeModel, type OnnxAttr, type OnnxInitializer, type OnnxNode, type OnnxType } from './onnx_proto';
import { SHARD_LIMITS, ShardPacker, type ShardLimits } from './shards';

export interface EmitOptions extends LoweringOptions {
  /**
   * Start of the external-data names. Must differ between sessions of one process: the WASM runtime silently gives
   * two sessions with one name the same bytes.
   */
  readonly location: string;
  /** Q4_0 and Q8_0 linears stay in blocks, for `MatMulNBits`. */
  readonly keepQuantized?: boolean;
  readonly limits?: ShardLimits;
}

/** What goes into one stretch of a blob. */
export interface WeightSlot {
  readonly weight: string;
  readonly form: 'f32' | 'codes' | 'scales';
  readonly offset: number;
  readonly length: number;
}

export interface WeightBlob {
  readonly location: string;
  readonly sizeBytes: number;
  readonly slots: readonly WeightSlot[];
}

export interface EmittedModel {
  readonly model: Uint8Array;
  readonly blobs: readonly WeightBlob[];
  readonly weightsBytes: number;
  /** ONNX node name → index in `graph.nodes`, to read profiles. */
  readonly origins: ReadonlyMap<string, number>;
}

const QUANT_BLOCK = 32;

class GraphEmitter implements Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly origins = new Map<string, number>();
  readonly packer: ShardPacker;
  readonly slots: WeightSlot[][] = [];
  weightsBytes = 0;
  #current = 0;
  #scope = '';
  readonly #tensors = new Map<ValueId, TensorName>();
  readonly #names = new Set<string>();
  readonly #constants = new Map<string, readonly { name: TensorName; bytes: Uint8Array }[]>();
  readonly #placed = new Map<string, { shard: number; offset: number }>();
  readonly #identity = new Map<object, number>();

  constructor(
    readonly graph: Graph,
    readonly weights: WeightMap,
    readonly options: EmitOptions,
  ) {
    this.packer = new ShardPacker(options.limits ?? SHARD_LIMITS);
    for (const [name, id] of graph.inputs) {
      this.#names.add(name);
      this.#tensors.set(id, name);
    }
    // Outputs keep their names, so nothing else may take them.
    for (const name of graph.outputs.keys()) this.#names.add(name);
  }

  #unique(name: string): string {
    let candidate = name;
    for (let i = 2; this.#names.has(candidate); i++) candidate = `${name}:${i}`;
    this.#names.add(candidate);
    return candidate;
  }

  begin(index: number, node: AnyNode): void {
    this.#current = index;
    this.#scope = node.scope === '' ? node.op : node.scope;
  }

  bind(id: ValueId, tensor: TensorName): void {
    this.#tensors.set(id, tensor);
  }

  value(id: ValueId | undefined): Value {
    if (id === undefined) throw new RangeError(`onnx: ${this.#scope}: a required input is absent`);
    return valueOf(this.graph, id);
  }

  /** Equal nodes are one node: masks and views of one value are wanted by every layer. */
  readonly #known = new Map<string, TensorName>();

  #append(domain: string, opType: string, inputs: readonly string[], attrs: OnnxNode['attrs'], output?: string) {
    const key = JSON.stringify([domain, opType, inputs, attrs]);
    const known = output === undefined ? this.#known.get(key) : undefined;
    if (known !== undefined) return known;
    const name = this.#unique(`${this.#scope}/${opType}`);
    const result = output ?? this.#unique(`${name}_out`);
    this.nodes.push({ name, opType, domain, inputs, outputs: [result], attrs });
    this.origins.set(name, this.#current);
    if (output === undefined) this.#known.set(key, result);
    return result;
  }

  add(opType: string, inputs: readonly TensorName[], attrs: Readonly<Record<string, OnnxAttr>> = {}): TensorName {
    return this.#append('', opType, inputs, attrs);
  }

  addContrib(opType: string, inputs: readonly TensorName[], attrs: Readonly<Record<string, OnnxAttr>> = {}) {
    return this.#append('com.microsoft', opType, inputs, attrs);
  }

  /** Copies `tensor` to a graph output of its own name. */
  addOutput(name: string, tensor: TensorName): void {
    this.#scope = name;
    this.#append('', 'Identity', [tensor], {}, name);
  }

  #constant(type: OnnxType, bytes: Uint8Array, shape: readonly number[]): TensorName {
    const key = `${type} ${shape.join('x')} ${fingerprint(bytes)}`;
    const alike = this.#constants.get(key) ?? [];
    const known = alike.find((other) => other.bytes.every((byte, i) => byte === bytes[i]));
    if (known) return known.name;
    const name = this.#unique(`const_${this.initializers.length}`);
    this.initializers.push({ name, type, shape, data: { kind: 'inline', bytes } });
    this.#constants.set(key, [...alike, { name, bytes }]);
    return name;
  }

  ints(values: readonly number[]): TensorName {
    return this.#constant('i64', bytesOf(BigInt64Array.from(values, BigInt)), [values.length]);
  }

  floats(values: Float32Array, shape: readonly number[]): TensorName {
    return this.#constant('f32', bytesOf(values), shape);
  }

  scalar(value: number): TensorName {
    return this.floats(new Float32Array([value]), []);
  }

  tensor(id: ValueId | undefined): TensorName {
    const value = this.value(id);
    const known = this.#tensors.get(value.id);
    if (known !== undefined) return known;
    const name = this.#leaf(value);
    if (value.source.kind === 'weight') this.#leaves.set(name, value);
    this.#tensors.set(value.id, name);
    return name;
  }

  #leaf({ id, source, shape, elementType }: Value): TensorName {
    if (source.kind === 'constant') return this.#constant(elementType, bytesOf(source.data), shape);
    if (source.kind === 'weight') return this.#external(source.name, 'f32', 'f32', shape, elementCount(shape) * 4);
    // Nodes come in an executable order, so an unbound one is a defect of a pass.
    throw new AppError('backend/compile', `onnx: ${this.#scope} reads value ${id} before it is computed.`);
  }

  #stored(weight: string): NamedWeight {
    const stored = this.weights.get(weight);
    if (stored) return stored;
    throw new AppError('graph/unknown-weight', `onnx: graph ${this.graph.name} needs the weight "${weight}".`, {
      details: { graph: this.graph.name, weight },
    });
  }

  #external(
    weight: string,
    form: WeightSlot['form'],
    type: OnnxType,
    shape: readonly number[],
    length: number,
  ): TensorName {
    const { tensor, rows, transposed } = this.#stored(weight);
    const identity = this.#identity.get(tensor) ?? this.#identity.size;
    this.#identity.set(tensor, identity);
    // Tied weights share their bytes.
    const key = [identity, rows?.start, rows?.count, transposed, form].join();
    let place = this.#placed.get(key);
    if (!place) {
      place = this.packer.place(weight, length);
      this.#placed.set(key, place);
      (this.slots[place.shard] ??= []).push({ weight, form, offset: place.offset, length });
      this.weightsBytes += length;
    }
    const name = this.#unique(form === 'f32' ? weight : `${weight}.${form}`);
    const location = blobName(this.options.location, place.shard);
    this.initializers.push({
      name,
      type,
      shape,
      data: { kind: 'external', location, offset: place.offset, length },
    });
    return name;
  }

  /** What a reshaped tensor is a view of: chains start again at the root. */
  readonly #views = new Map<TensorName, { root: TensorName; rootShape: readonly number[] }>();
  readonly #reshapedLeaves = new Map<string, TensorName>();

  reshape(x: TensorName, from: readonly number[], to: readonly number[]): TensorName {
    const { root, rootShape } = this.#views.get(x) ?? { root: x, rootShape: from };
    if (sameShape(rootShape, to)) return root;
    const leaf = this.#leaves.get(root);
    const view = leaf ? this.#reshapedLeaf(root, leaf, to) : this.add('Reshape', [root, this.ints(to)]);
    this.#views.set(view, { root, rootShape });
    return view;
  }

  #reshapedLeaf(root: TensorName, leaf: Value, shape: readonly number[]): TensorName {
    const key = `${root} ${shape.join('x')}`;
    const name = this.#reshapedLeaves.get(key) ?? this.#leaf({ ...leaf, shape });
    this.#reshapedLeaves.set(key, name);
    return name;
  }

  /** Weights by their first tensor name, to declare them again with another shape. */
  readonly #leaves = new Map<TensorName, Value>();
  readonly #packedWeights = new Map<ValueId, PackedWeight>();

  packed(id: ValueId): PackedWeight | undefined {
    const known = this.#packedWeights.get(id);
    if (known) return known;
    const { source, shape } = this.value(id);
    if (this.options.keepQuantized !== true || source.kind !== 'weight') return undefined;
    const stored = this.#stored(source.name);
    const { type } = stored.tensor;
    const [n = 0, k = 0] = shape;
    if (!isPackable(type) || stored.transposed || k % QUANT_BLOCK !== 0) return undefined;
    const bits = type === 'Q4_0' ? 4 : 8;
    const blocks = k / QUANT_BLOCK;
    const blockBytes = (QUANT_BLOCK * bits) / 8;
    const packed: PackedWeight = {
      bits,
      codes: this.#external(source.name, 'codes', 'u8', [n, blocks, blockBytes], n * blocks * blockBytes),
      scales: this.#external(source.name, 'scales', 'f32', [n, blocks], n * blocks * 4),
    };
    this.#packedWeights.set(id, packed);
    return packed;
  }
}

/** Name of one blob, as the model's `external_data.location`. */
const blobName = (location: string, shard: number) => `${location}.${shard}.bin`;

function bytesOf(data: Float32Array | Int32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** FNV-1a over 32 bits, to find constants that may be equal. Source: Fowler, Noll, Vo. */
function fingerprint(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Which nodes the outputs need; passes may leave others behind. */
function liveNodes(graph: Graph): boolean[] {
  const live = new Array<boolean>(graph.nodes.length).fill(false);
  const needed = new Set(graph.outputs.values());
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i];
    if (!node || !needed.has(node.output)) continue;
    live[i] = true;
    for (const input of node.inputs) if (input !== undefined) needed.add(input);
  }
  return live;
}

function lower<O extends OpName>(emitter: Emitter, node: AnyNode & { op: O }): TensorName {
  // Sound: the table maps each op to the lowering of that op, which TypeScript cannot tie in a union.
  const lowering = LOWERINGS[node.op] as unknown as Lowering<O> | undefined;
  if (!lowering) {
    throw new AppError('backend/unsupported-op', `onnx: operator "${String(node.op)}" has no lowering.`, {
      details: { op: node.op, scope: node.scope },
    });
  }
  return lowering(emitter, node as unknown as Parameters<Lowering<O>>[1]);
}

/**
 * Emits a graph as ONNX. Inputs, outputs and weights keep their names; images are NCHW.
 * @param weights where the bytes are; only sizes and types are read here
 * @returns the model (no weights inside) and what must go into each external blob
 * @throws AppError 'graph/unknown-weight', 'backend/unsupported-op', 'backend/compile' for an oversized tensor
 */
export function emitOnnx(graph: Graph, weights: WeightMap, options: EmitOptions): EmittedModel {
  const emitter = new GraphEmitter(graph, weights, options);
  const live = liveNodes(graph);
  for (const [i, node] of graph.nodes.entries()) {
    if (!live[i]) continue;
    emitter.begin(i, node);
    emitter.bind(node.output, lower(emitter, node));
  }
  for (const [name, id] of graph.outputs) emitter.addOutput(name, emitter.tensor(id));
  const describe = ([name, id]: [string, ValueId]) => {
    const { elementType, shape } = valueOf(graph, id);
    return { name, type: elementType, shape };
  };
  const model = encodeModel({
    graphName: graph.name,
    nodes: emitter.nodes,
    initializers: emitter.initializers,
    inputs: [...graph.inputs].map(describe),
    outputs: [...graph.outputs].map(describe),
  });
  const blobs = emitter.packer.sizes.map((sizeBytes, shard) => ({
    location: blobName(options.location, shard),
    sizeBytes,
    slots: emitter.slots[shard] ?? [],
  }));
  return { model, blobs, weightsBytes: emitter.weightsBytes, origins: emitter.origins };
}
