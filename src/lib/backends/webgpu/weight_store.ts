/**
 * Weights on the device, shared by programs: a second resolution of one network loads nothing again. Counted by
 * reference; freed with the last program that uses them.
 */
import type { ByteSource } from '../../base/byte_source';
import type { NamedWeight } from '../../graph/weights';
import type { BufferPool, PooledBuffer } from './buffer_pool';
import type { GpuDevice } from './device';
import type { PlannedWeight } from './plan_types';
import type { Repacker } from './repacker';
import { packPart, type DeviceRepack } from './weights/pack_weight';
import type { WeightPart } from './weights/weight_plan';

/** Bytes written between waits for the device: bounds what the browser keeps in staging memory. */
const WRITE_WINDOW_BYTES = 64 * 1024 * 1024;

interface Entry {
  users: number;
  readonly buffers: PooledBuffer[];
  ready: Promise<void>;
}

/** A claim on one weight; `release` exactly once. */
export interface WeightLease {
  readonly buffers: readonly PooledBuffer[];
  release(): void;
}

export class WeightStore {
  readonly #gpu: GpuDevice;
  readonly #pool: BufferPool;
  readonly #entries = new Map<string, Entry>();
  readonly #sourceIds = new WeakMap<ByteSource, number>();
  #nextSource = 0;
  #written = 0;
  readonly #pack: typeof packPart;

  /** Brings weights into order on the device; absent: the host does. */
  repacker: Repacker | undefined;

  /** @param pack how a part is read; replaced by tests that look at memory alone */
  constructor(gpu: GpuDevice, pool: BufferPool, pack: typeof packPart = packPart) {
    this.#gpu = gpu;
    this.#pool = pool;
    this.#pack = pack;
  }

  /**
   * The weight's buffers, loaded if nobody has them yet.
   * @throws AppError 'file/…', 'quant/…', 'backend/out-of-memory', 'job/cancelled'; nothing is left allocated then
   */
  async acquire(planned: PlannedWeight, named: NamedWeight, signal?: AbortSignal): Promise<WeightLease> {
    const key = this.#key(planned, named);
    let entry = this.#entries.get(key);
    const mine = entry === undefined;
    if (entry) {
      entry.users++;
    } else {
      entry = { users: 1, buffers: [], ready: Promise.resolve() };
      this.#entries.set(key, entry);
      entry.ready = this.#load(entry, planned, named, signal);
    }
    const held = entry;
    const release = () => {
      held.users--;
      if (held.users > 0) return;
      if (this.#entries.get(key) === held) this.#entries.delete(key);
      for (const buffer of held.buffers) this.#pool.free(buffer);
    };
    try {
      await held.ready;
    } catch (error) {
      // A failed load must not be found by the next program.
      if (this.#entries.get(key) === held) this.#entries.delete(key);
      release();
      // Another program's load was cancelled or failed; this one asks for itself.
      if (!mine && !signal?.aborted) return this.acquire(planned, named, signal);
      throw error;
    }
    return { buffers: held.buffers, release };
  }

  async #load(entry: Entry, planned: PlannedWeight, named: NamedWeight, signal?: AbortSignal): Promise<void> {
    const { plan } = planned;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    for (const part of plan.parts) {
      const pooled = this.#pool.allocate(`weight ${plan.name}`, part.bytes, 'weights', usage);
      entry.buffers.push(pooled);
      await this.write(planned, part, named, { buffer: pooled.buffer, offset: 0 }, signal);
    }
  }

  /** Whether some program holds the weight. */
  has(planned: PlannedWeight, named: NamedWeight): boolean {
    return this.#entries.has(this.#key(planned, named));
  }

  /** Reads one part of a weight into a range of a buffer. @throws AppError 'file/…', 'quant/…', 'job/cancelled' */
  async write(
    { plan, shape }: PlannedWeight,
    part: WeightPart,
    named: NamedWeight,
    target: { readonly buffer: GPUBuffer; readonly offset: number },
    signal?: AbortSignal,
  ): Promise<void> {
    const write = async (offset: number, bytes: Uint8Array<ArrayBuffer>) => {
      this.#gpu.device.queue.writeBuffer(target.buffer, target.offset + offset, bytes);
      await this.#pace(bytes.byteLength);
    };
    const onDevice = await this.repacker?.sinkFor(part, target);
    const device: DeviceRepack | undefined = onDevice && {
      maxBytes: onDevice.maxBytes,
      blocks: async (chunk) => {
        await onDevice.blocks(chunk);
        await this.#pace(chunk.raw.byteLength);
      },
      rows: async (chunk) => {
        await onDevice.rows(chunk);
        await this.#pace(chunk.raw.byteLength);
      },
    };
    await this.#pack(plan, part, named, shape, { write, device }, signal);
  }

  async #pace(bytes: number): Promise<void> {
    this.#written += bytes;
    if (this.#written < WRITE_WINDOW_BYTES) return;
    this.#written = 0;
    await this.#gpu.idle();
  }

  #sourceId(source: ByteSource): number {
    const known = this.#sourceIds.get(source);
    if (known !== undefined) return known;
    this.#sourceIds.set(source, this.#nextSource);
    return this.#nextSource++;
  }

  #key({ form, shape, plan }: PlannedWeight, { tensor, rows, transposed }: NamedWeight): string {
    const source = tensor.source.contentId ?? this.#sourceId(tensor.source);
    const view = `${rows ? `${rows.start}+${rows.count}` : ''}${transposed ? 'T' : ''}${tensor.strides?.join(',') ?? ''}`;
    return `${source} ${tensor.byteOffset} ${tensor.type} ${tensor.name} ${view} ${form} ${shape.join('x')} ${plan.storage.fragment}`;
  }
}
