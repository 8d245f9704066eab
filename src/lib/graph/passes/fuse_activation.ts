import type { Graph, Node } from '../ir';
import { ACTIVATIONS, type Activation } from '../ops/activation';
import { countUses, GraphWriter, producer } from './graph_writer';

const known: ReadonlySet<string> = new Set(ACTIVATIONS);
const isActivation = (kind: string): kind is Activation => known.has(kind);

type Fusable = Node<'conv2d'> | Node<'linear'> | Node<'groupNorm'>;

/** The node behind a value when it can take an activation: read once, no activation and no residual yet. */
function fusable(graph: Graph, id: number | undefined, uses: ReadonlyMap<number, number>): Fusable | undefined {
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
  const absorbed = new Map<number, { from: Fusable; kind: Activation }>();
  const gone = new Set<number>();
  for (const node of graph.nodes) {
    if (node.op !== 'unary' || !isActivation(node.attrs.kind)) continue;
    const from = fusable(graph, node.inputs[0], uses);
    if (!from) continue;
    absorbed.set(node.output, { from, kind: node.attrs.kind });
    gone.add(from.output);
  }
  const writer = new GraphWriter(graph);
  for (const node of graph.nodes) {
    if (gone.has(node.output)) continue;
    const fused = absorbed.get(node.output);
    if (!fused) {
      writer.copy(node);
      continue;
    }
    const { from, kind } = fused;
    const inputs = from.inputs.map((id) => (id === undefined ? undefined : writer.map(id)));
    const attrs = { ...from.attrs, activation: kind };
    writer.replace(node.output, writer.emit(from.op, inputs, attrs, from.scope));
  }
  return writer.finish();
}
