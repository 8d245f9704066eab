/**
 * One job at a time. `queue` jobs run in order; a `latest` job takes the single waiting place of its kind and stops
 * the running one, so that the live canvas always computes its newest state. Where several clients share a queue, each
 * has a lane: their `latest` jobs leave each other alone. Pure scheduling, no engine knowledge.
 */
import { AppError } from '../base/errors';

export type QueuePolicy = 'queue' | 'latest';

interface Waiting {
  readonly id: string;
  readonly policy: QueuePolicy;
  readonly lane: string;
  readonly start: () => void;
  readonly refuse: (error: AppError) => void;
}

export class JobQueue {
  #running: (Pick<Waiting, 'id' | 'policy' | 'lane'> & { readonly abort: AbortController }) | undefined;
  #waiting: Waiting[] = [];

  /** Ids in the order in which they will run, the running one first. */
  get ids(): readonly string[] {
    return [...(this.#running ? [this.#running.id] : []), ...this.#waiting.map((job) => job.id)];
  }

  /**
   * Runs `work` when its turn comes.
   * @throws AppError 'job/superseded' when a newer `latest` job took its place, 'job/cancelled' when cancelled waiting
   */
  run<T>(id: string, policy: QueuePolicy, work: (signal: AbortSignal) => Promise<T>, lane = ''): Promise<T> {
    if (this.ids.includes(id)) {
      return Promise.reject(
        new AppError('argument/invalid', `job ${id}: an id names one job; use a new one.`, { details: { id } }),
      );
    }
    return new Promise<T>((resolve, reject) => {
      const start = () => {
        const abort = new AbortController();
        this.#running = { id, policy, lane, abort };
        work(abort.signal)
          .then(resolve, reject)
          .finally(() => {
            this.#running = undefined;
            this.#waiting.shift()?.start();
          });
      };
      if (policy === 'latest') this.#supersede(lane);
      if (this.#running) this.#waiting.push({ id, policy, lane, start, refuse: reject });
      else start();
    });
  }

  #supersede(lane: string): void {
    const error = (id: string) =>
      new AppError('job/superseded', `job ${id}: a newer one took its place.`, { details: { id } });
    const replaced = (job: Pick<Waiting, 'policy' | 'lane'>) => job.policy === 'latest' && job.lane === lane;
    for (const job of this.#waiting.filter(replaced)) job.refuse(error(job.id));
    this.#waiting = this.#waiting.filter((job) => !replaced(job));
    if (this.#running && replaced(this.#running)) this.#running.abort.abort(error(this.#running.id));
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
