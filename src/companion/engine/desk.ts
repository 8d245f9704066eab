/**
 * Takes jobs from all clients and gives them to the engine one after another, each with the model it wants. Bounded:
 * a full queue refuses at once, and no client fills it alone.
 */
import { AppError } from '../../lib/base/errors';
import type { GenerateRequest, JobEvent, JobResult, ModelSource, ModelSummary } from '../../lib/rpc/engine';
import { JobQueue, type QueuePolicy } from '../../lib/rpc/job_queue';
import { HttpError } from '../server/http_error';
import type { CompanionEngine } from './companion_engine';
import { RunningJob, type JobFacts } from './running_job';

export interface DeskLimits {
  readonly maxJobs: number;
  readonly maxJobsPerClient: number;
}

const LIMITS: DeskLimits = { maxJobs: 32, maxJobsPerClient: 16 };
/** Tasks remembered as done for clients that ask late. */
const MAX_DONE = 32;

export interface JobAsked {
  /** Unique within its client. */
  readonly id: string;
  readonly client: string;
  readonly policy: QueuePolicy;
  readonly facts: JobFacts;
  /** The client hung up: a waiting job is dropped, a running one stopped. */
  readonly gone?: AbortSignal;
}

/** What a running job may do with the engine. */
export interface JobDesk {
  readonly job: RunningJob;
  /** Aborted by an interrupt, by a newer job, or when the client hung up. */
  readonly signal: AbortSignal;
  /** Opens a model unless it is open; the last of `openModel` stays open. */
  openModel(source: ModelSource, onEvent?: (event: JobEvent) => void): Promise<ModelSummary>;
  /** @returns undefined when it was stopped before there was anything to show */
  generate(request: GenerateRequest, onEvent?: (event: JobEvent) => void): Promise<JobResult | undefined>;
}

export class Desk {
  readonly engine: CompanionEngine;
  readonly #limits: DeskLimits;
  readonly #queue = new JobQueue();
  readonly #waiting = new Map<string, JobFacts>();
  readonly #done: string[] = [];
  #clients: string[] = [];
  #running: RunningJob | undefined;
  #open: { readonly key: string; readonly summary: ModelSummary } | undefined;
  /** What each opened model came from: pages name the model only. */
  readonly #sources = new Map<string, ModelSource>();
  #jobs = 0;

  constructor(engine: CompanionEngine, limits: Partial<DeskLimits> = {}) {
    this.engine = engine;
    this.#limits = { ...LIMITS, ...limits };
  }

  get running(): RunningJob | undefined {
    return this.#running;
  }

  sourceOf(modelId: string): ModelSource | undefined {
    return this.#sources.get(modelId);
  }

  /** Where a client's named task is. */
  taskState(taskId: string): 'active' | 'queued' | 'done' | 'unknown' {
    if (this.#running?.facts.taskId === taskId) return 'active';
    if ([...this.#waiting.values()].some((facts) => facts.taskId === taskId)) return 'queued';
    return this.#done.includes(taskId) ? 'done' : 'unknown';
  }

  get waitingTasks(): readonly string[] {
    return [...this.#waiting.values()].flatMap(({ taskId }) => taskId ?? []);
  }

  /**
   * Runs `work` when its turn comes.
   * @throws HttpError 429, 503; AppError 'job/cancelled', 'job/superseded'; what `work` throws
   */
  async run<T>(asked: JobAsked, work: (desk: JobDesk) => Promise<T>): Promise<T> {
    this.#admit(asked.client);
    const { client, policy, facts, gone } = asked;
    const id = `${client} ${asked.id}`;
    const leave = () => this.#queue.cancel(id);
    if (gone?.aborted) throw new AppError('job/cancelled', `job ${asked.id}: its client hung up.`);
    gone?.addEventListener('abort', leave, { once: true });
    this.#clients.push(client);
    this.#waiting.set(id, facts);
    try {
      return await this.#queue.run(
        id,
        policy,
        async (signal) => {
          this.#waiting.delete(id);
          const job = new RunningJob(facts, leave);
          this.#running = job;
          try {
            return await work(this.#deskOf(job, signal));
          } finally {
            this.#running = undefined;
          }
        },
        client,
      );
    } finally {
      this.#waiting.delete(id);
      gone?.removeEventListener('abort', leave);
      this.#clients = this.#clients.toSpliced(this.#clients.indexOf(client), 1);
      if (facts.taskId !== undefined) this.#done.push(facts.taskId);
      if (this.#done.length > MAX_DONE) this.#done.shift();
    }
  }

  /** Stops a client's job by its id, running or waiting. */
  cancel(client: string, id: string): void {
    this.#queue.cancel(`${client} ${id}`);
  }

  /** Forgets which model is open: after a failure of the engine, or when its files changed. */
  forgetModel(): void {
    this.#open = undefined;
  }

  cancelAll(): void {
    this.#queue.cancelAll();
  }

  /** Resolves when no job runs. */
  async idle(): Promise<void> {
    while (this.#clients.length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  #admit(client: string): void {
    const { maxJobs, maxJobsPerClient } = this.#limits;
    if (this.#clients.length >= maxJobs) {
      throw new HttpError(503, `The queue is full (${maxJobs} jobs); try again later.`, { 'Retry-After': '10' });
    }
    if (this.#clients.filter((other) => other === client).length >= maxJobsPerClient) {
      throw new HttpError(429, `This client has ${maxJobsPerClient} jobs waiting; wait for one of them.`, {
        'Retry-After': '5',
      });
    }
  }

  #deskOf(job: RunningJob, signal: AbortSignal): JobDesk {
    return {
      job,
      signal,
      openModel: (source, onEvent) => this.#openModel(source, job, onEvent),
      generate: (request, onEvent) => this.#generate(request, job, signal, onEvent),
    };
  }

  async #openModel(source: ModelSource, job: RunningJob, onEvent?: (event: JobEvent) => void): Promise<ModelSummary> {
    const key = JSON.stringify(source);
    if (this.#open?.key === key) return this.#open.summary;
    const tell = (event: JobEvent): void => {
      job.observe(event);
      onEvent?.(event);
    };
    const name = source.kind === 'files' ? 'model' : source.id;
    tell({ kind: 'loading', what: name, doneBytes: 0, totalBytes: 0 });
    const summary = await this.engine.openModel(source, tell);
    job.text = undefined;
    this.#open = { key, summary };
    this.#sources.set(summary.id, source);
    return summary;
  }

  async #generate(
    request: GenerateRequest,
    job: RunningJob,
    signal: AbortSignal,
    onEvent?: (event: JobEvent) => void,
  ): Promise<JobResult | undefined> {
    if (signal.aborted) return undefined;
    const id = `companion ${++this.#jobs}`;
    const stop = () => void this.engine.interrupt(id).catch(() => undefined);
    signal.addEventListener('abort', stop, { once: true });
    job.onSkip(stop);
    try {
      return await this.engine.generate(
        id,
        request,
        (event) => {
          job.observe(event);
          onEvent?.(event);
        },
        'queue',
      );
    } catch (error) {
      if (error instanceof AppError && error.code === 'job/cancelled') return undefined;
      // The engine may have been replaced, and the new one has no model.
      if (error instanceof AppError && error.code.startsWith('backend/')) this.forgetModel();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      job.onSkip(undefined);
    }
  }
}
