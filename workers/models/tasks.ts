/** Long work on models: one task per model in all tabs, each can be stopped. */
import { AppError } from '../../src/lib/base/errors';

const lockOf = (id: string) => `model:${id}`;

export class Tasks {
  readonly #running = new Map<string, { readonly abort: AbortController; readonly ended: Promise<void> }>();

  /** Resolves when nobody works on a task: at once, or when the other tab has ended or was closed. */
  async free(id: string): Promise<void> {
    await this.#running.get(id)?.ended;
    const { locks } = navigator as { locks?: LockManager };
    await locks?.request(lockOf(id), () => undefined);
  }

  /** Stops a task, and waits until it has ended: what it has to keep is then kept. */
  async cancel(id: string): Promise<void> {
    const task = this.#running.get(id);
    task?.abort.abort(new AppError('job/cancelled', `task ${id} was stopped.`));
    await task?.ended;
  }

  /** @throws AppError 'argument/invalid' when a task of this id runs here, 'storage/blocked' when another tab has one */
  async run<T>(id: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#running.has(id)) {
      throw new AppError('argument/invalid', `model ${id}: another task works on it; wait until it ends.`);
    }
    const abort = new AbortController();
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    this.#running.set(id, { abort, ended });
    try {
      // One writer over all tabs; a lock falls with its tab, so a crash blocks nobody.
      const { locks } = navigator as { locks?: LockManager };
      if (!locks) return await work(abort.signal);
      return await locks.request(lockOf(id), { ifAvailable: true }, (lock) => {
        if (lock) return work(abort.signal);
        throw new AppError('storage/blocked', `model ${id}: another tab works on it; wait until it ends.`);
      });
    } finally {
      this.#running.delete(id);
      end();
    }
  }
}
