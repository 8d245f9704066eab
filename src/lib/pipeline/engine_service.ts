/**
 * The engine behind its contract: one backend, one current model, one job at a time. Everything it needs from its
 * surroundings is handed in, so the same class runs in the browser's worker and in tests.
 */
import type { Backend } from '../backends/backend';
import type { ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import { openTensorIndex } from '../formats/open_tensor_index';
import type { TensorIndex } from '../formats/tensor_index';
import { assembleModel } from '../models/assemble';
import { checkModel } from '../models/check_model';
import { detectFile } from '../models/detect';
import { chunkPrompt, tokenLimit } from '../prompt/chunks';
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
  PixelImage,
  StageTime,
} from '../rpc/engine';
import { JobQueue, type QueuePolicy } from '../rpc/job_queue';
import { StepGate } from '../rpc/step_gate';
import { generate, type GenerateHost } from './generate';
import { LoadedModel, type TokenizerSet } from './loaded_model';
import { modelSummary } from './model_summary';
import { NetworkStacks } from './networks';

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
  createBackend(options: EngineOptions): Promise<{ backend: Backend; reason: string }>;
  openFiles(source: ModelSource, onEvent: (event: JobEvent) => void): Promise<OpenedFiles>;
  tokenizers(): Promise<TokenizerSet>;
  encodePng(image: PixelImage, infotext: string): Promise<Blob>;
  randomSeed(): number;
  readonly isolated: boolean;
  /** Adapters, embeddings, upscalers and extensions that jobs may use. */
  readonly jobParts?: Pick<GenerateHost, 'resolveLora' | 'embeddings' | 'loadUpscaler' | 'extensions'>;
  /** What may be used beside models. */
  networks?(): Promise<readonly Omit<NetworkSummary, 'fits'>[]>;
}

export class EngineService implements EngineContract {
  readonly #host: EngineHost;
  readonly #jobs = new JobQueue();
  readonly #gate = new StepGate();
  readonly #networks = new NetworkStacks();
  #backend: { backend: Backend; reason: string } | undefined;
  #model: { loaded: LoadedModel; summary: ModelSummary } | undefined;
  #lastTimes: readonly StageTime[] = [];
  #options: EngineOptions | undefined;
  #source: ModelSource | undefined;
  #devicesLost = 0;

  constructor(host: EngineHost) {
    this.#host = host;
  }

  async start(options: EngineOptions): Promise<EngineStatus> {
    await this.dispose();
    this.#options = options;
    this.#backend = await this.#host.createBackend(options);
    return this.status();
  }

  async status(): Promise<EngineStatus> {
    const { backend, reason } = this.#started();
    const memory = backend.memory();
    return {
      backend: backend.id,
      backendLabel: backend.label,
      reason,
      info: backend.info,
      isolated: this.#host.isolated,
      weightsBytes: memory.weightsBytes,
      arenaBytes: memory.arenaBytes + memory.tensorBytes,
      lastTimes: this.#lastTimes,
      ...(this.#model ? { model: this.#model.summary } : {}),
    };
  }

  async openModel(source: ModelSource, onEvent: (event: JobEvent) => void): Promise<ModelSummary> {
    const { loaded, files, indexes } = await this.#load(source, onEvent);
    const summary = modelSummary(loaded.detected, {
      id: files.id,
      name: files.name,
      hash: loaded.hash,
      sizeBytes: files.sources.reduce((sum, file) => sum + file.sizeBytes, 0),
      indexes,
      defaults: files.defaults,
    });
    const previous = this.#model;
    this.#source = source;
    this.#model = { loaded, summary };
    // Behind whatever runs: a job keeps the model it started with.
    if (previous)
      await this.#jobs.run(`close ${previous.summary.id} ${performance.now()}`, 'queue', () =>
        previous.loaded.dispose(),
      );
    return summary;
  }

  /** Opens and joins a model's files. @throws AppError 'file/…', 'model/…' */
  async #load(
    source: ModelSource,
    onEvent: (event: JobEvent) => void,
  ): Promise<{ loaded: LoadedModel; files: OpenedFiles; indexes: TensorIndex[] }> {
    const { backend } = this.#started();
    const files = await this.#host.openFiles(source, onEvent);
    const indexes: TensorIndex[] = [];
    for (const file of files.sources) indexes.push(await openTensorIndex(file));
    const detected = assembleModel(indexes.map((index) => detectFile(index)));
    const missing = detected.missing.map((part) => part.label);
    if (missing.length > 0) {
      throw new AppError(
        'model/missing-part',
        `${detected.label}: needs ${missing.join(' and ')} as well; add ${missing.length > 1 ? 'their files' : 'its file'} to the model.`,
        { details: { missing } },
      );
    }
    checkModel(detected);
    const loaded = new LoadedModel({
      detected,
      backend,
      tokenizers: await this.#host.tokenizers(),
      id: files.id,
      name: files.name,
      hash: files.sha256.slice(0, 10),
    });
    return { loaded, files, indexes };
  }

  generate(
    jobId: string,
    request: GenerateRequest,
    onEvent: (event: JobEvent) => void,
    policy: QueuePolicy,
  ): Promise<JobResult> {
    const position = this.#jobs.ids.length;
    if (position > 0) onEvent({ kind: 'queued', position });
    return this.#jobs.run(jobId, policy, async (signal) => {
      const model = this.#model;
      if (!model) throw new AppError('model/missing-part', 'engine: no model is open; choose one first.');
      const seconds: LoadedModel[] = [];
      try {
        const result = await generate(model.loaded, request, {
          ...this.#host.jobParts,
          networks: this.#networks,
          loadModel: async (id) => {
            if (id === model.loaded.id) return model.loaded;
            const { loaded } = await this.#load({ kind: 'stored', id }, onEvent);
            seconds.push(loaded);
            return loaded;
          },
          onEvent,
          signal,
          betweenSteps: (aborted) => this.#gate.pass(aborted),
          encodePng: (image, infotext) => this.#host.encodePng(image, infotext),
          randomSeed: () => this.#host.randomSeed(),
        });
        this.#lastTimes = result.times;
        return result;
      } catch (error) {
        if (error instanceof AppError && error.code === 'backend/device-lost') await this.#recover(onEvent);
        throw error;
      } finally {
        for (const second of seconds) await second.dispose();
      }
    });
  }

  /**
   * After a lost device: a new backend and the same model, so that the next job works. The second loss in a visit
   * steps down to WebAssembly, which cannot lose a device.
   */
  async #recover(onEvent: (event: JobEvent) => void): Promise<void> {
    const options = this.#options;
    const source = this.#source;
    const lost = this.#backend;
    this.#devicesLost += 1;
    this.#model = undefined;
    this.#backend = undefined;
    // Its objects died with the device; what it still wants to say about that is of no use.
    await lost?.backend.dispose().catch(() => undefined);
    if (!options || !source) return;
    this.#backend = await this.#host.createBackend(this.#devicesLost > 1 ? { ...options, backend: 'wasm' } : options);
    await this.openModel(source, onEvent);
  }

  async interrupt(jobId: string): Promise<void> {
    this.#jobs.cancel(jobId);
  }

  async networks(): Promise<readonly NetworkSummary[]> {
    const family = this.#model?.summary.family;
    const all = (await this.#host.networks?.()) ?? [];
    return all.map((network) =>
      family === undefined || network.family === undefined ? network : { ...network, fits: network.family === family },
    );
  }

  async hold(held: boolean): Promise<void> {
    this.#gate.set(held);
  }

  async countTokens(prompt: string): Promise<{ count: number; limit: number }> {
    const { clip } = await this.#host.tokenizers();
    const { tokenCount } = chunkPrompt(prompt, clip);
    return { count: tokenCount, limit: tokenLimit(tokenCount) };
  }

  async dispose(): Promise<void> {
    this.#jobs.cancelAll();
    const model = this.#model;
    const backend = this.#backend;
    this.#model = undefined;
    this.#backend = undefined;
    await model?.loaded.dispose();
    await backend?.backend.dispose();
  }

  #started(): { backend: Backend; reason: string } {
    if (this.#backend) return this.#backend;
    throw new AppError('backend/unavailable', 'engine: it is not started yet; wait for it or reload the page.');
  }
}
