/** What a program takes, before it is created. */
import { valueOf, type Graph, type ValueId } from '../../graph/ir';
import { liveRanges, maxLiveBytes, valueBytes } from '../../graph/liveness';
import type { MemoryPlan } from '../backend';

/** Scores of the largest attention node, which are intermediates inside it. */
function scoreBytes(graph: Graph, maxScoreBytes: number): number {
  // Native builds stream attention.
  if (maxScoreBytes === Infinity) return 0;
  let most = 0;
  for (const node of graph.nodes) {
    if (node.op !== 'attention') continue;
    const [q, k] = node.inputs;
    if (q === undefined || k === undefined) continue;
    const [n = 0, tq = 0] = valueOf(graph, q).shape;
    const bytes = 4 * n * node.attrs.heads * tq * (valueOf(graph, k).shape[1] ?? 0);
    most = Math.max(most, Math.min(bytes, maxScoreBytes));
  }
  return most;
}

/**
 * Bytes of a program. Weights are exact; the arena is what liveness says, the runtime's own plan lies near it.
 * @param maxScoreBytes as given to the emitter
 */
export function memoryPlan(graph: Graph, weightsBytes: number, maxScoreBytes: number): MemoryPlan {
  const bytes = (id: ValueId) => valueBytes(valueOf(graph, id));
  const arenaBytes = maxLiveBytes(graph, bytes) + scoreBytes(graph, maxScoreBytes);
  let naiveArenaBytes = scoreBytes(graph, maxScoreBytes);
  for (const id of liveRanges(graph).keys()) naiveArenaBytes += bytes(id);
  return { weightsBytes, arenaBytes, naiveArenaBytes, peakBytes: weightsBytes + arenaBytes };
}
