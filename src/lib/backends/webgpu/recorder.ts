/**
 * Turns a graph into a list of dispatches. Images lie channels-last inside a program and row-major at its border, so
 * that device tensors of one shape always hold the same order. Aliases (reshape, image ↔ tokens) cost nothing.
 * Pure: no device, no bytes of weights; the result is plain data.
 */
import { AppError } from '../../base/errors';
import { elementCount } from '../../base/shape';
import { valueOf, type AnyNode, type Graph, type Value, type ValueId } from '../../graph/ir';
import { opDef } from '../../graph/ops/registry';
import type { WeightMap } from '../../graph/weights';
import { ALIASES, Readers, type Deferred } from './deferred';
import { cutCall } from './dispatch_cut';
import { shareInPlace } from './in_place';
import type { OpContext } from './op_context';
import { OP_RECORDERS, type RecordOp } from './ops/registry';
import { recordLayoutCopy } from './ops/strided';
import { PlanBuffers } from './plan_buffers';
import type { BufferId, DispatchPlan, IdCheck, Operand, ProgramPlan } from './plan_types';
import type { Tuning } from './tuning';

export interface RecordOptions {
  readonly maxBindingBytes: number;
  /** Longer kernel calls are cut into several dispatches. */
  readonly dispatchFlops: number;
  readonly tuning: Tuning;
  /** Every result in a place of its own; for comparison. */
  readonly apart?: boolean;
}

/** Records a whole graph. @throws AppError 'backend/unsupported-op', 'backend/out-of-memory', 'graph/unknown-weight' */
export function recordProgram(graph: Graph, weights: WeightMap, options: RecordOptions): ProgramPlan {
  const plan = new Recorder(graph, weights, options).record();
  return options.apart ? plan : shareInPlace(plan);
}

class Recorder {
  readonly #graph: Graph;
  readonly #options: RecordOptions;
  readonly #buffers: PlanBuffers;
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
    this.#options = options;
    this.#buffers = new PlanBuffers(graph, weights, options.maxBindingBytes);
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
      buffers: this.#buffers.buffers,
      weights: this.#buffers.weights,
      dispatches: this.#dispatches,
      outputs: this.#outputs,
      idChecks: this.#idChecks,
    };
  }

  /** Layer under recording, for messages. */
  get #scope(): string {
    return this.#graph.nodes[this.#node]?.scope ?? 'border';
  }

  #temp(bytes: number): Operand {
    return this.#buffers.temp(bytes, this.#scope);
  }

  #input(name: string, value: Value): void {
    const bytes = 4 * elementCount(value.shape);
    const given = this.#buffers.add({ kind: 'input', name, bytes }, this.#scope);
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
    const buffer = this.#buffers.buffers[operand.buffer];
    if (buffer?.kind === 'output' && buffer.name === name) {
      this.#outputs.set(name, operand);
      return;
    }
    const target = this.#buffers.add({ kind: 'output', name, bytes: operand.bytes }, this.#scope);
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
      operand = this.#buffers.resident(value.source.data, this.#scope);
    } else if (value.source.kind === 'weight') {
      const bytes = 4 * elementCount(value.shape);
      operand = { ...this.#buffers.plainWeight(id, this.#scope), bytes };
    } else {
      throw new AppError('internal/unexpected', `${this.#graph.name}: value ${id} was read before it was computed.`);
    }
    this.#operands.set(id, operand);
    return operand;
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
      resident: (data) => this.#buffers.resident(data, this.#scope),
      matrix: (id, form) => this.#buffers.matrix(id, form, this.#scope),
      call: (call) => {
        const node = { position: this.#node, flops: flops * (call.share ?? 1) };
        this.#dispatches.push(...cutCall(call, node, this.#options.dispatchFlops));
      },
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
    const operand =
      name === undefined ? this.#temp(bytes) : this.#buffers.add({ kind: 'output', name, bytes }, this.#scope);
    this.#operands.set(node.output, operand);
    return operand;
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
