/** How long ink takes: the last times from a pen's event to its pixels handed to the browser, in milliseconds. */
const KEPT = 4096;

export class InkMeter {
  readonly #ms = new Float64Array(KEPT);
  readonly #workMs = new Float64Array(KEPT);
  #count = 0;

  /** @param ms from the event's own time stamp to the end of its frame's drawing @param workMs spent by us on it */
  add(ms: number, workMs: number): void {
    this.#ms[this.#count % KEPT] = ms;
    this.#workMs[this.#count % KEPT] = workMs;
    this.#count++;
  }

  clear(): void {
    this.#count = 0;
  }

  /** The samples kept, oldest first as long as none was dropped. */
  read(): { readonly latencyMs: readonly number[]; readonly workMs: readonly number[] } {
    const n = Math.min(this.#count, KEPT);
    return { latencyMs: [...this.#ms.subarray(0, n)], workMs: [...this.#workMs.subarray(0, n)] };
  }
}
