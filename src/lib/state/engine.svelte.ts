/** The engine as the page sees it: its worker, its status, the current model. Restarts after a crash. */
import { proxy, releaseProxy, wrap, type Remote } from 'comlink';
import { AppError, toPlainError, type PlainError } from '../base/errors';
import type {
  EngineContract,
  EngineOptions,
  EngineStatus,
  GenerateRequest,
  JobEvent,
  JobResult,
  ModelSource,
  ModelSummary,
  NetworkSummary,
  UpscaleRequest,
  UpscalerSummary,
} from '../rpc/engine';
import { installErrorTransfer } from '../rpc/error_transfer';
import type { CompanionAddress } from '../rpc/http_engine';

export type EnginePhase = 'starting' | 'loading' | 'ready' | 'failed';

/** Makes the worker; given by the page's entry, since only it may join the two halves. */
export type WorkerFactory = () => Worker;

/** The engine's methods as both ways give them: in a worker, or in a companion over HTTP. */
type Engine = Remote<EngineContract> | EngineContract;

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
  /** Made before it was wanted; the next start takes it. */
  #spare: Worker | undefined;
  #remote: Engine | undefined;
  /** Called when a companion is lost; the job that it had has failed already. */
  onCompanionLost: ((error: AppError) => void) | undefined;
  /** Ends every call that waits for the present worker. */
  #end: ((error: AppError) => void) | undefined;
  #ended: Promise<never> | undefined;

  constructor(createWorker: WorkerFactory, baseUrl: string) {
    installErrorTransfer();
    this.#createWorker = createWorker;
    this.#baseUrl = baseUrl;
  }

  /**
   * Starts (or restarts) the worker and opens a model; failures are kept in `error`, never thrown.
   * @param options.companion computes instead of this device
   */
  async start(
    options: Omit<EngineOptions, 'baseUrl'> & { readonly model: ModelSource; readonly companion?: CompanionAddress },
  ): Promise<void> {
    this.stop();
    this.phase = 'starting';
    this.error = undefined;
    // The new worker has none; a model that only the page remembers would look ready.
    this.model = undefined;
    this.#ended = new Promise<never>((_resolve, reject) => {
      this.#end = reject;
    });
    // Nobody waits for a crash that happens between jobs.
    this.#ended.catch(() => undefined);
    // One that waits for long may be older than the service worker: without its host it could load no further part.
    if (options.companion) this.#dropSpare();
    try {
      const remote = options.companion ? await this.#alive(connect(options.companion)) : this.#startWorker();
      this.#remote = remote;
      const { model, companion: _address, ...compute } = options;
      this.status = await this.#alive(remote.start({ ...compute, baseUrl: this.#baseUrl }));
      await this.openModel(model);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Loads the worker's code while the page still reads its settings: before the first start. */
  prepareWorker(): void {
    if (!this.#ended) this.#spare ??= this.#newWorker();
  }

  #dropSpare(): void {
    this.#spare?.terminate();
    this.#spare = undefined;
  }

  #newWorker(): Worker {
    const worker = this.#createWorker();
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#crash(event.message);
      // Nobody waits for it: the start makes another one, which tells what is wrong.
      if (worker === this.#spare) this.#spare = undefined;
    });
    return worker;
  }

  #startWorker(): Engine {
    const worker = this.#spare ?? this.#newWorker();
    this.#spare = undefined;
    this.#worker = worker;
    return wrap<EngineContract>(worker);
  }

  /** A callback as the present engine takes it. */
  #callback<F extends (event: JobEvent) => void>(listen: F): F {
    return this.#worker ? proxy(listen) : listen;
  }

  /** Opens another model; the old one stays in use when this fails. */
  async openModel(source: ModelSource): Promise<void> {
    const remote = this.#remote;
    if (!remote) return;
    this.phase = 'loading';
    this.error = undefined;
    this.notices = [];
    try {
      const onEvent = this.#callback((event: JobEvent) => {
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
    return this.#job((remote) => remote.generate(jobId, request, this.#callback(onEvent), policy));
  }

  /** Enlarges a picture. @throws AppError of the engine, or 'backend/run' when the worker dies */
  async upscale(jobId: string, request: UpscaleRequest, onEvent: (event: JobEvent) => void): Promise<JobResult> {
    return this.#job((remote) => remote.upscale(jobId, request, this.#callback(onEvent)));
  }

  /** Undefined while no engine runs. */
  async upscalers(): Promise<readonly UpscalerSummary[] | undefined> {
    return this.#remote?.upscalers();
  }

  async #job(run: (remote: Engine) => Promise<JobResult>): Promise<JobResult> {
    const remote = this.#remote;
    if (!remote || this.phase === 'failed') {
      throw new AppError('backend/unavailable', 'engine: it is not running; restart it on the Engine page.');
    }
    try {
      return await this.#alive(run(remote));
    } catch (error) {
      if (error instanceof AppError && error.code === 'companion/lost') this.onCompanionLost?.(error);
      throw error;
    } finally {
      // A failed job changes what is in memory, too.
      if (this.#remote === remote) await this.#refreshStatus(remote);
    }
  }

  /** Programs for pictures of these settings, on a guess that they will be asked for. */
  prepare(request: GenerateRequest): void {
    // A worker that just ended has nothing to prepare.
    void this.#remote?.prepare(request).catch(() => undefined);
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
    const remote = this.#remote;
    if (remote && releaseProxy in remote) remote[releaseProxy]();
    // A worker ends with its engine; a companion only loses this page, and with it this page's jobs.
    else void remote?.dispose();
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

  async #refreshStatus(remote: Engine): Promise<void> {
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

async function connect(address: CompanionAddress): Promise<Engine> {
  const { companionEngine } = await import('../rpc/connect_companion');
  return companionEngine(address);
}
