/** The job that runs, as progress routes report it. Follows events; knows nothing of HTTP. */
import type { JobEvent, PixelImage } from '../../lib/rpc/engine';

export interface JobFacts {
  /** As the web UIs name it: `scripts_txt2img`. */
  readonly label: string;
  /** Passes to come: pictures one after another, twice as many with a hires pass. */
  readonly count: number;
  /** A client's own name for the job. */
  readonly taskId?: string | undefined;
}

export interface ProgressState {
  readonly skipped: boolean;
  readonly interrupted: boolean;
  readonly stopping_generation: boolean;
  readonly job: string;
  readonly job_count: number;
  readonly job_timestamp: string;
  readonly job_no: number;
  readonly sampling_step: number;
  readonly sampling_steps: number;
}

/** Of an idle server: clients of the web UIs take no jobs for "done". */
export const IDLE_STATE: Omit<ProgressState, 'job_timestamp'> = {
  skipped: false,
  interrupted: false,
  stopping_generation: false,
  job: '',
  job_count: 0,
  job_no: 0,
  sampling_step: 0,
  sampling_steps: 0,
};

/**
 * Share of a job that is done, 0..1.
 * Source: A1111 `modules/api/api.py`, `progressapi`.
 */
export function progressOf(
  state: Pick<ProgressState, 'job_count' | 'job_no' | 'sampling_step' | 'sampling_steps'>,
): number {
  const { job_count, job_no, sampling_step, sampling_steps } = state;
  if (job_count === 0) return 0;
  const sampled = sampling_steps > 0 ? sampling_step / sampling_steps / job_count : 0;
  return Math.min(1, 0.01 + job_no / job_count + sampled);
}

/** `20260102030405`, in UTC. */
export function timestamp(date: Date): string {
  return date.toISOString().replace(/\D/g, '').slice(0, 14);
}

export class RunningJob {
  readonly facts: JobFacts;
  readonly startedAt = Date.now();
  preview: PixelImage | undefined;
  /** Counts previews, so that clients are not sent the same one twice. */
  previewId = 0;
  text: string | undefined;
  readonly #stop: () => void;
  #skip: (() => void) | undefined;
  #skipped = false;
  #interrupted = false;
  #no = 0;
  #step = 0;
  #steps = 0;

  /** @param stop ends the whole job */
  constructor(facts: JobFacts, stop: () => void) {
    this.facts = facts;
    this.#stop = stop;
  }

  get skipped(): boolean {
    return this.#skipped;
  }

  get interrupted(): boolean {
    return this.#interrupted;
  }

  get state(): ProgressState {
    return {
      skipped: this.#skipped,
      interrupted: this.#interrupted,
      stopping_generation: this.#interrupted,
      job: this.facts.label,
      job_count: this.facts.count,
      job_timestamp: timestamp(new Date(this.startedAt)),
      job_no: this.#no,
      sampling_step: this.#step,
      sampling_steps: this.#steps,
    };
  }

  get progress(): number {
    return progressOf(this.state);
  }

  /** Seconds to go, from the time so far; 0 before the first step. */
  get etaSeconds(): number {
    const elapsed = (Date.now() - this.startedAt) / 1000;
    return this.#step + this.#no === 0 ? 0 : elapsed / this.progress - elapsed;
  }

  observe(event: JobEvent): void {
    if (event.kind === 'loading') this.text = `Loading ${event.what}`;
    else if (event.kind === 'stage') {
      this.text = undefined;
      // The second pass of a hires job counts as a job of its own.
      if (event.stage === 'upscale') this.passDone();
    } else if (event.kind === 'step') {
      this.#step = event.step;
      this.#steps = event.steps;
      if (event.preview) {
        this.preview = event.preview;
        this.previewId += 1;
      }
    }
  }

  passDone(no = this.#no + 1): void {
    this.#no = Math.min(no, this.facts.count);
    this.#step = 0;
    this.#skipped = false;
  }

  /** What ends the present pass only. */
  onSkip(skip: (() => void) | undefined): void {
    this.#skip = skip;
  }

  skip(): void {
    this.#skipped = true;
    this.#skip?.();
  }

  interrupt(): void {
    this.#interrupted = true;
    this.#stop();
  }
}
