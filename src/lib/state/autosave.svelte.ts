/** Saves a document soon after each edit, one save at a time, never while the pen is down unless the page goes away. */
import type { CanvasEngine } from '../canvas/canvas_engine';
import { toPlainError, type PlainError } from '../base/errors';
import { keepStorage } from './keep_storage';
import type { DocumentStore } from '../storage/document_store';

/** Long enough for a quick next stroke, short enough that a crash takes little. */
const REST_MS = 300;
const RETRY_MS = 5000;
/** Edits are stored at the latest after this time, even under an unbroken row of strokes. */
const LATEST_MS = 1000;

export class Autosave {
  phase: 'saved' | 'waiting' | 'failed' = $state('saved');
  error: PlainError | undefined = $state.raw();
  readonly #store: DocumentStore;
  readonly #engine: CanvasEngine;
  readonly #entry: () => { readonly id: string; readonly name: string };
  #saved: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #waitingSince: number | undefined;
  #work: Promise<void> = Promise.resolve();

  /** @param saved revision that storage has already; -1 for none */
  constructor(
    store: DocumentStore,
    engine: CanvasEngine,
    entry: () => { readonly id: string; readonly name: string },
    saved: number,
  ) {
    this.#store = store;
    this.#engine = engine;
    this.#entry = entry;
    this.#saved = saved;
  }

  /** Call after every finished edit. */
  touch(now: number): void {
    this.phase = 'waiting';
    this.#waitingSince ??= now;
    const wait = Math.max(0, Math.min(REST_MS, this.#waitingSince + LATEST_MS - now));
    this.#schedule(wait);
  }

  /** Saves at once; resolves when everything is stored or storing failed (see `phase`). */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waitingSince = undefined;
    this.#work = this.#work.then(() => this.#save());
    return this.#work;
  }

  /** Ends the timers; what is waiting is lost unless `flush` was awaited. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), ms);
  }

  async #save(): Promise<void> {
    const engine = this.#engine;
    if (engine.committedRevision === this.#saved) {
      this.phase = 'saved';
      return;
    }
    // Raw tiles: deflating takes 3 ms a tile on the thread that draws; the transfer to the database takes a tenth.
    const { document, tiles } = engine.encodeChanges(this.#saved, { compress: false });
    try {
      await this.#store.save({ ...this.#entry(), updatedAt: Date.now() }, document, tiles);
      this.#saved = document.revision;
      this.error = undefined;
      void keepStorage();
      this.phase = engine.committedRevision === this.#saved ? 'saved' : 'waiting';
    } catch (error) {
      this.error = toPlainError(error);
      this.phase = 'failed';
      this.#schedule(RETRY_MS);
    }
  }
}
