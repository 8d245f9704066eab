/** Counts values that are no numbers, on the device: a black picture is found before it is decoded. */
import { elementCount } from '../../base/shape';
import type { DeviceTensor } from '../backend';
import type { WebgpuBackend } from './backend';
import { gridOf } from './executor';
import { writeParams } from './kernel_sources';
import { readBuffer } from './read_buffer';
import { ownTensor } from './tensor';

/**
 * Infinities and NaNs in a tensor. Reads back 4 bytes, so call it once per stage, not per step.
 * @throws AppError 'backend/…', 'argument/invalid' for a tensor of another backend
 */
export async function countNonFinite({ engine }: WebgpuBackend, tensor: DeviceTensor): Promise<number> {
  const { pool, gpu, queue, pipelines } = engine;
  const own = ownTensor(pool, tensor);
  const { kernel, pipeline, layout } = await pipelines.get(['lib/index', 'count_non_finite'], {});
  const count = elementCount(own.shape);
  const result = pool.allocate('probe', 4, 'staging', GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const params = pool.allocate('probe params', 256, 'staging', GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  try {
    const view = new DataView(new ArrayBuffer(256));
    writeParams(kernel, { groupOffset: 0, count }, view, 0);
    gpu.device.queue.writeBuffer(params.buffer, 0, view.buffer);
    const values = gpu.device.createBindGroup({
      label: 'probe',
      layout,
      entries: [
        { binding: 0, resource: { buffer: own.buffer, offset: own.byteOffset, size: 4 * count } },
        { binding: 1, resource: { buffer: result.buffer } },
      ],
    });
    const parameters = gpu.device.createBindGroup({
      label: 'probe params',
      layout: pipelines.paramsLayout,
      entries: [{ binding: 0, resource: { buffer: params.buffer, size: 256 } }],
    });
    await queue.submit('probe', count, (encoder) => {
      const pass = encoder.beginComputePass({ label: 'probe' });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, values);
      pass.setBindGroup(1, parameters, [0]);
      pass.dispatchWorkgroups(...gridOf(Math.ceil(count / 256), gpu.limits.groupsPerAxis));
      pass.end();
    });
    return new Uint32Array(await readBuffer(engine, result.buffer, 0, 4))[0] ?? 0;
  } finally {
    pool.free(result);
    pool.free(params);
  }
}
