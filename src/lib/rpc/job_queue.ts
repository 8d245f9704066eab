/**
 * One job at a time. `queue` jobs run in order; a `latest` job takes the single waiting place of its kind and stops
 * the running one, so that the live canvas always computes its newest state. Pure scheduling, no engine knowledge.
 */
import { AppError } from '../base/errors';

export type QueuePolicy = 'queue' | 'latest';

interface Waiting {
  readonly id: string;
  readonly policy: QueuePolicy;
  readonly start: () => void;
  readonly refuse: (error: AppError) => void;
}

export class JobQueue {
  #running: { readonly id: string; readonly policy: QueuePolicy; readonly abort: AbortController } | undefined;
  #waiting: Waiting[] = [];

  /** Ids in the order in which they will run, the running one first. */
  get ids(): readonly string[] {
    return [...(this.#running ? [this.#running.id] : []), ...this.#waiting.map((job) => job.id)];
  }

  /**
   * Runs `work` when its turn comes.
   * @throws AppError 'job/superseded' when a newer `latest` job took its place, 'job/cancelled' when cancelled waiting
   */
  run<T>(id: string, policy: QueuePolicy, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.ids.includes(id)) {
      return Promise.reject(
        new AppError('argument/invalid', `job ${id}: an id names one job; use a new one.`, { details: { id } }),
      );
    }
    return new Promise<T>((resolve, reject) => {
      const start = () => {
        const abort = new AbortController();
        this.#running = { id, policy, abort };
        work(abort.signal)
          .then(resolve, reject)
          .finally(() => {
            this.#running = undefined;
            this.#waiting.shift()?.start();
          });
      };
      if (policy === 'latest') this.#supersede();
      if (this.#running) this.#waiting.push({ id, policy, start, refuse: reject });
      else start();
    });
  }

  #supersede(): void {
    const error = (id: string) =>
      new AppError('job/superseded', `job ${id}: a newer one took its place.`, { details: { id } });
    this.#waiting = this.#waiting.filter((job) => {
      if (job.policy === 'latest') job.refuse(error(job.id));
      return job.policy !== 'latest';
    });
    if (this.#running?.policy === 'latest') this.#running.abort.abort(error(this.#running.id));
  }

  /** Stops a running job or drops a waiting one; unknown ids are ignored, since the job may just have ended. */
  cancel(id: string): void {
    const error = new AppError('job/cancelled', `job ${id} was stopped.`, { details: { id } });
    if (this.#running?.id === id) this.#running.abort.abort(error);
    this.#waiting = this.#waiting.filter((job) => {
      if (job.id === id) job.refuse(error);
      return job.id !== id;
    });
  }

  cancelAll(): void {
    for (const id of this.ids) this.cancel(id);
  }
}
