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
  #crashed: ((error: AppError) => void) | undefined;

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
    const worker = this.#createWorker();
    this.#worker = worker;
    const crash = new Promise<never>((_resolve, reject) => {
      this.#crashed = reject;
    });
    // Nobody waits for a crash that happens between jobs.
    crash.catch(() => undefined);
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      const error = new AppError(
        'backend/run',
        `engine: its worker stopped (${event.message || 'no reason given'}); restart the engine.`,
      );
      this.phase = 'failed';
      this.error = toPlainError(error);
      this.#crashed?.(error);
    });
    const remote = wrap<EngineContract>(worker);
    this.#remote = remote;
    try {
      const { backend, threads, model } = options;
      this.status = await Promise.race([crash, remote.start({ backend, threads, baseUrl: this.#baseUrl })]);
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
      this.model = await remote.openModel(source, onEvent);
      this.status = await remote.status();
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
    const crash = new Promise<never>((_resolve, reject) => {
      this.#crashed = reject;
    });
    crash.catch(() => undefined);
    const result = await Promise.race([crash, remote.generate(jobId, request, proxy(onEvent), policy)]);
    this.status = await remote.status();
    return result;
  }

  async interrupt(jobId: string): Promise<void> {
    await this.#remote?.interrupt(jobId);
  }

  async countTokens(prompt: string): Promise<{ count: number; limit: number } | undefined> {
    return this.#remote?.countTokens(prompt);
  }

  /** Ends the worker at once: the way to cancel a start or to recover. */
  stop(): void {
    this.#crashed?.(new AppError('job/cancelled', 'engine: it was stopped.'));
    this.#remote?.[releaseProxy]();
    this.#worker?.terminate();
    this.#remote = undefined;
    this.#worker = undefined;
  }

  #fail(error: unknown): void {
    const plain = toPlainError(error);
    if (plain.code === 'job/cancelled') return;
    this.error = plain;
    this.phase = this.model ? 'ready' : 'failed';
  }
}
