/**
 * The engine behind its contract: one backend, one current model, one job at a time. Everything it needs from its
 * surroundings is handed in, so the same class runs in the browser's worker and in tests.
 */
import type { ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import { assembleModel, assertComplete } from '../models/assemble';
import { checkModel } from '../models/check_model';
import { openModelFiles } from '../models/open_model_files';
import type {
  EngineContract,
  EngineOptions,
  EngineStatus,
  GenerateRequest,
  JobEvent,
  JobResult,
  JobTelemetry,
  ModelSource,
  ModelSummary,
  NetworkSummary,
  StageTime,
  UpscaleRequest,
  UpscalerSummary,
} from '../rpc/engine';
import { JobQueue, type QueuePolicy } from '../rpc/job_queue';
import { StepGate } from '../rpc/step_gate';
import { isVocabularyFile } from '../tokenizers/vocabularies';
import { countTokens } from './count_tokens';
import { EngineBackend, type CreateBackend, type SaferWay } from './engine_backend';
import type { GenerateHost } from './generate';
import { LoadedModel } from './loaded_model';
import { modelSummary } from './model_summary';
import { modelTokenizers, type ShippedTokenizers } from './model_tokenizers';
import type { NetworkLibrary } from './network_library';
import { NetworkStacks } from './networks';
import type { TextPainter } from './plot/text_painter';
import { prepareModel } from './prepare';
import { runRequest } from './run_request';
import type { EncodePicture } from './save_picture';
import { BackendRunner } from './upscale';
import { runUpscale } from './upscale_job';
import { upscalerSummaries, type ReadAsset } from './upscalers';

/** Files of a model, opened. */
export interface OpenedFiles {
  readonly id: string;
  readonly name: string;
  readonly sha256: string;
  readonly sources: readonly ByteSource[];
  /** Settings that suit these weights better than their family's. */
  readonly defaults?: Partial<ModelSummary['defaults']>;
}

export interface EngineHost {
  readonly createBackend: CreateBackend;
  openFiles(source: ModelSource, onEvent: (event: JobEvent) => void): Promise<OpenedFiles>;
  /** Tokenizers that the app ships. */
  readonly tokenizers: ShippedTokenizers;
  readonly encodePicture: EncodePicture;
  /** Draws the labels of sheets; absent: they have none. */
  readonly paintText?: TextPainter;
  /** Files that ship with the app; absent: shipped upscalers cannot be used. */
  readonly readAsset?: ReadAsset;
  randomSeed(): number;
  readonly isolated: boolean;
  /** Weights that models not in use may keep on the device, bytes; default 2 GiB. */
  readonly idleWeightsBytes?: number;
  /** Adapters, embeddings, upscalers and extensions that jobs may use. */
  readonly jobParts?: Pick<GenerateHost, 'resolveLora' | 'embeddings' | 'loadUpscaler' | 'extensions'>;
  /** Files beside models: adapters, embeddings, control networks, upscalers, autoencoders. */
  readonly library?: NetworkLibrary;
}

/** Switching back to a model within this finds its weights still there. */
const IDLE_WEIGHTS_BYTES = 2 * 2 ** 30;
/** Models whose headers and compiled programs are remembered. */
const MAX_OPEN_MODELS = 4;

/** Larger models are loaded when a picture is asked for: a wrong guess would cost more than a right one saves. */
const PREPARED_BYTES = 2 ** 30;
const PREPARE_ID = 'prepare';

interface OpenModel {
  /** Content of its files; an unknown content is never taken for a known one. */
  readonly key: string | undefined;
  readonly loaded: LoadedModel;
  readonly summary: ModelSummary;
}

export class EngineService implements EngineContract {
  readonly #host: EngineHost;
  readonly #jobs = new JobQueue();
  readonly #gate = new StepGate();
  readonly #networks = new NetworkStacks();
  readonly #backend: EngineBackend;
  /** In the order of use, the current one last. */
  #open: OpenModel[] = [];
  #model: OpenModel | undefined;
  #lastJob: JobTelemetry | undefined;
  #lastTimes: readonly StageTime[] = [];
  #source: ModelSource | undefined;

  constructor(host: EngineHost) {
    this.#host = host;
    this.#backend = new EngineBackend((options) => host.createBackend(options));
  }

  async start(options: EngineOptions): Promise<EngineStatus> {
    await this.dispose();
    await this.#backend.start(options);
    return this.status();
  }

  async status(): Promise<EngineStatus> {
    const { backend, reason, reasonDetail } = this.#backend.chosen;
    const { residency } = this.#backend;
    const memory = backend.memory();
    return {
      backend: backend.id,
      backendLabel: backend.label,
      reason,
      ...(reasonDetail === undefined ? {} : { reasonDetail }),
      info: backend.info,
      ...(backend.kernels ? { kernels: backend.kernels } : {}),
      isolated: this.#host.isolated,
      ...(residency && residency.limitBytes < Infinity ? { memoryLimitBytes: residency.limitBytes } : {}),
      weightsBytes: memory.weightsBytes,
      arenaBytes: memory.arenaBytes + memory.tensorBytes,
      lastTimes: this.#lastTimes,
      ...(this.#lastJob ? { lastJob: this.#lastJob } : {}),
      ...(this.#model ? { model: this.#model.summary } : {}),
    };
  }

  async openModel(source: ModelSource, onEvent: (event: JobEvent) => void): Promise<ModelSummary> {
    const opened = await this.#makeCurrent(source, onEvent);
    this.#backend.chosen.backend.warmUp?.();
    // Behind whatever runs: a job keeps the model it started with.
    await this.#jobs.run(`close ${performance.now()}`, 'queue', () => this.#closeIdle());
    return opened.summary;
  }

  async #makeCurrent(source: ModelSource, onEvent: (event: JobEvent) => void): Promise<OpenModel> {
    const opened = await this.#load(source, onEvent);
    this.#source = source;
    this.#model = opened;
    this.#backend.residency?.forgetLimit();
    return opened;
  }

  /** Frees what idle models may not keep: beyond their share of memory, or not to be recognised again. */
  async #closeIdle(): Promise<void> {
    const current = this.#model;
    const kept = new Set(this.#open.filter(({ key }) => key !== undefined).slice(-MAX_OPEN_MODELS));
    const gone = this.#open.filter((one) => one !== current && !kept.has(one));
    this.#open = this.#open.filter((one) => !gone.includes(one));
    for (const { loaded } of gone) await loaded.dispose();
    const idleBytes = this.#host.idleWeightsBytes ?? IDLE_WEIGHTS_BYTES;
    await this.#backend.residency?.trimOthers(current?.loaded, idleBytes);
  }

  /** Opens and joins a model's files. @throws AppError 'file/…', 'model/…' */
  async #load(source: ModelSource, onEvent: (event: JobEvent) => void): Promise<OpenModel> {
    const { backend } = this.#backend.chosen;
    const { residency } = this.#backend;
    const files = await this.#host.openFiles(source, onEvent);
    const key = contentKey(files);
    const known = this.#open.find((one) => key !== undefined && one.key === key);
    if (known) {
      this.#open = [...this.#open.filter((one) => one !== known), known];
      return known;
    }
    const { files: found, hints, others } = await openModelFiles(files.sources);
    const vocabularies = others.filter(({ name }) => isVocabularyFile(name));
    const indexes = found.map((file) => file.detected.index);
    const detected = assembleModel(
      found.map((file) => file.detected),
      hints,
    );
    assertComplete(detected);
    checkModel(detected);
    const loaded = new LoadedModel({
      detected,
      backend,
      tokenizers: await modelTokenizers(detected, { files: vocabularies, indexes }, this.#host.tokenizers),
      id: files.id,
      name: files.name,
      hash: files.sha256.slice(0, 10),
      ...(residency ? { residency } : {}),
    });
    const summary = modelSummary(detected, {
      id: files.id,
      name: files.name,
      hash: loaded.hash,
      sizeBytes: files.sources.reduce((sum, file) => sum + file.sizeBytes, 0),
      indexes,
      defaults: files.defaults,
    });
    const opened = { key, loaded, summary };
    this.#open.push(opened);
    return opened;
  }

  async prepare(request: GenerateRequest): Promise<void> {
    const model = this.#model;
    if (!model || this.#jobs.ids.length > 0 || model.summary.sizeBytes > PREPARED_BYTES) return;
    // A job that comes meanwhile waits for it: it needs the same programs.
    await this.#jobs.run(PREPARE_ID, 'queue', async (signal) => {
      const parts = await this.#host.library?.partsFor([request.prompt, request.negativePrompt]);
      await prepareModel(model.loaded, request, { ...parts, ...this.#host.jobParts, networks: this.#networks, signal });
    });
  }

  /** Jobs before a new one, as its user sees them. */
  get #waitingJobs(): number {
    return this.#jobs.ids.filter((id) => id !== PREPARE_ID).length;
  }

  generate(
    jobId: string,
    request: GenerateRequest,
    onEvent: (event: JobEvent) => void,
    policy: QueuePolicy,
  ): Promise<JobResult> {
    const position = this.#waitingJobs;
    if (position > 0) onEvent({ kind: 'queued', position });
    return this.#jobs.run(jobId, policy, (signal) =>
      this.#inSaferWays(onEvent, () => this.#runJob(request, onEvent, signal)),
    );
  }

  /**
   * After numbers that are none, a kernel that does not compile or a device that is lost again: the same job in a safer
   * way, until none is left. What is given up is said in the job's notices, and stays given up until the engine starts anew.
   */
  async #inSaferWays<T>(onEvent: (event: JobEvent) => void, attempt: () => Promise<T>): Promise<T> {
    let first: unknown;
    try {
      if (await this.#backend.enterJob()) await this.#reopen(onEvent);
      for (;;) {
        try {
          return await attempt();
        } catch (error) {
          const way = await this.#backend.saferWay(error);
          if (way) await this.#follow(way, error, onEvent);
          if (way?.again) {
            first ??= error;
            continue;
          }
          // The user's own doing says nothing about the safer way.
          if (error instanceof AppError && error.code === 'job/cancelled') throw error;
          if (first !== undefined && !way?.replaced) await this.#stepUp(onEvent);
          throw first ?? error;
        }
      }
    } finally {
      this.#backend.leaveJob();
      await this.#closeIdle();
    }
  }

  async #follow({ said, replaced }: SaferWay, error: unknown, onEvent: (event: JobEvent) => void): Promise<void> {
    if (said !== undefined) {
      const code = error instanceof AppError ? error.code : 'backend/run';
      onEvent({ kind: 'notice', code, message: said });
    }
    await (replaced ? this.#reopen(onEvent) : this.#releasePrograms());
  }

  async #stepUp(onEvent: (event: JobEvent) => void): Promise<void> {
    await ((await this.#backend.stepUp()) ? this.#reopen(onEvent) : this.#releasePrograms());
  }

  /** The current model on a new backend; what the old one held is gone. Opening it may fail: the next job tries again. */
  async #reopen(onEvent: (event: JobEvent) => void): Promise<void> {
    this.#model = undefined;
    this.#open = [];
    // Not by `openModel`: that waits for the running job, which is this one.
    if (this.#source) await this.#makeCurrent(this.#source, onEvent);
  }

  /** They hold the kernels that they were made with, and models what those computed; both come again when needed. */
  async #releasePrograms(): Promise<void> {
    for (const { loaded } of this.#open) await loaded.dispose();
  }

  /** One attempt. */
  async #runJob(request: GenerateRequest, onEvent: (event: JobEvent) => void, signal: AbortSignal): Promise<JobResult> {
    const model = this.#model ?? (this.#source && (await this.#makeCurrent(this.#source, onEvent)));
    if (!model) throw new AppError('model/missing-part', 'engine: no model is open; choose one first.');
    const { library } = this.#host;
    const { prompt, negativePrompt, hires } = request;
    const texts = [
      prompt,
      negativePrompt,
      hires?.prompt ?? '',
      hires?.negativePrompt ?? '',
      JSON.stringify(request.plot ?? ''),
    ];
    const result = await runRequest(model.loaded, request, {
      ...(library ? await library.partsFor(texts) : {}),
      ...this.#host.jobParts,
      networks: this.#networks,
      loadModel: async (id) => {
        return id === model.loaded.id ? model.loaded : await this.#loadById(id, onEvent);
      },
      onEvent,
      signal,
      betweenSteps: (aborted) => this.#gate.pass(aborted),
      encodePicture: this.#host.encodePicture,
      ...(this.#host.paintText ? { paintText: this.#host.paintText } : {}),
      ...(this.#host.readAsset ? { readAsset: this.#host.readAsset } : {}),
      randomSeed: () => this.#host.randomSeed(),
    });
    this.#lastTimes = result.times;
    this.#lastJob = result.telemetry;
    return result;
  }

  upscale(jobId: string, request: UpscaleRequest, onEvent: (event: JobEvent) => void): Promise<JobResult> {
    const position = this.#waitingJobs;
    if (position > 0) onEvent({ kind: 'queued', position });
    return this.#jobs.run(jobId, 'queue', (signal) =>
      this.#inSaferWays(onEvent, () => this.#runUpscale(request, onEvent, signal)),
    );
  }

  async #runUpscale(
    request: UpscaleRequest,
    onEvent: (event: JobEvent) => void,
    signal: AbortSignal,
  ): Promise<JobResult> {
    const { library, jobParts, readAsset, encodePicture } = this.#host;
    const { loadUpscaler } = { ...(library ? await library.partsFor([]) : {}), ...jobParts };
    const alone = this.#model ? undefined : new BackendRunner(this.#backend.chosen.backend);
    const runner = this.#model?.loaded ?? alone;
    if (!runner) throw new AppError('backend/unavailable', 'engine: it is not started yet; wait for it.');
    try {
      return await runUpscale(runner, request, { onEvent, signal, encodePicture, readAsset, loadUpscaler });
    } finally {
      await alone?.dispose();
    }
  }

  async upscalers(): Promise<readonly UpscalerSummary[]> {
    const own = (await this.#host.library?.summaries()) ?? [];
    return upscalerSummaries(own.flatMap(({ kind, name }) => (kind === 'upscaler' ? [name] : [])));
  }

  /** A model by id alone, as refiners and plots name it: the user's own, else one that ships. */
  async #loadById(id: string, onEvent: (event: JobEvent) => void): Promise<LoadedModel> {
    try {
      return (await this.#load({ kind: 'stored', id }, onEvent)).loaded;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'storage/not-found') throw error;
      return (await this.#load({ kind: 'builtin', id }, onEvent)).loaded;
    }
  }

  async interrupt(jobId: string): Promise<void> {
    this.#jobs.cancel(jobId);
  }

  async networks(): Promise<readonly NetworkSummary[]> {
    const family = this.#model?.summary.family;
    const all = (await this.#host.library?.summaries()) ?? [];
    return all.map((network) =>
      family === undefined || network.family === undefined ? network : { ...network, fits: network.family === family },
    );
  }

  async hold(held: boolean): Promise<void> {
    this.#gate.set(held);
  }

  async countTokens(prompt: string): Promise<{ count: number; limit: number }> {
    const model = this.#model?.loaded;
    const tokenizers = model?.tokenizers ?? (await this.#host.tokenizers(['clip']));
    return countTokens(prompt, model?.detected.family.encoders ?? [], tokenizers);
  }

  async dispose(): Promise<void> {
    this.#jobs.cancelAll();
    const open = this.#open;
    this.#model = undefined;
    this.#open = [];
    for (const { loaded } of open) await loaded.dispose();
    await this.#backend.dispose();
  }
}

/** Equal for files with equal bytes; undefined where that is not known. */
function contentKey({ id, sha256, sources }: OpenedFiles): string | undefined {
  if (sha256 === '') return undefined;
  return JSON.stringify([id, sha256, sources.map(({ name, sizeBytes, contentId }) => [name, sizeBytes, contentId])]);
}
