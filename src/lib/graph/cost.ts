/** What a graph costs, from shapes alone: operations, traffic, weights. */
import { elementCount } from '../base/shape';
import { packedBytes, quantType, type QuantTypeId } from '../quant/registry';
import { valueOf, type AnyNode, type Graph, type ValueId } from './ir';
import { valueBytes } from './liveness';
import { opDef, type OpName } from './ops/registry';

export interface NodeCost {
  readonly flops: number;
  /** Bytes of activations, constants and weights (as stored) that the node reads at least once. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export interface GraphCost extends NodeCost {
  /** Stored bytes of the weights that the graph uses, each once. */
  readonly weightsBytes: number;
  readonly weightsBytesByType: ReadonlyMap<QuantTypeId, number>;
  readonly byOp: ReadonlyMap<OpName, NodeCost & { readonly count: number }>;
}

/** Stored bytes of a weight leaf, otherwise f32 or i32 bytes. Scales of companion types are not counted. */
function storedBytes(graph: Graph, id: ValueId): number {
  const value = valueOf(graph, id);
  if (value.source.kind !== 'weight') return valueBytes(value);
  return packedBytes(quantType(value.source.type), elementCount(value.shape));
}

/** A lookup reads the rows it gives, not its table. */
function readBytes(graph: Graph, node: AnyNode): number {
  let bytes = 0;
  for (const [position, id] of node.inputs.entries()) {
    if (id === undefined) continue;
    const isTable = node.op === 'embedding' && position === 1;
    const share = isTable ? valueOf(graph, node.output).shape.reduce((a, b) => a * b, 1) : 0;
    bytes += isTable
      ? (storedBytes(graph, id) * share) / elementCount(valueOf(graph, id).shape)
      : storedBytes(graph, id);
  }
  return bytes;
}

/** Cost of one node. `flops` counts a multiply-add as two. */
function nodeCost(graph: Graph, node: AnyNode): NodeCost {
  const types = node.inputs.map((id) => (id === undefined ? undefined : valueOf(graph, id)));
  const output = valueOf(graph, node.output);
  const flops = opDef(node.op).flops(types, node.attrs, output);
  return { flops, bytesRead: readBytes(graph, node), bytesWritten: valueBytes(output) };
}

/** Cost of a graph, in total and by operator. */
export function graphCost(graph: Graph): GraphCost {
  const byOp = new Map<OpName, NodeCost & { count: number }>();
  let [flops, bytesRead, bytesWritten] = [0, 0, 0];
  const weights = new Set<ValueId>();
  for (const node of graph.nodes) {
    const cost = nodeCost(graph, node);
    flops += cost.flops;
    bytesRead += cost.bytesRead;
    bytesWritten += cost.bytesWritten;
    const sum = byOp.get(node.op) ?? { flops: 0, bytesRead: 0, bytesWritten: 0, count: 0 };
    byOp.set(node.op, {
      flops: sum.flops + cost.flops,
      bytesRead: sum.bytesRead + cost.bytesRead,
      bytesWritten: sum.bytesWritten + cost.bytesWritten,
      count: sum.count + 1,
    });
    for (const id of node.inputs) {
      if (id !== undefined && valueOf(graph, id).source.kind === 'weight') weights.add(id);
    }
  }
  const weightsBytesByType = new Map<QuantTypeId, number>();
  let weightsBytes = 0;
  for (const id of weights) {
    const { source } = valueOf(graph, id);
    if (source.kind !== 'weight') continue;
    const bytes = storedBytes(graph, id);
    weightsBytes += bytes;
    weightsBytesByType.set(source.type, (weightsBytesByType.get(source.type) ?? 0) + bytes);
  }
  return { flops, bytesRead, bytesWritten, weightsBytes, weightsBytesByType, byOp };
}
