import type { Graph, ValueId } from '../ir';
import { GraphWriter, producer } from './graph_writer';

/**
 * Drops nodes that no output needs and writes equal nodes once. Taps do not keep a node alive; make them outputs
 * (`withTaps`) first.
 */
export function removeDeadCode(graph: Graph): Graph {
  const needed = new Set<ValueId>(graph.outputs.values());
  for (const node of [...graph.nodes].reverse()) {
    if (!needed.has(node.output)) continue;
    for (const id of node.inputs) if (id !== undefined && producer(graph, id)) needed.add(id);
  }
  const writer = new GraphWriter(graph, { shareEqualNodes: true });
  for (const node of graph.nodes) if (needed.has(node.output)) writer.copy(node);
  return writer.finish();
}
