/** Tensors on the device that callers own. Always row-major at this border, images as [N, C, H, W]. */
import { AppError } from '../../base/errors';
import type { Shape } from '../../base/shape';
import type { ElementType } from '../../graph/ir';
import type { DeviceTensor } from '../backend';
import { disposedError } from '../check_inputs';
import type { BufferPool, PooledBuffer } from './buffer_pool';

export class GpuTensor implements DeviceTensor {
  readonly shape: Shape;
  readonly elementType: ElementType;
  /** Kept for integers only, which are few: ids are checked before a run. */
  readonly hostInts: Int32Array | undefined;
  /** First byte in the buffer; above 0 with guards only. */
  readonly byteOffset: number;
  readonly #pool: BufferPool;
  #pooled: PooledBuffer | undefined;

  constructor(
    pool: BufferPool,
    pooled: PooledBuffer,
    facts: {
      readonly shape: Shape;
      readonly elementType: ElementType;
      readonly hostInts?: Int32Array;
      readonly byteOffset?: number;
    },
  ) {
    this.#pool = pool;
    this.#pooled = pooled;
    this.shape = facts.shape;
    this.elementType = facts.elementType;
    this.hostInts = facts.hostInts;
    this.byteOffset = facts.byteOffset ?? 0;
  }

  /** @throws AppError 'backend/disposed' */
  get buffer(): GPUBuffer {
    if (!this.#pooled) throw disposedError('tensor');
    return this.#pooled.buffer;
  }

  /** Whether the tensor lives in the given pool, that is, on the same device. */
  belongsTo(pool: BufferPool): boolean {
    return this.#pool === pool;
  }

  dispose(): void {
    if (this.#pooled) this.#pool.free(this.#pooled);
    this.#pooled = undefined;
  }
}

/** @throws AppError 'argument/invalid' for a tensor of another backend */
export function ownTensor(pool: BufferPool, tensor: DeviceTensor): GpuTensor {
  if (tensor instanceof GpuTensor && tensor.belongsTo(pool)) return tensor;
  throw new AppError(
    'argument/invalid',
    'webgpu: a tensor must come from this backend, got one of another; download and upload it.',
  );
}
