/**
 * Hands command buffers to the device in pieces of bounded time, at most two under way: the screen stays alive, no
 * watchdog fires, and a cancelled job stops within the pieces under way. The device's speed is measured as it goes.
 */
import { throwIfAborted } from '../../base/abort';
import { scopeError, type GpuDevice } from './device';

/** Time of one submit. */
const BUDGET_MS = 50;
const MAX_IN_FLIGHT = 2;
/** Start of the estimate: slow enough that a software adapter is not flooded. */
const FIRST_FLOPS_PER_MS = 2e8;
/** Smaller pieces say nothing about speed. */
const MEASURABLE_FLOPS = 1e7;
/** Every dispatch counts as this many FLOPs more: launching is not free. */
export const DISPATCH_FLOPS = 2e6;

export class SubmitQueue {
  readonly #gpu: GpuDevice;
  readonly #inFlight: Promise<void>[] = [];
  #flopsPerMs = FIRST_FLOPS_PER_MS;
  #encodeMs = 0;

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  /** FLOPs that one submit should hold. */
  get pieceFlops(): number {
    return this.#flopsPerMs * BUDGET_MS;
  }

  /** CPU time of all recording and submitting so far. */
  get encodeMs(): number {
    return this.#encodeMs;
  }

  /**
   * Encodes and submits one piece; waits first while two are under way.
   * @throws AppError 'job/cancelled', 'backend/device-lost', 'backend/run' for a piece before
   */
  async submit(
    label: string,
    flops: number,
    encode: (encoder: GPUCommandEncoder) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    while (this.#inFlight.length >= MAX_IN_FLIGHT) await this.#next(signal);
    throwIfAborted(signal);
    this.#gpu.assertUsable();
    const alone = this.#inFlight.length === 0;
    const begun = performance.now();
    const { error } = this.#gpu.scoped(() => {
      const encoder = this.#gpu.device.createCommandEncoder({ label });
      encode(encoder);
      this.#gpu.device.queue.submit([encoder.finish({ label })]);
    });
    this.#encodeMs += performance.now() - begun;
    const done = (async () => {
      await this.#gpu.idle();
      const failure = await error;
      if (failure) throw scopeError(label, failure);
      const elapsedMs = performance.now() - begun;
      // Short pieces and copies measure the waiting, not the work.
      if (alone && elapsedMs > 4 && flops >= MEASURABLE_FLOPS)
        this.#flopsPerMs += 0.5 * (flops / elapsedMs - this.#flopsPerMs);
    })();
    done.catch(() => undefined);
    this.#inFlight.push(done);
  }

  /** Waits for everything under way. @throws like `submit` */
  async drain(): Promise<void> {
    while (this.#inFlight.length > 0) await this.#next(undefined);
  }

  async #next(signal: AbortSignal | undefined): Promise<void> {
    const first = this.#inFlight[0];
    if (!first) return;
    try {
      await first;
    } finally {
      // Another run may have taken it off meanwhile.
      if (this.#inFlight[0] === first) void this.#inFlight.shift();
    }
    throwIfAborted(signal);
  }
}
