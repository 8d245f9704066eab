/**
 * Turns a graph into a list of dispatches. Images lie channels-last inside a program and row-major at its border, so
 * that device tensors of one shape always hold the same order. Aliases (reshape, image ↔ tokens) cost nothing.
 * Pure: no device, no bytes of weights; the result is plain data.
 */
import { AppError } from '../../base/errors';
import { elementCount } from '../../base/shape';
import { valueOf, type AnyNode, type Graph, type Value, type ValueId } from '../../graph/ir';
import { namedWeight } from '../../graph/load_weight';
import { opDef } from '../../graph/ops/registry';
import type { WeightMap } from '../../graph/weights';
import { ALIASES, Readers, type Deferred } from './deferred';
import { shareInPlace } from './in_place';
import type { ParamValue } from './kernel_sources';
import { OP_RECORDERS, type RecordOp } from './ops/registry';
import { recordLayoutCopy } from './ops/strided';
import type { BufferId, DispatchPlan, IdCheck, Operand, PlannedBuffer, PlannedWeight, ProgramPlan } from './plan_types';
import type { Tuning } from './tuning';
import { planWeight, type WeightForm } from './weights/weight_plan';

export interface RecordOptions {
  readonly maxBindingBytes: number;
  /** Longer kernel calls are cut into several dispatches. */
  readonly dispatchFlops: number;
  readonly tuning: Tuning;
  /** Every result in a place of its own; for comparison. */
  readonly apart?: boolean;
}

/** A matrix weight as kernels see it: the plan, and operands of each part. */
export interface MatrixOperand {
  readonly weight: PlannedWeight;
  readonly parts: readonly {
    readonly quants: Operand;
    readonly scales: Operand;
    readonly rowStart: number;
    readonly rows: number;
  }[];
}

export interface KernelCall {
  readonly kernel: readonly string[];
  readonly overrides?: Readonly<Record<string, number>>;
  readonly bindings: Readonly<Record<string, Operand | undefined>>;
  readonly params: Readonly<Record<string, ParamValue>>;
  /** As in `DispatchPlan`. */
  readonly inPlace?: DispatchPlan['inPlace'];
  readonly workgroups: number;
  /** Share of the node's FLOPs; default all. */
  readonly share?: number;
}

/** What the recorder of an operator may do. */
export interface OpContext {
  readonly tuning: Tuning;
  readonly maxBindingBytes: number;
  value(id: ValueId): Value;
  /** The data of a value, made distinct from those in `apart`, since kernels bind everything writable. */
  operand(id: ValueId): Operand;
  optional(id: ValueId | undefined): Operand | undefined;
  /** Where the node's result goes. */
  result(): Operand;
  temp(bytes: number): Operand;
  resident(data: Float32Array | Int32Array): Operand;
  matrix(id: ValueId, form: 'matrix' | 'conv'): MatrixOperand;
  /** Appends a kernel call; `groupOffset` is filled in. */
  call(call: KernelCall): void;
  /** The one node that reads a value, once, renamings looked through; undefined for results of the graph. */
  onlyReader(id: ValueId): AnyNode | undefined;
  /** Whether two values are the same data under other shapes. */
  sameData(a: ValueId | undefined, b: ValueId | undefined): boolean;
  /** Leaves a value to its only reader: it gets no buffer. */
  defer(id: ValueId, what: Deferred): void;
  deferred(id: ValueId | undefined): Deferred | undefined;
  /** Token ids must lie below `count` where the host can know them. */
  checkIds(id: ValueId, count: number): void;
}

/** Records a whole graph. @throws AppError 'backend/unsupported-op', 'backend/out-of-memory', 'graph/unknown-weight' */
export function recordProgram(graph: Graph, weights: WeightMap, options: RecordOptions): ProgramPlan {
  const plan = new Recorder(graph, weights, options).record();
  return options.apart ? plan : shareInPlace(plan);
}

class Recorder {
  readonly #graph: Graph;
  readonly #weights: WeightMap;
  readonly #options: RecordOptions;
  readonly #buffers: PlannedBuffer[] = [];
  readonly #planned: PlannedWeight[] = [];
  readonly #plannedByKey = new Map<string, { weight: PlannedWeight; buffers: BufferId[] }>();
  readonly #dispatches: DispatchPlan[] = [];
  readonly #operands = new Map<ValueId, Operand>();
  readonly #outputs = new Map<string, Operand>();
  /** Values whose result is written straight into an output buffer. */
  readonly #direct = new Map<ValueId, string>();
  readonly #idChecks: IdCheck[] = [];
  readonly #deferred = new Map<ValueId, Deferred>();
  readonly #needed: ReadonlySet<number>;
  readonly #readers: Readers;
  #node = -1;

  constructor(graph: Graph, weights: WeightMap, options: RecordOptions) {
    this.#graph = graph;
    this.#weights = weights;
    this.#options = options;
    this.#needed = neededNodes(graph);
    this.#readers = new Readers(graph, this.#needed);
  }

  record(): ProgramPlan {
    const graph = this.#graph;
    this.#chooseDirectOutputs();
    for (const [name, id] of graph.inputs) this.#input(name, valueOf(graph, id));
    for (const [position, node] of graph.nodes.entries()) {
      if (!this.#needed.has(position)) continue;
      this.#node = position;
      this.#recordNode(node);
    }
    this.#node = -1;
    for (const [name, id] of graph.outputs) this.#output(name, id);
    return {
      graph,
      buffers: this.#buffers,
      weights: this.#planned,
      dispatches: this.#dispatches,
      outputs: this.#outputs,
      idChecks: this.#idChecks,
    };
  }

  #buffer(buffer: PlannedBuffer): Operand {
    const { maxBindingBytes } = this.#options;
    if (buffer.kind !== 'weight' && buffer.bytes > maxBindingBytes) {
      const scope = this.#graph.nodes[this.#node]?.scope ?? 'border';
      throw new AppError(
        'backend/out-of-memory',
        `${this.#graph.name}, layer ${scope}: one tensor must fit the device's binding limit of ${maxBindingBytes} bytes, got ${buffer.bytes}; choose a smaller picture or a tiled autoencoder.`,
        { details: { scope, bytes: buffer.bytes, limit: maxBindingBytes } },
      );
    }
    this.#buffers.push(buffer);
    return { buffer: this.#buffers.length - 1, offset: 0, bytes: buffer.bytes };
  }

  #temp(bytes: number): Operand {
    return this.#buffer({ kind: 'temp', bytes: Math.max(4, bytes) });
  }

  #input(name: string, value: Value): void {
    const bytes = 4 * elementCount(value.shape);
    const given = this.#buffer({ kind: 'input', name, bytes });
    if (!isReordered(value)) {
      this.#operands.set(value.id, given);
      return;
    }
    const inside = this.#temp(bytes);
    this.#operands.set(value.id, inside);
    recordLayoutCopy(this.#context(undefined), value.shape, given, inside, 'toChannelsLast');
  }

  /** An output is written in place when its value is a node's own result in the right order. */
  #chooseDirectOutputs(): void {
    const taken = new Set<ValueId>();
    for (const [name, id] of this.#graph.outputs) {
      const root = this.#readers.root(id);
      const value = valueOf(this.#graph, root);
      const direct = value.source.kind === 'node' && !taken.has(root) && !isReordered(valueOf(this.#graph, id));
      if (!direct) continue;
      taken.add(root);
      this.#direct.set(root, name);
    }
  }

  #output(name: string, id: ValueId): void {
    const value = valueOf(this.#graph, id);
    const operand = this.#operand(id);
    const buffer = this.#buffers[operand.buffer];
    if (buffer?.kind === 'output' && buffer.name === name) {
      this.#outputs.set(name, operand);
      return;
    }
    const target = this.#buffer({ kind: 'output', name, bytes: operand.bytes });
    recordLayoutCopy(
      this.#context(undefined),
      value.shape,
      operand,
      target,
      isReordered(value) ? 'toRowMajor' : 'copy',
    );
    this.#outputs.set(name, target);
  }

  #operand(id: ValueId): Operand {
    const known = this.#operands.get(id);
    if (known) return known;
    const value = valueOf(this.#graph, id);
    let operand: Operand;
    if (value.source.kind === 'constant') {
      const { data } = value.source;
      operand = this.#buffer({ kind: 'resident', data, bytes: 4 * data.length });
    } else if (value.source.kind === 'weight') {
      const bytes = 4 * elementCount(value.shape);
      operand = { ...this.#weight(id, 'plain').operand, bytes };
    } else {
      throw new AppError('internal/unexpected', `${this.#graph.name}: value ${id} was read before it was computed.`);
    }
    this.#operands.set(id, operand);
    return operand;
  }

  #weight(id: ValueId, form: WeightForm) {
    const value = valueOf(this.#graph, id);
    if (value.source.kind !== 'weight') {
      throw new AppError(
        'backend/unsupported-op',
        `${this.#graph.name}, layer ${this.#graph.nodes[this.#node]?.scope ?? ''}: the matrix of a linear layer, convolution or embedding must be a weight, got a computed value.`,
      );
    }
    const { name } = value.source;
    const key = `${form} ${value.shape.join('x')} ${name}`;
    let known = this.#plannedByKey.get(key);
    if (!known) {
      const plan = planWeight(name, namedWeight(this.#weights, name), value.shape, form, this.#options);
      const weight = { plan, form, shape: value.shape, value: id };
      const index = this.#planned.push(weight) - 1;
      const buffers = plan.parts.map((part, p) => {
        const { buffer } = this.#buffer({ kind: 'weight', weight: index, part: p, bytes: part.bytes });
        return buffer;
      });
      known = { weight, buffers };
      this.#plannedByKey.set(key, known);
    }
    return { ...known, operand: { buffer: known.buffers[0] ?? -1, offset: 0, bytes: known.weight.plan.bytes } };
  }

  #matrix(id: ValueId, form: 'matrix' | 'conv'): MatrixOperand {
    const { weight, buffers } = this.#weight(id, form);
    const parts = weight.plan.parts.map((part, i) => {
      const buffer = buffers[i] ?? -1;
      const quants = { buffer, offset: 0, bytes: part.quantBytes };
      // Unused scales are bound to the quants: both are read only.
      const scales =
        part.scaleBytes === 0 ? quants : { buffer, offset: part.scalesOffset, bytes: part.bytes - part.scalesOffset };
      return { quants, scales, rowStart: part.rowStart, rows: part.rows };
    });
    return { weight, parts };
  }

  #recordNode(node: AnyNode): void {
    const from = ALIASES.has(node.op) ? node.inputs[0] : undefined;
    if (from !== undefined) {
      if (!this.#deferred.has(this.#readers.root(from))) this.#operands.set(node.output, this.#operand(from));
      return;
    }
    // Sound: `op` and `attrs` belong together in a node; TypeScript cannot tie them in a union.
    const recordOp = OP_RECORDERS[node.op] as unknown as RecordOp<typeof node.op> | undefined;
    if (!recordOp) {
      throw new AppError(
        'backend/unsupported-op',
        `${this.#graph.name}: the WebGPU backend has no operator "${node.op}".`,
      );
    }
    recordOp(this.#context(node), node);
  }

  #context(node: AnyNode | undefined): OpContext {
    const used = new Map<BufferId, Operand>();
    const flops = node ? nodeFlops(this.#graph, node) : 0;
    const context: OpContext = {
      tuning: this.#options.tuning,
      maxBindingBytes: this.#options.maxBindingBytes,
      onlyReader: (id) => this.#readers.only(id),
      sameData: (a, b) => a !== undefined && b !== undefined && this.#readers.root(a) === this.#readers.root(b),
      defer: (id, what) => void this.#deferred.set(this.#readers.root(id), what),
      deferred: (id) => (id === undefined ? undefined : this.#deferred.get(this.#readers.root(id))),
      value: (id) => valueOf(this.#graph, id),
      operand: (id) => {
        const operand = this.#operand(id);
        const again = used.get(operand.buffer);
        used.set(operand.buffer, operand);
        if (!again) return operand;
        // One buffer bound twice as writable is refused by WebGPU, even if both are only read.
        const copy = this.#temp(operand.bytes);
        recordLayoutCopy(context, [operand.bytes / 4], operand, copy, 'copy');
        return copy;
      },
      optional: (id) => (id === undefined ? undefined : context.operand(id)),
      result: () => this.#result(node),
      temp: (bytes) => this.#temp(bytes),
      resident: (data) => this.#buffer({ kind: 'resident', data, bytes: 4 * data.length }),
      matrix: (id, form) => this.#matrix(id, form),
      call: (call) => this.#call(call, flops * (call.share ?? 1)),
      checkIds: (id, count) => {
        const value = valueOf(this.#graph, this.#readers.root(id));
        if (value.source.kind !== 'input') return;
        this.#idChecks.push({ input: value.source.name, below: count, scope: node?.scope ?? '' });
      },
    };
    return context;
  }

  #result(node: AnyNode | undefined): Operand {
    if (!node) throw new AppError('internal/unexpected', 'recorder: no node has a result here.');
    const known = this.#operands.get(node.output);
    if (known) return known;
    const bytes = 4 * elementCount(valueOf(this.#graph, node.output).shape);
    const name = this.#direct.get(node.output);
    const operand = name === undefined ? this.#temp(bytes) : this.#buffer({ kind: 'output', name, bytes });
    this.#operands.set(node.output, operand);
    return operand;
  }

  /** Long calls become several dispatches of whole workgroups: one dispatch must not hold the device for long. */
  #call(call: KernelCall, flops: number): void {
    const pieces = Math.min(call.workgroups, Math.max(1, Math.ceil(flops / this.#options.dispatchFlops)));
    const perPiece = Math.ceil(call.workgroups / pieces);
    for (let first = 0; first < call.workgroups; first += perPiece) {
      const workgroups = Math.min(perPiece, call.workgroups - first);
      this.#dispatches.push({
        kernel: call.kernel,
        overrides: call.overrides ?? {},
        bindings: call.bindings,
        params: { ...call.params, groupOffset: first },
        ...(call.inPlace ? { inPlace: call.inPlace } : {}),
        workgroups,
        firstWorkgroup: first,
        node: this.#node,
        flops: flops * (workgroups / call.workgroups),
      });
    }
  }
}

/** Whether a value's order inside a program differs from row-major. */
function isReordered({ layout, shape }: Value): boolean {
  const [, c = 1, h = 1, w = 1] = shape;
  return layout === 'image' && c > 1 && h * w > 1;
}

function nodeFlops(graph: Graph, node: AnyNode): number {
  const types = node.inputs.map((id) => (id === undefined ? undefined : valueOf(graph, id)));
  return opDef(node.op).flops(types, node.attrs, valueOf(graph, node.output));
}

/** Nodes that an output depends on. */
function neededNodes(graph: Graph): ReadonlySet<number> {
  const needed = new Set<number>();
  const open = [...graph.outputs.values()];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const { source } = valueOf(graph, id);
    if (source.kind !== 'node' || needed.has(source.node)) continue;
    needed.add(source.node);
    for (const input of graph.nodes[source.node]?.inputs ?? []) if (input !== undefined) open.push(input);
  }
  return needed;
}
