/** The passes that every program gets, in their order. Results stay the same up to rounding order. */
import type { Graph } from '../ir';
import { fuseActivation } from './fuse_activation';
import { fuseResidual } from './fuse_residual';
import { fuseUpsample } from './fuse_upsample';
import { removeDeadCode } from './remove_dead_code';

/** Activations come first: a residual closes the epilogue. */
export const PASSES: readonly ((graph: Graph) => Graph)[] = [
  removeDeadCode,
  fuseUpsample,
  fuseActivation,
  fuseResidual,
];

/**
 * The graph with fused epilogues and without dead or repeated nodes. Fused values lose their taps, so call `withTaps`
 * before, not after. LoRA side paths must be added before: they go between a layer and its activation.
 */
export function optimize(graph: Graph): Graph {
  return PASSES.reduce((result, pass) => pass(result), graph);
}
