/** How long ink takes, and how much work it is: the last pen readings and paints of a canvas, for tests and benches. */
const KEPT = 8192;

/** A ring of numbers. */
class Series {
  readonly #values = new Float64Array(KEPT);
  #count = 0;

  add(value: number): void {
    this.#values[this.#count++ % KEPT] = value;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Oldest first as long as none was dropped. */
  read(): readonly number[] {
    return [...this.#values.subarray(0, Math.min(this.#count, KEPT))];
  }
}

export interface InkReadings {
  /** Of each pen reading: from its own time stamp to its pixels handed to the browser, ms. */
  readonly latencyMs: readonly number[];
  /** Of each pen reading: to the end of the animation frame that shows it, ms. */
  readonly frameMs: readonly number[];
  /** Spent by us per paint, handling of the events included, ms. */
  readonly workMs: readonly number[];
  /** Document pixels composited per paint. */
  readonly pixels: readonly number[];
}

export class InkMeter {
  readonly #latency = new Series();
  readonly #frame = new Series();
  readonly #work = new Series();
  readonly #pixels = new Series();

  painted(readings: readonly number[], now: number, workMs: number, pixels: number): void {
    for (const t of readings) this.#latency.add(now - t);
    this.#work.add(workMs);
    this.#pixels.add(pixels);
  }

  shown(readings: readonly number[], now: number): void {
    for (const t of readings) this.#frame.add(now - t);
  }

  clear(): void {
    for (const series of [this.#latency, this.#frame, this.#work, this.#pixels]) series.clear();
  }

  read(): InkReadings {
    return {
      latencyMs: this.#latency.read(),
      frameMs: this.#frame.read(),
      workMs: this.#work.read(),
      pixels: this.#pixels.read(),
    };
  }
}
