import type { Graph, ValueId } from '../ir';
import { GraphWriter, producer } from './graph_writer';

/** `conv(upsampleNearest2(x))` → a convolution that enlarges as it reads, so that the large picture is never written. */
export function fuseUpsample(graph: Graph): Graph {
  const kept = new Set<ValueId>(graph.outputs.values());
  for (const node of graph.nodes) {
    for (const [position, id] of node.inputs.entries()) {
      const readByConv = node.op === 'conv2d' && position === 0 && node.attrs.upsample === 1;
      if (id !== undefined && !readByConv) kept.add(id);
    }
  }
  const writer = new GraphWriter(graph);
  const fuses = (id: ValueId | undefined) => {
    const node = producer(graph, id);
    return node?.op === 'upsampleNearest' && node.attrs.factor === 2 && !kept.has(node.output) ? node : undefined;
  };
  for (const node of graph.nodes) {
    if (fuses(node.output)) continue;
    const large = node.op === 'conv2d' ? fuses(node.inputs[0]) : undefined;
    const small = large?.inputs[0];
    if (node.op !== 'conv2d' || small === undefined) {
      writer.copy(node);
      continue;
    }
    const [, ...rest] = node.inputs.map((id, i) => (id === undefined || i === 0 ? undefined : writer.map(id)));
    const inputs = [writer.map(small), ...rest];
    writer.replace(node.output, writer.emit('conv2d', inputs, { ...node.attrs, upsample: 2 }, node.scope));
  }
  return writer.finish();
}
