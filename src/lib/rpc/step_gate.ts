/** Between the steps of a job: open, or held while something more urgent has the processor. Knows no job, no engine. */

/** A held job still takes a step this often: a picture may come late, it must come. */
const HELD_MAX_MS = 1000;

export class StepGate {
  #open: (() => void) | undefined;
  #held: Promise<void> | undefined;

  set(held: boolean): void {
    if (held) this.#held ??= new Promise((resolve) => (this.#open = resolve));
    else {
      this.#open?.();
      this.#held = undefined;
    }
  }

  /** Resolves at once when open; else when it opens, when `signal` aborts, or after a second. Never rejects. */
  async pass(signal?: AbortSignal): Promise<void> {
    if (!this.#held || signal?.aborted) return;
    let release = (): void => undefined;
    const enough = new Promise<void>((resolve) => (release = resolve));
    const timer = setTimeout(release, HELD_MAX_MS);
    signal?.addEventListener('abort', release, { once: true });
    await Promise.race([this.#held, enough]);
    clearTimeout(timer);
    signal?.removeEventListener('abort', release);
  }
}
