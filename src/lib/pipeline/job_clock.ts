/** Where a job's time goes: stages that may come and go, summed up by name. */
import type { JobStage, StageTime } from '../rpc/engine';

export class JobClock {
  readonly #now: () => number;
  readonly #totals = new Map<JobStage, number>();
  #current: { stage: JobStage; since: number } | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Ends the running stage and starts another. */
  enter(stage: JobStage): void {
    this.stop();
    this.#current = { stage, since: this.#now() };
  }

  /** The stage that runs. */
  get stage(): JobStage | undefined {
    return this.#current?.stage;
  }

  stop(): void {
    if (!this.#current) return;
    const { stage, since } = this.#current;
    this.#totals.set(stage, (this.#totals.get(stage) ?? 0) + this.#now() - since);
    this.#current = undefined;
  }

  get times(): StageTime[] {
    return [...this.#totals].map(([stage, ms]) => ({ stage, ms }));
  }
}
