/** Jobs in a row: added, reordered, paused, retried; kept over reloads. Runs them through the one generation. */
/* eslint-disable svelte/prefer-svelte-reactivity -- sets and maps here are replaced or private, never changed in place while shown */
import { toPlainError, type PlainError } from '../base/errors';
import type { QueueStore } from '../storage/queue_store';
import type { EngineState } from './engine.svelte';
import type { GenerationState, Parameters } from './generation.svelte';

export interface QueueItem {
  readonly id: string;
  readonly parameters: Parameters;
  readonly state: 'waiting' | 'running' | 'failed';
  readonly error?: PlainError;
}

/** Between looks at a busy engine; only while jobs wait. */
const POLL_MS = 100;

export class QueueState {
  items: readonly QueueItem[] = $state.raw([]);
  paused = $state(false);
  /** Jobs of an earlier visit were found; they wait for the user. */
  restored = $state(0);
  readonly waiting: number = $derived(this.items.filter((item) => item.state === 'waiting').length);
  /** Called when the last job is done. */
  onEmpty: ((done: number) => void) | undefined;
  readonly #engine: EngineState;
  readonly #generation: GenerationState;
  readonly #store: QueueStore;
  #working = false;
  #done = 0;

  constructor(engine: EngineState, generation: GenerationState, store: QueueStore) {
    this.#engine = engine;
    this.#generation = generation;
    this.#store = store;
  }

  /** Reads what an earlier visit left. It does not start by itself: a job may be what ended that visit. */
  async load(): Promise<void> {
    try {
      const rows = await this.#store.list();
      const known = new Set(this.items.map((item) => item.id));
      const items = rows
        .filter((row) => !known.has(row.id))
        .map(({ id, request, state, error }): QueueItem => {
          const failed = state === 'failed' && error !== undefined;
          return {
            id,
            parameters: request as Parameters,
            state: failed ? 'failed' : 'waiting',
            ...(failed ? { error: error as PlainError } : {}),
          };
        });
      this.items = [...items, ...this.items];
      this.restored = items.length;
      if (items.some((item) => item.state === 'waiting')) this.paused = true;
    } catch {
      // Refused storage: the queue of this visit works from memory.
    }
  }

  async add(parameters: Parameters): Promise<void> {
    const item: QueueItem = { id: crypto.randomUUID(), parameters, state: 'waiting' };
    this.items = [...this.items, item];
    await this.#save();
    void this.work();
  }

  /** Runs waiting jobs one after the other until none is left or the queue is paused. */
  async work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      for (;;) {
        const next = this.paused ? undefined : this.items.find((item) => item.state === 'waiting');
        if (!next) break;
        if (!(await this.#engineFree())) {
          this.paused = true;
          break;
        }
        if (this.paused || !this.items.includes(next)) continue;
        await this.#run(next);
      }
    } finally {
      this.#working = false;
    }
    if (this.waiting === 0 && this.#done > 0) {
      this.onEmpty?.(this.#done);
      this.#done = 0;
    }
  }

  async pause(): Promise<void> {
    this.paused = true;
  }

  async resume(): Promise<void> {
    this.paused = false;
    this.restored = 0;
    await this.work();
  }

  /** Moves a job by one place; the running one stays first. */
  async move(id: string, by: -1 | 1): Promise<void> {
    const at = this.items.findIndex((item) => item.id === id);
    const [item, other] = [this.items[at], this.items[at + by]];
    if (!item || !other || other.state === 'running' || item.state === 'running') return;
    const items = [...this.items];
    items[at] = other;
    items[at + by] = item;
    this.items = items;
    await this.#save();
  }

  /** Takes a job out; a running one is stopped and keeps the pictures it has. */
  async cancel(id: string): Promise<void> {
    const item = this.items.find((one) => one.id === id);
    if (item?.state === 'running') await this.#generation.stop();
    await this.#remove(id);
  }

  async retry(id: string): Promise<void> {
    this.items = this.items.map((item) =>
      item.id === id ? { id, parameters: item.parameters, state: 'waiting' } : item,
    );
    await this.#save();
    void this.work();
  }

  async clear(): Promise<void> {
    const kept = this.items.filter((item) => item.state === 'running');
    const gone = this.items.filter((item) => item.state !== 'running');
    this.items = kept;
    for (const item of gone) await this.#store.delete(item.id).catch(() => undefined);
  }

  /** Waits for the model and for the user's own job; false when the engine failed. */
  async #engineFree(): Promise<boolean> {
    for (;;) {
      if (this.#engine.phase === 'failed') return false;
      if (this.#engine.phase === 'ready' && this.#engine.model && !this.#generation.running) return true;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #run(item: QueueItem): Promise<void> {
    this.#change({ ...item, state: 'running' });
    await this.#save();
    try {
      await this.#generation.run({}, item.parameters);
    } catch (error) {
      this.#change({ ...item, state: 'failed', error: toPlainError(error) });
      await this.#save();
      return;
    }
    const { error } = this.#generation;
    if (error) {
      this.#change({ ...item, state: 'failed', error });
      await this.#save();
    } else {
      this.#done++;
      await this.#remove(item.id);
    }
  }

  #change(item: QueueItem): void {
    this.items = this.items.map((one) => (one.id === item.id ? item : one));
  }

  async #remove(id: string): Promise<void> {
    this.items = this.items.filter((item) => item.id !== id);
    await this.#store.delete(id).catch(() => undefined);
  }

  async #save(): Promise<void> {
    const rows = this.items.map(({ id, parameters, state, error }, position) => ({
      id,
      position,
      state,
      request: $state.snapshot(parameters),
      ...(error ? { error } : {}),
    }));
    // A full disk or refused storage: the queue goes on in memory.
    await this.#store.put(rows).catch(() => undefined);
  }
}
