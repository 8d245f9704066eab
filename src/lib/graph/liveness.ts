/** How long each value of a graph is needed. Knows nothing of offsets or devices. */
import { elementCount } from '../base/shape';
import type { Graph, TensorType, ValueId } from './ir';

/** Positions in the node list; inputs are born at -1, outputs live until `nodes.length`. */
export interface LiveRange {
  readonly id: ValueId;
  readonly first: number;
  readonly last: number;
}

/** Bytes of a value in f32 or i32, without alignment. */
export function valueBytes(type: TensorType): number {
  return 4 * elementCount(type.shape);
}

/**
 * Live ranges of inputs and node results, by value id. A result that nobody reads lives at its node only.
 * Weights and constants have none: they are resident.
 */
export function liveRanges(graph: Graph): ReadonlyMap<ValueId, LiveRange> {
  const end = graph.nodes.length;
  const ranges = new Map<ValueId, { id: ValueId; first: number; last: number }>();
  for (const id of graph.inputs.values()) ranges.set(id, { id, first: -1, last: -1 });
  for (const [position, node] of graph.nodes.entries()) {
    for (const id of node.inputs) {
      const range = id === undefined ? undefined : ranges.get(id);
      if (range) range.last = position;
    }
    ranges.set(node.output, { id: node.output, first: position, last: position });
  }
  for (const id of graph.outputs.values()) {
    const range = ranges.get(id);
    if (range) range.last = end;
  }
  return ranges;
}

/** Largest total of `sizes` alive at one node: what no plan without in-place results can go below. */
export function maxLiveBytes(graph: Graph, bytes: (id: ValueId) => number): number {
  const ranges = Array.from(liveRanges(graph).values(), ({ id, first, last }) => ({ first, last, bytes: bytes(id) }));
  return mostAtOnce(ranges, graph.nodes.length);
}

/** Largest total of bytes alive at one of the positions -1 .. `nodes`. */
export function mostAtOnce(
  ranges: readonly { readonly first: number; readonly last: number; readonly bytes: number }[],
  nodes: number,
): number {
  const change = new Float64Array(nodes + 3);
  for (const { first, last, bytes } of ranges) {
    change[first + 1] = (change[first + 1] ?? 0) + bytes;
    change[last + 2] = (change[last + 2] ?? 0) - bytes;
  }
  let live = 0;
  let most = 0;
  for (const delta of change) {
    live += delta;
    most = Math.max(most, live);
  }
  return most;
}
