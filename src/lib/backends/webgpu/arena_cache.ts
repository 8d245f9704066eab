/** Arenas between runs: kept for the next step, given back when idle, so that a finished job holds weights only. */
import type { BufferPool, PooledBuffer } from './buffer_pool';

/** Long enough to bridge the steps of a sampler, short enough not to be felt. */
const IDLE_MS = 400;

export interface Arena {
  readonly buffers: readonly PooledBuffer[];
}

export class ArenaCache {
  readonly #pool: BufferPool;
  #idle: Arena | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** An arena whose buffers are at least as large as asked. @throws AppError 'backend/out-of-memory' */
  lease(label: string, sizes: readonly number[]): Arena {
    const idle = this.#idle;
    this.#idle = undefined;
    if (
      idle &&
      idle.buffers.length >= sizes.length &&
      sizes.every((size, i) => (idle.buffers[i]?.bytes ?? 0) >= size)
    ) {
      return idle;
    }
    if (idle) this.#free(idle);
    const buffers: PooledBuffer[] = [];
    try {
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      for (const [i, size] of sizes.entries()) {
        buffers.push(this.#pool.allocate(`${label} arena ${i}`, size, 'arena', usage));
      }
    } catch (error) {
      this.#free({ buffers });
      throw error;
    }
    return { buffers };
  }

  /** Gives an arena back; it is freed soon unless leased again. */
  giveBack(arena: Arena): void {
    if (this.#idle) this.#free(this.#idle);
    this.#idle = arena;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.trim(), IDLE_MS);
    // In Node the timer must not keep the process alive.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** Frees an arena that may be broken. */
  discard(arena: Arena): void {
    this.#free(arena);
  }

  /** Frees what nobody uses. */
  trim(): void {
    clearTimeout(this.#timer);
    if (this.#idle) this.#free(this.#idle);
    this.#idle = undefined;
  }

  #free(arena: Arena): void {
    for (const buffer of arena.buffers) this.#pool.free(buffer);
  }
}
