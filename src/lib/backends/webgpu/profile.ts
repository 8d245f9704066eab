/** Time per node of one run: pass timestamps where the device has them, else the queue's own pace per node. */
import { opDef } from '../../graph/ops/registry';
import { valueOf } from '../../graph/ir';
import type { OpTiming } from '../backend';
import type { Engine } from './executor';
import type { ProgramPlan } from './plan_types';

/** Limit of WebGPU for one query set is 4096; half of it holds a begin and an end. */
const PASSES_PER_SET = 2048;

/** Records dispatch `i` into a pass. */
export type RecordDispatch = (pass: GPUComputePassEncoder, i: number) => void;

/** @throws AppError 'backend/device-lost', 'backend/run' */
export async function profileDispatches(
  engine: Engine,
  plan: ProgramPlan,
  record: RecordDispatch,
): Promise<OpTiming[]> {
  const ms = engine.gpu.has('timestamp-query')
    ? await timestamps(engine, plan, record)
    : await paced(engine, plan, record);
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

async function timestamps(
  engine: Engine,
  { dispatches, graph }: ProgramPlan,
  record: RecordDispatch,
): Promise<number[]> {
  const { device } = engine.gpu;
  const ms: number[] = [];
  for (let first = 0; first < dispatches.length; first += PASSES_PER_SET) {
    const count = Math.min(PASSES_PER_SET, dispatches.length - first);
    const set = device.createQuerySet({ label: 'profile', type: 'timestamp', count: 2 * count });
    const resolved = engine.pool.allocate(
      'profile',
      16 * count,
      'staging',
      GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    );
    const mapped = engine.pool.allocate(
      'profile',
      16 * count,
      'staging',
      GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    );
    try {
      await engine.queue.submit(`${graph.name} profile`, 0, (encoder) => {
        for (let i = 0; i < count; i++) {
          const pass = encoder.beginComputePass({
            label: graph.name,
            timestampWrites: { querySet: set, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
          });
          record(pass, first + i);
          pass.end();
        }
        encoder.resolveQuerySet(set, 0, 2 * count, resolved.buffer, 0);
        encoder.copyBufferToBuffer(resolved.buffer, 0, mapped.buffer, 0, 16 * count);
      });
      await engine.queue.drain();
      await mapped.buffer.mapAsync(GPUMapMode.READ);
      const times = new BigUint64Array(mapped.buffer.getMappedRange(0, 16 * count));
      // Clocks may be reset between passes; a negative difference says nothing.
      for (let i = 0; i < count; i++)
        ms.push(Math.max(0, Number((times[2 * i + 1] ?? 0n) - (times[2 * i] ?? 0n)) / 1e6));
    } finally {
      set.destroy();
      engine.pool.free(resolved);
      engine.pool.free(mapped);
    }
  }
  return ms;
}

async function paced(engine: Engine, { dispatches, graph }: ProgramPlan, record: RecordDispatch): Promise<number[]> {
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
