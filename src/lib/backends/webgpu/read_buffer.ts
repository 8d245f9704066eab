/** Bytes back from the device. */
import { AppError } from '../../base/errors';
import type { Engine } from './executor';

/** @throws AppError 'backend/device-lost', 'backend/out-of-memory', 'backend/run' */
export async function readBuffer(
  engine: Engine,
  source: GPUBuffer,
  offset: number,
  bytes: number,
): Promise<ArrayBuffer> {
  const { pool, gpu, queue } = engine;
  const staging = pool.allocate('download', bytes, 'staging', GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  try {
    await pool.settle();
    await queue.submit('download', 0, (encoder) =>
      encoder.copyBufferToBuffer(source, offset, staging.buffer, 0, bytes),
    );
    await queue.drain();
    await Promise.race([staging.buffer.mapAsync(GPUMapMode.READ), gpu.lost]);
    gpu.assertUsable();
    engine.readBytes += bytes;
    return staging.buffer.getMappedRange(0, bytes).slice(0);
  } catch (cause) {
    gpu.assertUsable();
    if (cause instanceof AppError) throw cause;
    throw new AppError('backend/run', `webgpu: a tensor could not be read back (${String(cause)}).`, { cause });
  } finally {
    pool.free(staging);
  }
}
