/** Speed of a transfer over the last seconds, and how long the rest will take. */

export interface TransferRate {
  readonly bytesPerSecond: number;
  readonly remainingMs: number;
}

/** Samples older than this no longer count: connections change. */
const WINDOW_MS = 8000;
const MIN_SPAN_MS = 1000;

export class RateMeter {
  #samples: { readonly at: number; readonly bytes: number }[] = [];

  /** Undefined until there is a second of it, and while nothing moves. */
  note(at: number, doneBytes: number, totalBytes: number): TransferRate | undefined {
    const last = this.#samples.at(-1);
    // Bytes that an earlier attempt stored are read faster than any network: they do not count.
    if (last && doneBytes < last.bytes) this.#samples = [];
    this.#samples.push({ at, bytes: doneBytes });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    if (!first || at - first.at < MIN_SPAN_MS || doneBytes <= first.bytes) return undefined;
    const bytesPerSecond = ((doneBytes - first.bytes) * 1000) / (at - first.at);
    return { bytesPerSecond, remainingMs: ((totalBytes - doneBytes) / bytesPerSecond) * 1000 };
  }
}

/** Calls `show` at once and then at most every so often, with the newest values; the last ones are never left out. */
export function atMostEvery<Args extends unknown[]>(
  ms: number,
  show: (...args: Args) => void,
): (...args: Args) => void {
  let last = -Infinity;
  let waiting: Args | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = (args: Args) => {
    last = performance.now();
    waiting = undefined;
    show(...args);
  };
  return (...args) => {
    const left = last + ms - performance.now();
    if (timer === undefined && left <= 0) return run(args);
    waiting = args;
    timer ??= setTimeout(() => {
      timer = undefined;
      if (waiting) run(waiting);
    }, left);
  };
}
