/** The engine as the page sees it: its worker, its status, the current model. Restarts after a crash. */
import { proxy, releaseProxy, wrap, type Remote } from 'comlink';
import { AppError, toPlainError, type PlainError } from '../base/errors';
import type {
  BackendChoice,
  EngineContract,
  EngineStatus,
  GenerateRequest,
  JobEvent,
  JobResult,
  ModelSource,
  ModelSummary,
  NetworkSummary,
} from '../rpc/engine';
import { installErrorTransfer } from '../rpc/error_transfer';

export type EnginePhase = 'starting' | 'loading' | 'ready' | 'failed';

/** Makes the worker; given by the page's entry, since only it may join the two halves. */
export type WorkerFactory = () => Worker;

export class EngineState {
  phase: EnginePhase = $state('starting');
  status: EngineStatus | undefined = $state.raw();
  model: ModelSummary | undefined = $state.raw();
  loading: { what: string; doneBytes: number; totalBytes: number } | undefined = $state.raw();
  error: PlainError | undefined = $state.raw();
  notices: readonly { code: string; message: string }[] = $state.raw([]);

  readonly #createWorker: WorkerFactory;
  readonly #baseUrl: string;
  #worker: Worker | undefined;
  #remote: Remote<EngineContract> | undefined;
  /** Ends every call that waits for the present worker. */
  #end: ((error: AppError) => void) | undefined;
  #ended: Promise<never> | undefined;

  constructor(createWorker: WorkerFactory, baseUrl: string) {
    installErrorTransfer();
    this.#createWorker = createWorker;
    this.#baseUrl = baseUrl;
  }

  /** Starts (or restarts) the worker and opens a model; failures are kept in `error`, never thrown. */
  async start(options: { backend: BackendChoice; threads: number; model: ModelSource }): Promise<void> {
    this.stop();
    this.phase = 'starting';
    this.error = undefined;
    // The new worker has none; a model that only the page remembers would look ready.
    this.model = undefined;
    const worker = this.#createWorker();
    this.#worker = worker;
    this.#ended = new Promise<never>((_resolve, reject) => {
      this.#end = reject;
    });
    // Nobody waits for a crash that happens between jobs.
    this.#ended.catch(() => undefined);
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#crash(event.message);
    });
    const remote = wrap<EngineContract>(worker);
    this.#remote = remote;
    try {
      const { backend, threads, model } = options;
      this.status = await this.#alive(remote.start({ backend, threads, baseUrl: this.#baseUrl }));
      await this.openModel(model);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Opens another model; the old one stays in use when this fails. */
  async openModel(source: ModelSource): Promise<void> {
    const remote = this.#remote;
    if (!remote) return;
    this.phase = 'loading';
    this.error = undefined;
    this.notices = [];
    try {
      const onEvent = proxy((event: JobEvent) => {
        if (event.kind === 'loading') this.loading = event;
        if (event.kind === 'notice') this.notices = [...this.notices, event];
      });
      this.model = await this.#alive(remote.openModel(source, onEvent));
      this.status = await this.#alive(remote.status());
      this.phase = 'ready';
    } catch (error) {
      this.#fail(error);
    } finally {
      this.loading = undefined;
    }
  }

  /** @throws AppError of the engine, or 'backend/run' when the worker dies */
  async generate(
    jobId: string,
    request: GenerateRequest,
    onEvent: (event: JobEvent) => void,
    policy: 'queue' | 'latest' = 'queue',
  ): Promise<JobResult> {
    const remote = this.#remote;
    if (!remote || this.phase === 'failed') {
      throw new AppError('backend/unavailable', 'engine: it is not running; restart it on the Engine page.');
    }
    try {
      return await this.#alive(remote.generate(jobId, request, proxy(onEvent), policy));
    } finally {
      // A failed job changes what is in memory, too.
      if (this.#remote === remote) await this.#refreshStatus(remote);
    }
  }

  async interrupt(jobId: string): Promise<void> {
    await this.#remote?.interrupt(jobId);
  }

  /** Steps of a running job wait; see the contract. */
  hold(held: boolean): void {
    // A worker that just ended has nothing to hold.
    void this.#remote?.hold(held).catch(() => undefined);
  }

  async countTokens(prompt: string): Promise<{ count: number; limit: number } | undefined> {
    return this.#remote?.countTokens(prompt);
  }

  async networks(): Promise<readonly NetworkSummary[] | undefined> {
    return this.#remote?.networks();
  }

  /** Ends the worker at once: the way to cancel a start or to recover. */
  stop(): void {
    this.#close(new AppError('job/cancelled', 'engine: it was stopped.'));
  }

  /** The user gives up on loading the first model; whole parts stay stored, so trying again goes on from there. */
  cancelStart(): void {
    const error = new AppError('job/cancelled', 'engine: loading was stopped; try again to go on where it stopped.');
    this.phase = 'failed';
    this.error = toPlainError(error);
    this.#close(error);
  }

  #close(error: AppError): void {
    this.#end?.(error);
    this.#remote?.[releaseProxy]();
    this.#worker?.terminate();
    this.#remote = undefined;
    this.#worker = undefined;
  }

  /** An error that nobody in the worker caught: its state is unknown, so it ends, and `start` makes a new one. */
  #crash(reason: string): void {
    const error = new AppError(
      'backend/run',
      `engine: its worker stopped (${reason || 'it could not be loaded'}); restart the engine, your prompt and pictures stay.`,
    );
    this.phase = 'failed';
    this.error = toPlainError(error);
    this.#close(error);
  }

  /** The answer of the worker, or the error that ends it. */
  #alive<T>(answer: Promise<T>): Promise<T> {
    return this.#ended ? Promise.race([this.#ended, answer]) : answer;
  }

  async #refreshStatus(remote: Remote<EngineContract>): Promise<void> {
    try {
      this.status = await this.#alive(remote.status());
    } catch {
      // The old numbers stay; the job's own answer or error is what counts.
    }
  }

  #fail(error: unknown): void {
    const plain = toPlainError(error);
    if (plain.code === 'job/cancelled') return;
    this.error = plain;
    this.phase = this.model && this.#remote ? 'ready' : 'failed';
  }
}
