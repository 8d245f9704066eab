/** One engine over all tabs: two would compete for memory. The lock falls with its tab; another tab can take it. */

const LOCK = 'sketchforge-engine';

export class EngineOwner {
  /** Another tab has the engine. */
  elsewhere = $state(false);
  /** Called when this tab gets the engine, and when another takes it away. */
  readonly #gained: () => void;
  readonly #lost: () => void;
  #end: (() => void) | undefined;
  #waiting: AbortController | undefined;

  constructor(gained: () => void, lost: () => void) {
    this.#gained = gained;
    this.#lost = lost;
  }

  /** Whether a tab has the engine, as far as the browser tells; takes nothing. */
  async isFree(): Promise<boolean> {
    const { locks } = navigator as { locks?: LockManager };
    const { held = [] } = (await locks?.query()) ?? {};
    return !held.some(({ name }) => name === LOCK);
  }

  /** Takes the engine when it is free; otherwise waits for its tab to close. */
  async acquire(): Promise<void> {
    const { locks } = navigator as { locks?: LockManager };
    if (!locks) return this.#gained();
    const free = await new Promise<boolean>((resolve) => {
      void locks
        .request(LOCK, { ifAvailable: true }, (lock) => {
          resolve(lock !== null);
          return lock ? this.#hold() : undefined;
        })
        .catch(() => this.#taken());
    });
    if (free) return this.#gained();
    this.#wait();
  }

  /** The next in line when the other tab closes. */
  #wait(): void {
    this.elsewhere = true;
    this.#waiting = new AbortController();
    navigator.locks
      .request(LOCK, { signal: this.#waiting.signal }, () => {
        this.#gained();
        return this.#hold();
      })
      .catch(() => this.#taken());
  }

  /** Takes the engine from the other tab, whose job ends. */
  takeOver(): void {
    this.#waiting?.abort();
    navigator.locks
      .request(LOCK, { steal: true }, () => {
        this.#gained();
        return this.#hold();
      })
      .catch(() => this.#taken());
  }

  release(): void {
    this.#waiting?.abort();
    this.#end?.();
  }

  #hold(): Promise<void> {
    this.elsewhere = false;
    return new Promise((resolve) => (this.#end = resolve));
  }

  /** Stolen by another tab, or a waiting request was withdrawn. */
  #taken(): void {
    if (!this.#end) return;
    this.#end = undefined;
    this.#lost();
    this.#wait();
  }
}
