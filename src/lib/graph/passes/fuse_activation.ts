import type { Graph, Node, ValueId } from '../ir';
import { ACTIVATIONS, type Activation } from '../ops/activation';
import { countUses, producer, rewrite, type GraphWriter } from './graph_writer';

const known: ReadonlySet<string> = new Set(ACTIVATIONS);
const isActivation = (kind: string): kind is Activation => known.has(kind);

type Fusable = Node<'conv2d'> | Node<'linear'> | Node<'groupNorm'>;

/** The node behind a value when it can take an activation: read once, no activation and no residual yet. */
function fusable(graph: Graph, id: ValueId | undefined, uses: ReadonlyMap<ValueId, number>): Fusable | undefined {
  const node = producer(graph, id);
  if (!node || uses.get(node.output) !== 1) return undefined;
  if (node.op !== 'conv2d' && node.op !== 'linear' && node.op !== 'groupNorm') return undefined;
  // The activation comes before the residual in an epilogue.
  if (node.attrs.activation !== undefined || (node.op !== 'groupNorm' && node.inputs[3] !== undefined))
    return undefined;
  return node;
}

/** `silu(conv(x))` → `conv(x)` with the activation in its epilogue; also `linear` and `groupNorm`. */
export function fuseActivation(graph: Graph): Graph {
  const uses = countUses(graph);
  const replaced = new Map<ValueId, (writer: GraphWriter) => ValueId>();
  const gone = new Set<ValueId>();
  for (const node of graph.nodes) {
    if (node.op !== 'unary' || !isActivation(node.attrs.kind)) continue;
    const from = fusable(graph, node.inputs[0], uses);
    if (!from) continue;
    const attrs = { ...from.attrs, activation: node.attrs.kind };
    replaced.set(node.output, (writer) => writer.emit(from.op, writer.mapAll(from.inputs), attrs, from.scope));
    gone.add(from.output);
  }
  return rewrite(graph, gone, replaced);
}
