/** Places weights in a few external-data blobs: small enough to allocate, whole tensors, aligned. */
import { AppError } from '../../base/errors';

export interface ShardLimits {
  /** A blob is closed before it grows beyond this; a single larger tensor gets a blob of its own. */
  readonly maxShardBytes: number;
  /** Largest tensor; one ArrayBuffer of about 2 GiB is what browsers give. */
  readonly maxTensorBytes: number;
}

export const SHARD_LIMITS: ShardLimits = { maxShardBytes: 256 * 2 ** 20, maxTensorBytes: 2 ** 31 - 2 ** 20 };

const ALIGNMENT = 64;

export interface Placement {
  readonly shard: number;
  readonly offset: number;
}

export class ShardPacker {
  /** Bytes of each shard so far. */
  readonly sizes: number[] = [];

  constructor(private readonly limits: ShardLimits) {}

  /**
   * Reserves room for one tensor.
   * @throws AppError 'backend/compile' for a tensor that no single blob can hold
   */
  place(name: string, bytes: number): Placement {
    if (bytes > this.limits.maxTensorBytes) {
      throw new AppError(
        'backend/compile',
        `onnx: weight "${name}" takes ${bytes} bytes, one blob holds at most ${this.limits.maxTensorBytes} and a tensor cannot span two; use a backend that keeps weights quantised.`,
        { details: { name, bytes, limit: this.limits.maxTensorBytes } },
      );
    }
    const last = this.sizes.length - 1;
    const offset = Math.ceil((this.sizes[last] ?? 0) / ALIGNMENT) * ALIGNMENT;
    if (last >= 0 && offset + bytes <= this.limits.maxShardBytes) {
      this.sizes[last] = offset + bytes;
      return { shard: last, offset };
    }
    this.sizes.push(bytes);
    return { shard: last + 1, offset: 0 };
  }
}
