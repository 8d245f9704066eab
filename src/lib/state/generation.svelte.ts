/** The one set of parameters, the running job and the pictures of this visit. */
import { toPlainError, type PlainError } from '../base/errors';
import type { GeneratedImage, GenerateRequest, JobEvent, ModelSummary, PixelImage, StageTime } from '../rpc/engine';
import type { EngineState } from './engine.svelte';

/** What the user edits; everything that decides a picture except the model. */
export type Parameters = {
  -readonly [K in keyof Omit<GenerateRequest, 'modelId' | 'previewEvery'>]: GenerateRequest[K];
};

export interface Result extends GeneratedImage {
  readonly id: string;
  readonly url: string;
  readonly parameters: Parameters;
  readonly times: readonly StageTime[];
  readonly interrupted: boolean;
}

export interface Progress {
  readonly jobId: string;
  readonly event: JobEvent | undefined;
  readonly step: number;
  readonly steps: number;
  readonly remainingMs?: number;
  readonly preview?: PixelImage;
}

const DEFAULTS: Parameters = {
  prompt: '',
  negativePrompt: '',
  steps: 20,
  cfgScale: 5,
  sampler: 'dpmpp_2m',
  schedule: 'automatic',
  seed: -1,
  widthPx: 128,
  heightPx: 128,
  batchSize: 1,
  batchCount: 1,
  clipSkip: 1,
  noiseSource: 'NV',
};

export class GenerationState {
  parameters: Parameters = $state({ ...DEFAULTS });
  progress: Progress | undefined = $state.raw();
  results: readonly Result[] = $state.raw([]);
  shown: Result | undefined = $state.raw();
  error: PlainError | undefined = $state.raw();
  /** What the last job did in another way than asked, such as leaving out the end of a prompt. */
  notices: readonly string[] = $state.raw([]);
  readonly running: boolean = $derived(this.progress !== undefined);
  /** Told of every finished picture, to keep it. */
  onImage: ((result: Result) => void) | undefined;
  /** Told when a job begins and ends; the number of its pictures at the end. */
  onRunning: ((running: boolean, pictures: number) => void) | undefined;
  readonly #engine: EngineState;
  #count = 0;

  constructor(engine: EngineState) {
    this.#engine = engine;
  }

  /** Takes the model's own size, steps, guidance and sampler; prompts and seed stay. */
  useDefaults(model: ModelSummary): void {
    Object.assign(this.parameters, {
      ...model.defaults,
      widthPx: model.nativeWidthPx,
      heightPx: model.nativeHeightPx,
    });
  }

  /** @param extra  what only this job has: a starting picture, another size */
  /** @param given  settings of a waiting job instead of the form's */
  async run(extra: Partial<GenerateRequest> = {}, given?: Parameters): Promise<void> {
    if (this.running || !this.#engine.model) return;
    const parameters: Parameters = given ?? $state.snapshot(this.parameters);
    const jobId = `job-${Date.now()}-${++this.#count}`;
    const made: Result[] = [];
    this.error = undefined;
    this.notices = [];
    this.onRunning?.(true, 0);
    this.progress = { jobId, event: undefined, step: 0, steps: parameters.steps };
    const onEvent = (event: JobEvent) => {
      const before = this.progress;
      if (!before) return;
      if (event.kind === 'step') {
        const preview = event.preview ?? before.preview;
        const { step, steps, remainingMs } = event;
        this.progress = {
          jobId,
          event,
          step,
          steps,
          ...(remainingMs === undefined ? {} : { remainingMs }),
          ...(preview ? { preview } : {}),
        };
        return;
      }
      // Said once: a hook may fail at every step.
      if (event.kind === 'notice' && !this.notices.includes(event.message)) {
        this.notices = [...this.notices, event.message];
      }
      if (event.kind === 'image') made.push(this.#keep(event.image, jobId, parameters));
      this.progress = { ...before, event };
    };
    try {
      const request: GenerateRequest = { ...parameters, modelId: this.#engine.model.id, previewEvery: 2, ...extra };
      const result = await this.#engine.generate(jobId, request, onEvent);
      const finished = made.map((image) => ({ ...image, times: result.times, interrupted: result.interrupted }));
      this.results = this.results.map((old) => finished.find((image) => image.id === old.id) ?? old);
      this.shown = finished.find((image) => image.id === this.shown?.id) ?? this.shown;
    } catch (error) {
      const plain = toPlainError(error);
      if (plain.code !== 'job/cancelled' && plain.code !== 'job/superseded') this.error = plain;
    } finally {
      this.progress = undefined;
      this.onRunning?.(false, made.length);
    }
  }

  async stop(): Promise<void> {
    if (this.progress) await this.#engine.interrupt(this.progress.jobId);
  }

  /** Puts a picture's settings back into the form, its seed included. */
  reuse(result: Result): void {
    Object.assign(this.parameters, { ...result.parameters, seed: result.seed, batchCount: 1, batchSize: 1 });
  }

  #keep(image: GeneratedImage, jobId: string, parameters: Parameters): Result {
    const url = URL.createObjectURL(image.file);
    const result = { ...image, id: `${jobId}-${image.index}`, url, parameters, times: [], interrupted: false };
    this.results = [result, ...this.results];
    this.shown = result;
    this.onImage?.(result);
    return result;
  }
}
