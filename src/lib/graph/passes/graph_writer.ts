/** Writes a changed copy of a graph: passes read the old one and say what becomes of each node. */
import { AppError } from '../../base/errors';
import type { AnyNode, Graph, TensorType, Value, ValueId, ValueSource } from '../ir';
import { valueOf } from '../ir';
import { opDef, type OpAttrs, type OpName } from '../ops/registry';
import { canonicalJson } from '../hash';

export interface WriterOptions {
  /** Nodes with the same operator, inputs and attributes are written once. */
  readonly shareEqualNodes?: boolean;
}

export class GraphWriter {
  readonly #graph: Graph;
  readonly #values: Value[] = [];
  readonly #nodes: AnyNode[] = [];
  readonly #inputs = new Map<string, ValueId>();
  /** Old id → new id. */
  readonly #map = new Map<ValueId, ValueId>();
  readonly #weights = new Map<string, ValueId>();
  readonly #equal: Map<string, ValueId> | undefined;

  /** Starts with all inputs of `graph`, used or not: they are its contract. */
  constructor(graph: Graph, { shareEqualNodes = false }: WriterOptions = {}) {
    this.#graph = graph;
    this.#equal = shareEqualNodes ? new Map() : undefined;
    for (const [name, id] of graph.inputs) {
      const created = this.#value(valueOf(graph, id), { kind: 'input', name });
      this.#inputs.set(name, created);
      this.#map.set(id, created);
    }
  }

  #value({ shape, elementType, layout }: TensorType, source: ValueSource): ValueId {
    this.#values.push({ id: this.#values.length, shape, elementType, layout, source });
    return this.#values.length - 1;
  }

  /** The new value of an old one: leaves are made as they are asked for, node results must have been written. */
  map(id: ValueId): ValueId {
    const known = this.#map.get(id);
    if (known !== undefined) return known;
    const value = valueOf(this.#graph, id);
    if (value.source.kind === 'node') {
      throw new AppError('internal/unexpected', `${this.#graph.name}: a pass reads value ${id} before it is written.`);
    }
    const created =
      value.source.kind === 'weight' ? this.weight(value, value.source) : this.#value(value, value.source);
    this.#map.set(id, created);
    return created;
  }

  /** `map` for a node's inputs, of which some are absent. */
  mapAll(ids: readonly (ValueId | undefined)[]): (ValueId | undefined)[] {
    return ids.map((id) => (id === undefined ? undefined : this.map(id)));
  }

  /** A weight leaf, once per name. */
  weight(type: TensorType, source: ValueSource & { readonly kind: 'weight' }): ValueId {
    const known = this.#weights.get(source.name);
    if (known !== undefined) return known;
    const created = this.#value(type, source);
    this.#weights.set(source.name, created);
    return created;
  }

  /** An input of the new graph; one of the same name is shared. */
  input(name: string, type: TensorType): ValueId {
    const known = this.#inputs.get(name);
    if (known !== undefined) return known;
    const created = this.#value(type, { kind: 'input', name });
    this.#inputs.set(name, created);
    return created;
  }

  /** Type of a new value. */
  type(id: ValueId): Value {
    const value = this.#values[id];
    if (!value) throw new AppError('internal/unexpected', `${this.#graph.name}: a pass made no value ${id}.`);
    return value;
  }

  /** Appends a node over new values. @throws AppError 'graph/shape' */
  emit<O extends OpName>(op: O, inputs: readonly (ValueId | undefined)[], attrs: OpAttrs[O], scope: string): ValueId {
    const key = this.#equal && `${op} ${inputs.map((id) => id ?? '-').join()} ${canonicalJson(attrs)}`;
    const equal = key === undefined ? undefined : this.#equal?.get(key);
    if (equal !== undefined) return equal;
    const type = opDef(op).infer(
      inputs.map((id) => (id === undefined ? undefined : this.type(id))),
      attrs,
    );
    const output = this.#value(type, { kind: 'node', node: this.#nodes.length });
    // Sound: `op` and `attrs` come from one type parameter; TypeScript cannot tie them in a union.
    this.#nodes.push({ op, inputs: [...inputs], attrs, output, scope } as unknown as AnyNode);
    if (key !== undefined) this.#equal?.set(key, output);
    return output;
  }

  /** Says that an old value is now this new one. */
  replace(old: ValueId, by: ValueId): void {
    this.#map.set(old, by);
  }

  /** Writes a node of the old graph as it is. */
  copy(node: AnyNode): ValueId {
    const output = this.emit(node.op, this.mapAll(node.inputs), node.attrs, node.scope);
    this.replace(node.output, output);
    return output;
  }

  /**
   * The new graph. Outputs keep their names; taps of values that a pass removed are dropped.
   * @param wanted old values by output name; default the outputs of the old graph
   */
  finish(wanted: ReadonlyMap<string, ValueId> = this.#graph.outputs): Graph {
    const outputs = new Map([...wanted].map(([name, id]) => [name, this.map(id)]));
    const taps = new Map<string, ValueId>();
    for (const [name, id] of this.#graph.taps) {
      const mapped = this.#map.get(id);
      if (mapped !== undefined) taps.set(name, mapped);
    }
    return { name: this.#graph.name, values: this.#values, nodes: this.#nodes, inputs: this.#inputs, outputs, taps };
  }
}

/**
 * A copy of the graph in which some nodes are left out, because the nodes that `replaced` names do their work.
 * @param gone      results of the nodes to leave out
 * @param replaced  by result: writes what stands in the node's place and gives its new value
 */
export function rewrite(
  graph: Graph,
  gone: ReadonlySet<ValueId>,
  replaced: ReadonlyMap<ValueId, (writer: GraphWriter) => ValueId>,
): Graph {
  const writer = new GraphWriter(graph);
  for (const node of graph.nodes) {
    if (gone.has(node.output)) continue;
    const write = replaced.get(node.output);
    if (write) writer.replace(node.output, write(writer));
    else writer.copy(node);
  }
  return writer.finish();
}

/** How often each value is read; being an output of the graph counts as a read. */
export function countUses(graph: Graph): ReadonlyMap<ValueId, number> {
  const uses = new Map<ValueId, number>();
  const add = (id: ValueId) => uses.set(id, (uses.get(id) ?? 0) + 1);
  for (const node of graph.nodes) for (const id of node.inputs) if (id !== undefined) add(id);
  for (const id of graph.outputs.values()) add(id);
  return uses;
}

/** The node that makes a value, if it is a node's result. */
export function producer(graph: Graph, id: ValueId | undefined): AnyNode | undefined {
  if (id === undefined) return undefined;
  const { source } = valueOf(graph, id);
  return source.kind === 'node' ? graph.nodes[source.node] : undefined;
}
