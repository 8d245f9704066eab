/** Cuts a graph in two at a value that everything passes through, so that its halves can run at different sizes. */
import { AppError } from '../../base/errors';
import type { Graph, Value, ValueId } from '../ir';
import { valueOf } from '../ir';
import { GraphWriter } from './graph_writer';

/** Name of the value between the halves: output of the first, input of the second. */
export const CUT = 'cut';

/**
 * Results that alone connect what comes before with what comes after, in the order of the nodes. Inputs of the graph
 * that later nodes read are a connection, too.
 */
export function narrowValues(graph: Graph): Value[] {
  const lastUse = new Map<ValueId, number>();
  for (const [position, { inputs }] of graph.nodes.entries()) {
    for (const id of inputs) if (id !== undefined) lastUse.set(id, position);
  }
  for (const id of graph.outputs.values()) lastUse.set(id, graph.nodes.length);
  const live = new Set<ValueId>();
  for (const id of graph.inputs.values()) if (lastUse.has(id)) live.add(id);
  const narrow: Value[] = [];
  for (const [position, { inputs, output }] of graph.nodes.entries()) {
    for (const id of inputs) if (id !== undefined && lastUse.get(id) === position) live.delete(id);
    if ((lastUse.get(output) ?? -1) > position) live.add(output);
    if (live.size === 1 && live.has(output)) narrow.push(valueOf(graph, output));
  }
  return narrow;
}

/**
 * The two halves. The first has the output `CUT`, the second the input of that name.
 * @throws AppError 'graph/shape' when other results cross the cut
 */
export function cutGraph(graph: Graph, at: ValueId): { readonly first: Graph; readonly second: Graph } {
  const { source } = valueOf(graph, at);
  const position = source.kind === 'node' ? source.node : -1;
  const first = new GraphWriter(graph);
  for (const node of graph.nodes.slice(0, position + 1)) first.copy(node);
  const second = new GraphWriter({ ...graph, inputs: new Map() });
  second.replace(at, second.input(CUT, valueOf(graph, at)));
  for (const node of graph.nodes.slice(position + 1)) {
    const crossing = node.inputs.find((id) => id !== undefined && id !== at && reachesOver(graph, id, position));
    if (crossing !== undefined) {
      throw new AppError(
        'graph/shape',
        `${graph.name}: layer ${node.scope} reads value ${crossing} from before the cut.`,
      );
    }
    second.copy(node);
  }
  const half = (writer: GraphWriter, name: string, outputs: ReadonlyMap<string, ValueId>): Graph => ({
    ...writer.finish(outputs),
    name: `${graph.name}, ${name}`,
  });
  return {
    first: half(first, 'whole', new Map([[CUT, at]])),
    second: half(second, 'in tiles', graph.outputs),
  };
}

function reachesOver(graph: Graph, id: ValueId, position: number): boolean {
  const { source } = valueOf(graph, id);
  return source.kind === 'input' || (source.kind === 'node' && source.node <= position);
}
