/** Times of dispatches as times of nodes; and, without timestamps, the queue's own pace dispatch by dispatch. */
import { opDef } from '../../graph/ops/registry';
import { valueOf } from '../../graph/ir';
import type { OpTiming } from '../backend';
import type { Engine } from './executor';
import type { ProgramPlan } from './plan_types';

/** Records dispatch `i` into a pass. */
export type RecordDispatch = (pass: GPUComputePassEncoder, i: number) => void;

/** Sums the dispatches of each node, in the order of their first. */
export function nodeTimes(plan: ProgramPlan, ms: readonly number[]): OpTiming[] {
  const perNode = new Map<number, number>();
  for (const [i, { node }] of plan.dispatches.entries()) perNode.set(node, (perNode.get(node) ?? 0) + (ms[i] ?? 0));
  return [...perNode].map(([position, time]) => {
    const node = plan.graph.nodes[position];
    if (!node) return { op: 'border', scope: 'order of images', ms: time, flops: 0 };
    const types = node.inputs.map((id) => (id === undefined ? undefined : valueOf(plan.graph, id)));
    const flops = opDef(node.op).flops(types, node.attrs, valueOf(plan.graph, node.output));
    return { op: node.op, scope: node.scope, ms: time, flops };
  });
}

/** Every dispatch alone, with a wait behind it: right for long ones only. @throws AppError 'backend/…' */
export async function pacedTimes(
  engine: Engine,
  { dispatches, graph }: ProgramPlan,
  record: RecordDispatch,
): Promise<number[]> {
  const ms: number[] = [];
  for (const [i] of dispatches.entries()) {
    const begun = performance.now();
    await engine.queue.submit(`${graph.name} profile`, 0, (encoder) => {
      const pass = encoder.beginComputePass({ label: graph.name });
      record(pass, i);
      pass.end();
    });
    await engine.queue.drain();
    ms.push(performance.now() - begun);
  }
  return ms;
}
