/**
 * Times of single dispatches inside an ordinary run: each dispatch gets a pass of its own whose ends write timestamps.
 * Browsers round these clocks (Chromium: 100 µs); the step is told along with the times, and sums are right on average.
 */
import type { Engine } from './executor';

/** Limit of WebGPU for one query set is 4096; half of it holds a begin and an end. */
const PASSES_PER_SET = 2048;

export interface DispatchTimes {
  /** By dispatch. */
  readonly ms: readonly number[];
  /** Smallest step between different times; 0 when all were equal. */
  readonly stepMs: number;
}

export class OpTimer {
  readonly #engine: Engine;
  readonly #count: number;
  readonly #sets: readonly GPUQuerySet[];

  private constructor(engine: Engine, count: number) {
    this.#engine = engine;
    this.#count = count;
    const { device } = engine.gpu;
    this.#sets = Array.from({ length: Math.ceil(count / PASSES_PER_SET) }, (_, i) =>
      device.createQuerySet({
        label: 'timer',
        type: 'timestamp',
        count: 2 * Math.min(PASSES_PER_SET, count - i * PASSES_PER_SET),
      }),
    );
  }

  /** Undefined where the device has no timestamps. */
  static create(engine: Engine, count: number): OpTimer | undefined {
    return engine.gpu.has('timestamp-query') && count > 0 ? new OpTimer(engine, count) : undefined;
  }

  /** Where the pass of dispatch `i` writes its times. */
  writes(i: number): GPUComputePassTimestampWrites | undefined {
    const querySet = this.#sets[Math.floor(i / PASSES_PER_SET)];
    const first = 2 * (i % PASSES_PER_SET);
    return querySet && { querySet, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** Reads the times; call it once, after the last dispatch was submitted. @throws AppError 'backend/…' */
  async read(): Promise<DispatchTimes> {
    const { pool, queue } = this.#engine;
    const bytes = 16 * this.#count;
    const resolved = pool.allocate('times', bytes, 'staging', GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
    const mapped = pool.allocate('times', bytes, 'staging', GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    try {
      await pool.settle();
      await queue.submit('times', 0, (encoder) => {
        for (const [i, set] of this.#sets.entries()) {
          encoder.resolveQuerySet(set, 0, set.count, resolved.buffer, 16 * PASSES_PER_SET * i);
        }
        encoder.copyBufferToBuffer(resolved.buffer, 0, mapped.buffer, 0, bytes);
      });
      await mapped.buffer.mapAsync(GPUMapMode.READ);
      return timesOf(new BigUint64Array(mapped.buffer.getMappedRange(0, bytes)));
    } finally {
      this.destroy();
      pool.free(resolved);
      pool.free(mapped);
    }
  }

  destroy(): void {
    for (const set of this.#sets) set.destroy();
  }
}

/** Begins and ends in nanoseconds, in pairs. */
export function timesOf(stamps: BigUint64Array): DispatchTimes {
  const ms: number[] = [];
  let step = 0n;
  const [origin = 0n] = stamps;
  for (let i = 0; i + 1 < stamps.length; i += 2) {
    const [begin = 0n, end = 0n] = [stamps[i], stamps[i + 1]];
    // Clocks may be reset between passes; a negative difference says nothing.
    ms.push(end > begin ? Number(end - begin) / 1e6 : 0);
    for (const time of [begin, end]) step = gcd(step, time > origin ? time - origin : origin - time);
  }
  return { ms, stepMs: Number(step) / 1e6 };
}

function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}
