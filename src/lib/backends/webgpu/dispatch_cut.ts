/** Long kernel calls become several dispatches of whole workgroups: one dispatch must not hold the device for long. */
import type { KernelCall } from './op_context';
import type { DispatchPlan } from './plan_types';

/** @param node whose call it is: its position in the graph, and the FLOPs of this call */
export function cutCall(
  call: KernelCall,
  node: { readonly position: number; readonly flops: number },
  dispatchFlops: number,
): DispatchPlan[] {
  const pieces = Math.min(call.workgroups, Math.max(1, Math.ceil(node.flops / dispatchFlops)));
  const perPiece = Math.ceil(call.workgroups / pieces);
  const dispatches: DispatchPlan[] = [];
  for (let first = 0; first < call.workgroups; first += perPiece) {
    const workgroups = Math.min(perPiece, call.workgroups - first);
    dispatches.push({
      kernel: call.kernel,
      overrides: call.overrides ?? {},
      bindings: call.bindings,
      params: { ...call.params, groupOffset: first },
      ...(call.inPlace ? { inPlace: call.inPlace } : {}),
      workgroups,
      firstWorkgroup: first,
      node: node.position,
      flops: node.flops * (workgroups / call.workgroups),
    });
  }
  return dispatches;
}
