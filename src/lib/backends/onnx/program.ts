/** A compiled graph: one session, checked inputs, owned outputs. */
import { throwIfAborted } from '../../base/abort';
import { AppError } from '../../base/errors';
import { valueOf, type Graph } from '../../graph/ir';
import type { DeviceTensor, MemoryPlan, Program, RunOptions } from '../backend';
import { disposedError, matchInputs } from '../check_inputs';
import { yieldToEvents, type HostTensorPool } from './host_tensors';
import type { OnnxSession, OnnxTensor } from './runtime';
import { runSession } from './session';

/** An i32 input whose elements must lie in 0..count-1. The runtime takes negative ones as counted from the end. */
interface IndexRange {
  readonly op: string;
  readonly count: number;
}

function indexRanges(graph: Graph): ReadonlyMap<string, IndexRange> {
  const ranges = new Map<string, IndexRange>();
  for (const node of graph.nodes) {
    const place =
      node.op === 'embedding' ? ([0, 1, 0] as const) : node.op === 'gatherToken' ? ([1, 0, 1] as const) : undefined;
    if (!place) continue;
    const [indexInput, tableInput, axis] = place;
    const table = node.inputs[tableInput];
    for (const [name, id] of graph.inputs) {
      if (id !== node.inputs[indexInput] || table === undefined) continue;
      const count = valueOf(graph, table).shape[axis] ?? 0;
      ranges.set(name, { op: node.op, count: Math.min(count, ranges.get(name)?.count ?? count) });
    }
  }
  return ranges;
}

interface ProgramEvents {
  readonly onDispose: (program: OnnxProgram) => void;
  /** At the end of a run, while its memory still counts. */
  readonly onRun: (program: OnnxProgram) => void;
}

export class OnnxProgram implements Program {
  readonly graph: Graph;
  readonly plan: MemoryPlan;
  readonly #where: string;
  readonly #tensors: HostTensorPool;
  readonly #indexRanges: ReadonlyMap<string, IndexRange>;
  readonly #events: ProgramEvents;
  #session: OnnxSession | undefined;
  /** Runs follow each other, so that the plan holds. */
  #last: Promise<unknown> = Promise.resolve();
  #busy = false;

  constructor(
    backendId: string,
    graph: Graph,
    plan: MemoryPlan,
    session: OnnxSession,
    tensors: HostTensorPool,
    events: ProgramEvents,
  ) {
    this.#where = `${backendId}: ${graph.name}`;
    this.graph = graph;
    this.plan = plan;
    this.#session = session;
    this.#tensors = tensors;
    this.#events = events;
    this.#indexRanges = indexRanges(graph);
  }

  /** Planned bytes of the run under way. */
  get busyBytes(): number {
    return this.#busy ? this.plan.arenaBytes : 0;
  }

  run(inputs: Readonly<Record<string, DeviceTensor>>, { signal }: RunOptions = {}) {
    const result = this.#last.then(() => this.#run(inputs, signal));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #run(
    inputs: Readonly<Record<string, DeviceTensor>>,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, DeviceTensor>> {
    throwIfAborted(signal);
    if (!this.#session) throw disposedError(`program ${this.graph.name}`);
    const feeds: Record<string, OnnxTensor> = {};
    for (const [name, tensor] of matchInputs(this.graph, inputs)) feeds[name] = this.#feed(name, tensor);
    this.#busy = true;
    let results: Record<string, OnnxTensor>;
    try {
      results = await runSession(this.#session, this.#where, feeds);
      this.#events.onRun(this);
    } finally {
      this.#busy = false;
    }
    // A run occupies this thread and cannot be interrupted: a cancel sent meanwhile arrives only now.
    await yieldToEvents();
    throwIfAborted(signal);
    const outputs: Record<string, DeviceTensor> = {};
    for (const name of this.graph.outputs.keys()) {
      const { shape, data } = results[name] ?? {};
      if (!shape || !(data instanceof Float32Array || data instanceof Int32Array)) {
        throw new AppError('internal/unexpected', `${this.#where}: output "${name}" was not computed.`);
      }
      outputs[name] = this.#tensors.own(shape, data);
    }
    return outputs;
  }

  #feed(name: string, tensor: DeviceTensor): OnnxTensor {
    const data = this.#tensors.read(tensor);
    const wanted = valueOf(this.graph, this.graph.inputs.get(name) ?? -1).elementType;
    const found = data instanceof Int32Array ? 'i32' : 'f32';
    if (wanted !== found) {
      throw new AppError('graph/shape', `${this.#where}: input "${name}" must hold ${wanted}, got ${found}.`, {
        details: { input: name, wanted, found },
      });
    }
    const range = this.#indexRanges.get(name);
    const outside = range && data.find((value) => value < 0 || value >= range.count);
    if (outside !== undefined) {
      throw new AppError(
        'backend/run',
        `${this.#where}: ${range?.op} takes "${name}" in 0..${(range?.count ?? 0) - 1}, got ${outside}; check the tokenizer.`,
        { details: { input: name, value: outside, count: range?.count } },
      );
    }
    return { type: found === 'i32' ? 'int32' : 'float32', shape: tensor.shape, data };
  }

  async dispose(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    this.#events.onDispose(this);
    await this.#last;
    await session.release();
  }
}
