/** The one set of parameters, the running job and the pictures of this visit. */
import { toPlainError, type PlainError } from '../base/errors';
import type {
  GeneratedImage,
  GenerateRequest,
  JobEvent,
  JobResult,
  ModelSummary,
  PixelImage,
  SaveRequest,
  StageTime,
} from '../rpc/engine';
import type { EngineState } from './engine.svelte';
import { jobRequest, type InpaintSettings } from './parameters/job_request';

/** What the user edits; everything that decides a picture except the model. */
export type Parameters = {
  -readonly [K in keyof Omit<GenerateRequest, 'modelId' | 'previewEvery' | 'save'>]: GenerateRequest[K];
} & {
  /** How masks are used, whether there is one now or not. */
  inpaint?: Partial<InpaintSettings>;
  save?: Partial<SaveRequest>;
  /** Names of styles that join the prompts of the next job. */
  styles?: readonly string[];
};

export interface Result extends GeneratedImage {
  readonly id: string;
  readonly url: string;
  /** A sheet of several pictures. */
  readonly sheet: boolean;
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
  /** Of a plot or loopback: the picture it is at. */
  readonly cell?: { readonly cell: number; readonly cells: number; readonly labels: readonly string[] };
}

/** Puts styles and wildcards in; several jobs when every picture draws its own words. */
export type ComposeJobs = (
  parameters: Parameters,
) => Promise<{ readonly jobs: readonly Parameters[]; readonly missing: readonly string[] }>;

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
  /** Styles and wildcards of the last job that are not here. */
  missing: readonly string[] = $state.raw([]);
  readonly running: boolean = $derived(this.progress !== undefined);
  /** Told of every finished picture, to keep it. */
  onImage: ((result: Result) => void) | undefined;
  /** Told when a job begins and ends; the number of its pictures at the end. */
  onRunning: ((running: boolean, pictures: number) => void) | undefined;
  /** Brings what follows the sketch up to date; called before a request is made. */
  prepare: () => Promise<void> = () => Promise.resolve();
  compose: ComposeJobs = (parameters) => Promise.resolve({ jobs: [parameters], missing: [] });
  readonly #engine: EngineState;
  #count = 0;
  /** The model that has drawn here, or was made ready to. */
  #anticipated: string | undefined;
  #stopped = false;

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
    delete this.parameters.modelOptions;
    if (model.defaults.distilledGuidance === undefined) delete this.parameters.distilledGuidance;
  }

  /** Replaces the parameters, touching only what differs, so that only what shows it is drawn anew. */
  change(next: Parameters): void {
    const now = this.parameters as Record<string, unknown>;
    const wanted = next as Readonly<Record<string, unknown>>;
    for (const key of Object.keys(now)) if (!(key in wanted)) delete now[key];
    for (const [key, value] of Object.entries(wanted)) if (now[key] !== value) now[key] = value;
  }

  /** The engine's request for parameters, with the page's own fields folded in. */
  request(parameters: Parameters): Omit<GenerateRequest, 'modelId' | 'previewEvery'> {
    return jobRequest(parameters, randomSeed);
  }

  /** While the first prompt is typed, the engine makes ready for its picture; once a model. */
  anticipate(): void {
    const modelId = this.#engine.model?.id;
    if (modelId === undefined || this.running || this.#anticipated === modelId) return;
    this.#anticipated = modelId;
    this.#engine.prepare({ ...this.request($state.snapshot(this.parameters)), modelId, previewEvery: 0 });
  }

  /** @param extra  what only this job has: a starting picture, another size */
  /** @param given  settings of a waiting job instead of the form's */
  async run(extra: Partial<Parameters> = {}, given?: Parameters): Promise<void> {
    if (this.running || !this.#engine.model) return;
    if (!given) await this.prepare();
    const parameters: Parameters = { ...(given ?? $state.snapshot(this.parameters)), ...extra };
    const { variation } = parameters;
    // Drawn here, so that "use these settings" knows it.
    if (variation?.seed === -1) parameters.variation = { ...variation, seed: randomSeed() };
    const jobId = `job-${Date.now()}-${++this.#count}`;
    let made = 0;
    this.error = undefined;
    this.notices = [];
    this.#stopped = false;
    this.onRunning?.(true, 0);
    this.progress = { jobId, event: undefined, step: 0, steps: parameters.steps };
    try {
      const { jobs, missing } = await this.compose(parameters);
      this.missing = missing;
      for (const [i, job] of jobs.entries()) {
        if (this.#stopped) break;
        made += await this.#runOne(jobs.length === 1 ? jobId : `${jobId}-${i}`, job);
      }
    } catch (error) {
      const plain = toPlainError(error);
      if (plain.code !== 'job/cancelled' && plain.code !== 'job/superseded') this.error = plain;
    } finally {
      this.progress = undefined;
      this.onRunning?.(false, made);
    }
  }

  /** @returns how many pictures it made */
  async #runOne(jobId: string, parameters: Parameters): Promise<number> {
    const made: Result[] = [];
    this.progress = { jobId, event: undefined, step: 0, steps: parameters.steps };
    const onEvent = (event: JobEvent) => {
      if (!this.progress) return;
      this.progress = follow(this.progress, event);
      // Said once: a hook may fail at every step.
      if (event.kind === 'notice' && !this.notices.includes(event.message)) {
        this.notices = [...this.notices, event.message];
      }
      if (event.kind === 'image') made.push(this.#keep(event.image, jobId, parameters));
    };
    const modelId = this.#engine.model?.id ?? '';
    this.#anticipated = modelId;
    const request: GenerateRequest = { ...this.request(parameters), modelId, previewEvery: 2 };
    const result = await this.#engine.generate(jobId, request, onEvent);
    this.#finish(made, result);
    for (const [i, sheet] of [...(result.grid ? [result.grid] : []), ...(result.subGrids ?? [])].entries()) {
      this.#keep(sheet, `${jobId}-sheet${i}`, parameters, true);
    }
    return made.length;
  }

  /** Times and interruption are known when the job is over. */
  #finish(made: readonly Result[], { times, interrupted }: JobResult): void {
    const finished = made.map((image) => ({ ...image, times, interrupted }));
    this.results = this.results.map((old) => finished.find((image) => image.id === old.id) ?? old);
    this.shown = finished.find((image) => image.id === this.shown?.id) ?? this.shown;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.progress) await this.#engine.interrupt(this.progress.jobId);
  }

  /** Puts a picture's settings back into the form, its seed included. */
  reuse(result: Result): void {
    this.change({ ...result.parameters, seed: result.seed, batchCount: 1, batchSize: 1 });
  }

  #keep(image: GeneratedImage, jobId: string, parameters: Parameters, sheet = false): Result {
    const url = URL.createObjectURL(image.file);
    const id = `${jobId}-${image.index}`;
    const result = { ...image, id, url, sheet, parameters, times: [], interrupted: false };
    this.results = [result, ...this.results];
    this.shown = result;
    this.onImage?.(result);
    return result;
  }
}

function follow(before: Progress, event: JobEvent): Progress {
  if (event.kind === 'cell') {
    const { cell, cells, labels } = event;
    return { ...before, event, cell: { cell, cells, labels } };
  }
  if (event.kind !== 'step') return { ...before, event };
  const { step, steps, remainingMs } = event;
  const preview = event.preview ?? before.preview;
  return {
    jobId: before.jobId,
    event,
    step,
    steps,
    ...(remainingMs === undefined ? {} : { remainingMs }),
    ...(preview ? { preview } : {}),
    ...(before.cell ? { cell: before.cell } : {}),
  };
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}
