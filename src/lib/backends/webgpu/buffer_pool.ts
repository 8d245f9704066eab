/** Every GPU buffer of the backend is made and freed here, so that live bytes are exact. */
import { AppError } from '../../base/errors';
import type { HeldBytes } from '../backend';
import { scopeError, type GpuDevice } from './device';

/** `fixed`: lives as long as the backend, a few kilobytes and 4 MiB of weights on their way; no part of a job's memory. */
export type BufferUse = 'weights' | 'arena' | 'tensors' | 'staging' | 'fixed';

/** Bytes that a buffer really takes: whole words, and enough for one vector. */
export function bufferBytes(bytes: number): number {
  return Math.max(16, Math.ceil(bytes / 4) * 4);
}

export interface PooledBuffer {
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  readonly use: BufferUse;
}

export class BufferPool {
  readonly #gpu: GpuDevice;
  readonly #live = new Set<PooledBuffer>();
  readonly #bytes: Record<BufferUse, number> = { weights: 0, arena: 0, tensors: 0, staging: 0, fixed: 0 };
  #peaks: HeldBytes = { weightsBytes: 0, arenaBytes: 0, tensorBytes: 0, stagingBytes: 0, peakBytes: 0 };
  /** Allocations whose error scope has not answered yet. */
  readonly #pending = new Set<Promise<AppError | undefined>>();
  #failed: AppError | undefined;

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  bytes(use: BufferUse): number {
    return this.#bytes[use];
  }

  /**
   * A new buffer; contents are zero. Allocation failures are reported by `settle`, which every caller awaits before
   * it relies on contents.
   * @throws AppError 'backend/out-of-memory' when the browser refuses at once
   */
  allocate(label: string, bytes: number, use: BufferUse, usage: GPUBufferUsageFlags): PooledBuffer {
    const { pooled, answer } = this.#make(label, bytes, use, usage);
    this.#pending.add(answer);
    void answer.then((error) => {
      this.#pending.delete(answer);
      if (error) this.#failed ??= error;
    });
    return pooled;
  }

  /** As `allocate`, with its answer: for what outlives the caller. @throws AppError 'backend/out-of-memory'; none is left */
  async allocateNow(label: string, bytes: number, use: BufferUse, usage: GPUBufferUsageFlags): Promise<PooledBuffer> {
    const { pooled, answer } = this.#make(label, bytes, use, usage);
    const error = await Promise.race([answer, this.#gpu.lost]);
    if (!error) return pooled;
    this.free(pooled);
    throw error;
  }

  #make(label: string, bytes: number, use: BufferUse, usage: GPUBufferUsageFlags) {
    this.#gpu.assertUsable();
    const size = bufferBytes(bytes);
    let made: { readonly result: GPUBuffer; readonly error: Promise<Parameters<typeof scopeError>[1] | undefined> };
    try {
      made = this.#gpu.scoped(() => this.#gpu.device.createBuffer({ label, size, usage }));
    } catch (cause) {
      throw new AppError(
        'backend/out-of-memory',
        `${label}: a buffer of ${size} bytes could not be made; choose a smaller picture or model.`,
        { details: { label, bytes: size }, cause },
      );
    }
    const pooled: PooledBuffer = { buffer: made.result, bytes: size, use };
    this.#live.add(pooled);
    this.#bytes[use] += size;
    this.#notePeaks();
    const answer = made.error.then((error) => (error ? scopeError(`${label} (${size} bytes)`, error) : undefined));
    return { pooled, answer };
  }

  free(pooled: PooledBuffer): void {
    if (!this.#live.delete(pooled)) return;
    this.#bytes[pooled.use] -= pooled.bytes;
    pooled.buffer.destroy();
  }

  /** Waits until every allocation so far has an answer. @throws AppError 'backend/out-of-memory' of the first failure */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) {
      await Promise.race([Promise.all(this.#pending), this.#gpu.lost]);
      if (this.#gpu.isLost) break;
    }
    const error = this.#failed;
    this.#failed = undefined;
    this.#gpu.assertUsable();
    if (error) throw error;
  }

  /** Highest bytes since the last call. */
  takePeaks(): HeldBytes {
    const peaks = this.#peaks;
    this.#peaks = { weightsBytes: 0, arenaBytes: 0, tensorBytes: 0, stagingBytes: 0, peakBytes: 0 };
    this.#notePeaks();
    return peaks;
  }

  #notePeaks(): void {
    const { weights, arena, tensors, staging } = this.#bytes;
    const peaks = this.#peaks;
    this.#peaks = {
      weightsBytes: Math.max(peaks.weightsBytes, weights),
      arenaBytes: Math.max(peaks.arenaBytes, arena),
      tensorBytes: Math.max(peaks.tensorBytes, tensors),
      stagingBytes: Math.max(peaks.stagingBytes, staging),
      peakBytes: Math.max(peaks.peakBytes, weights + arena + tensors + staging),
    };
  }

  dispose(): void {
    for (const pooled of [...this.#live]) this.free(pooled);
  }
}
