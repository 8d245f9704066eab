import { sameShape } from '../../base/shape';
import type { Graph, Node, ValueId } from '../ir';
import { valueOf } from '../ir';
import { countUses, producer, rewrite, type GraphWriter } from './graph_writer';

type Fusable = Node<'conv2d'> | Node<'linear'>;

/** The convolution or linear layer behind a value when it can take a residual: read once, none yet. */
function fusable(graph: Graph, id: ValueId | undefined, uses: ReadonlyMap<ValueId, number>): Fusable | undefined {
  const node = producer(graph, id);
  if (!node || uses.get(node.output) !== 1 || (node.op !== 'conv2d' && node.op !== 'linear')) return undefined;
  return node.inputs[3] === undefined ? node : undefined;
}

/**
 * `x + conv(h)` → `conv(h)` with residual x, also `linear`. The layer moves down to the place of the addition; of two
 * candidates the later one is taken, which moves least.
 */
export function fuseResidual(graph: Graph): Graph {
  const uses = countUses(graph);
  const replaced = new Map<ValueId, (writer: GraphWriter) => ValueId>();
  const gone = new Set<ValueId>();
  for (const node of graph.nodes) {
    if (node.op !== 'binary' || node.attrs.kind !== 'add') continue;
    const [a, b] = node.inputs;
    if (a === undefined || b === undefined || a === b) continue;
    // A repeated operand is no residual.
    if (!sameShape(valueOf(graph, a).shape, valueOf(graph, b).shape)) continue;
    const later = Math.max(a, b);
    for (const [own, residual] of later === b
      ? [[b, a] as const, [a, b] as const]
      : [[a, b] as const, [b, a] as const]) {
      const from = fusable(graph, own, uses);
      if (!from || gone.has(own)) continue;
      const [x, weight, bias] = from.inputs;
      replaced.set(node.output, (writer) =>
        writer.emit(from.op, writer.mapAll([x, weight, bias, residual]), from.attrs, from.scope),
      );
      gone.add(own);
      break;
    }
  }
  return rewrite(graph, gone, replaced);
}
