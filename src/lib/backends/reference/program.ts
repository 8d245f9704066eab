/**
 * Runs a graph node by node; frees every intermediate after its last use. Intermediates are f64, so that the result is
 * off by one rounding only: the f32 errors of ill-conditioned networks do not hide another backend's.
 */
import { throwIfAborted } from '../../base/abort';
import { AppError } from '../../base/errors';
import { valueOf, type AnyNode, type Graph, type Value, type ValueId } from '../../graph/ir';
import { liveRanges, maxLiveBytes, valueBytes } from '../../graph/liveness';
import { loadWeight, namedWeight } from '../../graph/load_weight';
import { opDef } from '../../graph/ops/registry';
import type { WeightMap } from '../../graph/weights';
import type { CompileOptions, DeviceTensor, MemoryPlan, OpTiming, Program, RunOptions } from '../backend';
import { disposedError, matchInputs } from '../check_inputs';
import type { Elements, Evaluate, Tensor } from './ops/evaluate';
import { EVALUATE } from './ops/registry';
import { ownTensor, ReferenceTensor } from './tensor';

/** The event loop gets a turn this often, so that cancelling and messages work during long runs. */
const TURN_MS = 40;

function usedWeights(graph: Graph): Value[] {
  const used = new Set(graph.nodes.flatMap((node) => node.inputs));
  for (const id of graph.outputs.values()) used.add(id);
  return graph.values.filter(({ id, source }) => used.has(id) && source.kind === 'weight');
}

/** Memory of a program: weights and constants in f32, intermediates in f64. */
export function planReference(graph: Graph): MemoryPlan {
  const bytes = (id: ValueId) => (valueOf(graph, id).elementType === 'i32' ? 1 : 2) * valueBytes(valueOf(graph, id));
  const constants = graph.values.filter(({ source }) => source.kind === 'constant');
  const weightsBytes = [...usedWeights(graph), ...constants].reduce((sum, value) => sum + valueBytes(value), 0);
  const arenaBytes = maxLiveBytes(graph, bytes);
  return {
    weightsBytes,
    arenaBytes,
    naiveArenaBytes: [...liveRanges(graph).keys()].reduce((sum, id) => sum + bytes(id), 0),
    peakBytes: weightsBytes + arenaBytes,
  };
}

/** Weights and constants of a graph in f32, by value id. */
export async function loadResidents(
  graph: Graph,
  weights: WeightMap,
  { signal, onProgress }: CompileOptions,
): Promise<Map<ValueId, Tensor>> {
  const wanted = usedWeights(graph);
  const total = wanted.reduce((sum, value) => sum + valueBytes(value), 0);
  const residents = new Map<ValueId, Tensor>();
  let done = 0;
  for (const value of wanted) {
    throwIfAborted(signal);
    if (value.source.kind !== 'weight') continue;
    const named = namedWeight(weights, value.source.name);
    residents.set(value.id, { shape: value.shape, data: await loadWeight(named, value.shape, signal) });
    done += valueBytes(value);
    onProgress?.(done, total);
  }
  for (const { id, shape, source } of graph.values) {
    if (source.kind === 'constant') residents.set(id, { shape, data: source.data });
  }
  return residents;
}

/** A copy for the caller: rounded to f32 once, at the end. */
function hostElements(data: Elements): Float32Array | Int32Array {
  return data instanceof Int32Array ? data.slice() : Float32Array.from(data);
}

interface ProgramEvents {
  readonly onDispose: (program: ReferenceProgram) => void;
  readonly wantsTimings: (program: ReferenceProgram) => boolean;
  /** `nodes` where they were wanted. */
  readonly onRun: (program: ReferenceProgram, nodes: OpTiming[] | undefined, peakArenaBytes: number) => void;
}

export class ReferenceProgram implements Program {
  readonly graph: Graph;
  readonly plan: MemoryPlan;
  readonly #tensors: Set<ReferenceTensor>;
  readonly #events: ProgramEvents;
  /** Values that nobody needs after a node, by the node's position. */
  readonly #dying: readonly (readonly ValueId[])[];
  #residents: ReadonlyMap<ValueId, Tensor> | undefined;
  #liveBytes = 0;
  #peakBytes = 0;

  constructor(
    graph: Graph,
    residents: ReadonlyMap<ValueId, Tensor>,
    tensors: Set<ReferenceTensor>,
    events: ProgramEvents,
  ) {
    this.graph = graph;
    this.#residents = residents;
    this.#tensors = tensors;
    this.#events = events;
    const dying: ValueId[][] = graph.nodes.map(() => []);
    for (const { id, last } of liveRanges(graph).values()) dying[last]?.push(id);
    this.#dying = dying;
    this.plan = planReference(graph);
  }

  /** Bytes of the intermediates of runs under way. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  async run(inputs: Readonly<Record<string, DeviceTensor>>, options: RunOptions = {}) {
    const timings: OpTiming[] | undefined = this.#events.wantsTimings(this) ? [] : undefined;
    this.#peakBytes = 0;
    const outputs = await this.#run(
      inputs,
      options.signal,
      timings && ((node, ms) => timings.push(this.#timing(node, ms))),
    );
    this.#events.onRun(this, timings, this.#peakBytes);
    return outputs;
  }

  async profile(inputs: Readonly<Record<string, DeviceTensor>>): Promise<readonly OpTiming[]> {
    const timings: OpTiming[] = [];
    const outputs = await this.#run(inputs, undefined, (node, ms) => timings.push(this.#timing(node, ms)));
    for (const tensor of Object.values(outputs)) tensor.dispose();
    return timings;
  }

  #timing(node: AnyNode, ms: number): OpTiming {
    const types = node.inputs.map((id) => (id === undefined ? undefined : valueOf(this.graph, id)));
    const flops = opDef(node.op).flops(types, node.attrs, valueOf(this.graph, node.output));
    return { op: node.op, scope: node.scope, ms, flops };
  }

  async #run(
    inputs: Readonly<Record<string, DeviceTensor>>,
    signal: AbortSignal | undefined,
    onNode?: (node: AnyNode, ms: number) => void,
  ): Promise<Record<string, DeviceTensor>> {
    const { graph } = this;
    throwIfAborted(signal);
    if (!this.#residents) throw disposedError(`program ${graph.name}`);
    const values = new Map<ValueId, Tensor>(this.#residents);
    for (const [name, tensor] of matchInputs(graph, inputs)) {
      values.set(graph.inputs.get(name) ?? -1, this.#input(name, tensor));
    }
    let held = 0;
    const hold = (bytes: number) => {
      held += bytes;
      this.#liveBytes += bytes;
      this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
    };
    try {
      return await this.#runNodes(values, hold, signal, onNode);
    } finally {
      hold(-held);
    }
  }

  async #runNodes(
    values: Map<ValueId, Tensor>,
    hold: (bytes: number) => void,
    signal: AbortSignal | undefined,
    onNode: ((node: AnyNode, ms: number) => void) | undefined,
  ): Promise<Record<string, DeviceTensor>> {
    const { graph } = this;
    let turn = performance.now();
    for (const [position, node] of graph.nodes.entries()) {
      const begun = performance.now();
      if (begun - turn > TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        turn = performance.now();
      }
      throwIfAborted(signal);
      const data = this.#evaluate(node, values);
      hold(data.byteLength);
      values.set(node.output, { shape: valueOf(graph, node.output).shape, data });
      onNode?.(node, performance.now() - begun);
      for (const id of this.#dying[position] ?? []) {
        if (valueOf(graph, id).source.kind === 'node') hold(-(values.get(id)?.data.byteLength ?? 0));
        values.delete(id);
      }
    }
    const outputs: Record<string, DeviceTensor> = {};
    for (const [name, id] of graph.outputs) {
      const value = values.get(id);
      if (!value) throw new AppError('internal/unexpected', `${graph.name}: output "${name}" was not computed.`);
      outputs[name] = new ReferenceTensor(this.#tensors, value.shape, hostElements(value.data));
    }
    return outputs;
  }

  #input(name: string, tensor: DeviceTensor): Tensor {
    const own = ownTensor(this.#tensors, tensor);
    const wanted = valueOf(this.graph, this.graph.inputs.get(name) ?? -1).elementType;
    const found = own.data instanceof Int32Array ? 'i32' : 'f32';
    if (wanted === found)
      return { shape: own.shape, data: own.data instanceof Int32Array ? own.data : Float64Array.from(own.data) };
    throw new AppError('graph/shape', `${this.graph.name}: input "${name}" must hold ${wanted}, got ${found}.`, {
      details: { input: name, wanted, found },
    });
  }

  #evaluate(node: AnyNode, values: ReadonlyMap<ValueId, Tensor>): Elements {
    const inputs = node.inputs.map((id) => (id === undefined ? undefined : values.get(id)));
    // Sound: `op` and `attrs` belong together in a node; TypeScript cannot tie them in a union.
    const evaluate = EVALUATE[node.op] as unknown as Evaluate<typeof node.op>;
    return evaluate(inputs, node.attrs, valueOf(this.graph, node.output));
  }

  dispose(): Promise<void> {
    this.#residents = undefined;
    this.#events.onDispose(this);
    return Promise.resolve();
  }
}
