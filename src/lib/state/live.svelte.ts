/**
 * Live painting: the canvas becomes a picture while it is drawn. When to generate is the scheduler's decision
 * (canvas/live_scheduler); here are the clock, the jobs and what the interface shows of them.
 */
import { toPlainError, type PlainError } from '../base/errors';
import type { Rect } from '../canvas/geometry/rect';
import { regionOfChange, type LiveRegion } from '../canvas/live_region';
import {
  averageMs,
  beginLive,
  draftStepCount,
  liveEvaluations,
  reduceLive,
  sameLiveInput,
  type LiveEvent,
  type LiveInput,
  type LiveJobKind,
  type LiveState as Schedule,
} from '../canvas/live_scheduler';
import type { GeneratedImage, GenerateRequest, InitRequest, JobEvent } from '../rpc/engine';
import type { EngineState } from './engine.svelte';
import { inpaintRequest } from './parameters/job_request';
import type { GenerationState } from './generation.svelte';
import { ChangeTracker, cropPixels, joinPatch, regionInSketch } from './live_patch';
import { settingsKey } from './settings_key';
import type { StudioState } from './studio.svelte';

export type LivePhase = 'off' | 'waiting' | 'drawing' | 'thinking' | 'shown' | 'refined';

export interface LiveResult extends GeneratedImage {
  readonly id: string;
  readonly url: string;
  readonly kind: LiveJobKind | 'full';
  readonly ms: number;
}

/** Enough to go back to an idea; each is a small PNG. */
const RESULTS_KEPT = 24;
const SEED_MAX = 2 ** 32;
/** With this many cores or fewer, a picture computed on the CPU and ink are in each other's way. */
const FEW_CORES = 4;
/** Above this a part becomes a whole subject of its own (seen at 0.7: a small apple in the large one). */
const REGION_STRENGTH_MAX = 0.35;
/** Strokes of one hatching follow each other within this time; a step between them would be felt. */
const NEXT_STROKE_MS = 350;

export class LiveState {
  on = $state(false);
  phase: LivePhase = $state('off');
  /** How far a picture may leave the sketch, 0..1. */
  strength = $state(0.7);
  /** Measured time of one run of the network on the whole picture; undefined before the first picture. */
  #stepMs: number | undefined = $state();
  /** Steps of a draft, as many as this device has time for; a rested pen gets the parameters' own number. */
  readonly #draftSteps = $derived(draftStepCount(this.#stepMs, this.strength, this.#fullSteps()));
  seedLocked = $state(true);
  seed = $state(randomSeed());
  results: readonly LiveResult[] = $state.raw([]);
  shown: LiveResult | undefined = $state.raw();
  error: PlainError | undefined = $state.raw();
  /** Runs of the network per draft and per refined picture. */
  readonly evaluations = $derived({
    draft: liveEvaluations(this.strength, this.#draftSteps),
    refine: liveEvaluations(this.strength, this.#fullSteps()),
  });

  readonly #engine: EngineState;
  readonly #generation: GenerationState;
  readonly #studio: StudioState;
  #schedule: Schedule = beginLive();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #release: ReturnType<typeof setTimeout> | undefined;
  #jobName: string | undefined;
  #lastSeed = 0;
  #count = 0;
  #stepMark: { readonly jobId: number; readonly step: number; readonly elapsedMs: number } | undefined;
  readonly #changes = new ChangeTracker();
  /** What the newest live picture shows; one brought back from the history is not it. */
  #shownInput: LiveInput | undefined;
  #shownId: string | undefined;

  constructor(engine: EngineState, generation: GenerationState, studio: StudioState) {
    this.#engine = engine;
    this.#generation = generation;
    this.#studio = studio;
    // Not at the next poll: every step computed under the pen is felt on a small processor.
    studio.onPen = () => {
      this.#wake(performance.now());
      this.#holdEngine();
    };
    studio.listen(({ damage }) => this.#changes.note(damage));
  }

  start(): void {
    if (this.on) return;
    this.on = true;
    this.error = undefined;
    this.phase = 'waiting';
    this.#schedule = { ...beginLive(), nextJobId: this.#schedule.nextJobId };
    this.#wake(performance.now());
  }

  /** Ends at once; the running job is stopped. */
  stop(): void {
    if (!this.on) return;
    this.on = false;
    this.phase = 'off';
    clearTimeout(this.#timer);
    this.#send({ type: 'pause', t: performance.now() });
  }

  /** The studio is left: nobody draws, nothing waits for a pen. */
  leave(): void {
    this.stop();
    clearTimeout(this.#release);
    this.#engine.hold(false);
  }

  /** The tab is hidden: nothing is computed for nobody. */
  setHidden(hidden: boolean): void {
    if (!this.on) return;
    this.#send({ type: hidden ? 'pause' : 'resume', t: performance.now() });
    if (hidden) clearTimeout(this.#timer);
  }

  newSeed(): void {
    this.seed = randomSeed();
    this.#generation.parameters.seed = -1;
  }

  /** The canvas as a starting picture, with its mask when there is one. */
  init(): InitRequest | undefined {
    const image = this.#studio.flatPicture();
    if (!image) return undefined;
    const mask = this.#studio.mask();
    return {
      image,
      strength: this.strength,
      resizeMode: 'just',
      ...(mask ? { inpaint: inpaintRequest(mask, this.#generation.parameters) } : {}),
    };
  }

  /** Size of a picture of the canvas: its shape, with as many pixels as the parameters ask for. */
  jobSize(): { readonly widthPx: number; readonly heightPx: number } {
    const { widthPx, heightPx } = this.#generation.parameters;
    const { width, height } = this.#studio.size;
    if (width === 0 || height === 0) return { widthPx, heightPx };
    const step = this.#engine.model?.sizeStepPx ?? 8;
    const scale = Math.sqrt((widthPx * heightPx) / (width * height));
    const round = (side: number) => Math.max(step, Math.round((side * scale) / step) * step);
    return { widthPx: round(width), heightPx: round(height) };
  }

  /** A full picture of the canvas with all the steps, kept among the session's pictures too. */
  async generate(): Promise<void> {
    const init = this.init();
    if (!init) return;
    const startedAt = performance.now();
    const before = this.#generation.results[0];
    await this.#generation.run({ init, ...this.jobSize() });
    const made = this.#generation.results[0];
    if (made && made !== before) {
      this.#keep({ ...made, id: `full-${made.id}`, kind: 'full', ms: performance.now() - startedAt });
    }
  }

  #fullSteps(): number {
    return this.#generation.parameters.steps;
  }

  #input(): LiveInput {
    const { parameters } = this.#generation;
    const { prompt, negativePrompt, seed } = parameters;
    return {
      revision: this.#studio.engine?.revision ?? 0,
      prompt: `${prompt}\n${negativePrompt}`,
      strength: this.strength,
      seed: seed >= 0 ? seed : this.seedLocked ? this.seed : -1,
      settings: `${this.#engine.model?.id ?? ''} ${this.#studio.document.id} ${settingsKey(parameters)}`,
    };
  }

  /** The part that a draft must draw anew, when the sketch alone changed and only there. */
  #region(kind: LiveJobKind, input: LiveInput, init: InitRequest, change: Rect): LiveRegion | undefined {
    const { model } = this.#engine;
    const { shown } = this;
    const onlyInk = this.#shownInput && sameLiveInput({ ...this.#shownInput, revision: input.revision }, input);
    // A mask or a control picture speaks of the whole.
    if (kind === 'refine' || !onlyInk || !shown || !model || init.inpaint || this.#generation.parameters.control) {
      return undefined;
    }
    if (this.strength > REGION_STRENGTH_MAX) return undefined;
    const { widthPx: width, heightPx: height } = this.jobSize();
    if (shown.id !== this.#shownId || shown.widthPx !== width || shown.heightPx !== height) return undefined;
    return regionOfChange(change, {
      document: this.#studio.size,
      picture: { width, height },
      minSidePx: Math.max(model.nativeWidthPx, model.nativeHeightPx),
      stepPx: model.sizeStepPx,
      averageMs: averageMs(this.#schedule),
    });
  }

  /** The picture may wait, ink may not: on a small CPU nothing is computed while the pen is down. */
  #penFirst(): boolean {
    return this.#studio.drawing && this.#sharesCores();
  }

  #sharesCores(): boolean {
    const onCpu = this.#engine.status?.backend.includes('wasm') ?? true;
    return onCpu && navigator.hardwareConcurrency <= FEW_CORES;
  }

  /** Also for jobs that were started by a button: they rest between their steps until the hand does. */
  #holdEngine(): void {
    clearTimeout(this.#release);
    if (!this.#sharesCores()) return;
    if (this.#studio.drawing) this.#engine.hold(true);
    else this.#release = setTimeout(() => this.#engine.hold(false), NEXT_STROKE_MS);
  }

  #wake(at: number): void {
    clearTimeout(this.#timer);
    if (!this.on) return;
    this.#timer = setTimeout(() => this.#poll(), Math.max(0, at - performance.now()));
  }

  #poll(): void {
    const t = performance.now();
    const busy = this.#engine.phase !== 'ready' || this.#generation.running;
    if (busy || this.#studio.blank) {
      this.#wake(t + this.#schedule.config.pollMs);
      return;
    }
    if (this.#penFirst()) {
      if (!this.#schedule.paused) this.#send({ type: 'pause', t });
      this.phase = 'drawing';
      this.#wake(t + this.#schedule.config.pollMs);
      return;
    }
    if (this.#schedule.paused) this.#schedule = reduceLive(this.#schedule, { type: 'resume', t }).state;
    const input = this.#input();
    this.#send({ type: 'tick', t, input, penDown: this.#studio.drawing });
    if (this.#studio.drawing && this.phase !== 'thinking') this.phase = 'drawing';
    else if (this.phase === 'drawing' && !this.#schedule.job) this.phase = this.shown ? 'shown' : 'waiting';
  }

  #send(event: LiveEvent): void {
    const { state, commands } = reduceLive(this.#schedule, event);
    this.#schedule = state;
    for (const command of commands) {
      if (command.type === 'wake') this.#wake(command.at);
      else if (command.type === 'cancel') void this.#interrupt();
      else void this.#run(command.jobId, command.kind, command.input);
    }
  }

  async #interrupt(): Promise<void> {
    if (this.#jobName !== undefined) await this.#engine.interrupt(this.#jobName);
  }

  async #run(jobId: number, kind: LiveJobKind, input: LiveInput): Promise<void> {
    const startedAt = performance.now();
    const init = this.init();
    const model = this.#engine.model;
    const ended = (outcome: 'done' | 'failed' | 'cancelled') =>
      this.#send({ type: 'job-ended', t: performance.now(), jobId, outcome });
    if (!init || !model) {
      ended('cancelled');
      return;
    }
    if (this.on) this.phase = 'thinking';
    const name = `live-${Date.now()}-${++this.#count}`;
    this.#jobName = name;
    // A refined picture is the same idea as its draft: the same noise, more steps.
    if (kind === 'draft') this.#lastSeed = input.seed >= 0 ? input.seed : randomSeed();
    const change = this.#changes.begin();
    const region = this.#region(kind, input, init, change);
    const base = this.shown;
    try {
      await this.#generation.prepare();
      const request = this.#request(kind, model.id, init, region);
      const result = await this.#engine.generate(
        name,
        request,
        (event) => this.#follow(event, jobId, region),
        'latest',
      );
      const [made] = result.images;
      if (result.interrupted || !made) {
        ended('cancelled');
        return;
      }
      const image = region && base ? await joinPatch(base, made, region) : made;
      const url = URL.createObjectURL(image.file);
      this.#keep({ ...image, id: name, url, kind, ms: performance.now() - startedAt });
      this.#changes.delivered();
      this.#shownInput = input;
      this.#shownId = name;
      this.error = undefined;
      if (this.on) this.phase = kind === 'refine' ? 'refined' : 'shown';
      ended('done');
    } catch (error) {
      const plain = toPlainError(error);
      const stopped = plain.code === 'job/cancelled' || plain.code === 'job/superseded';
      if (!stopped) {
        this.error = plain;
        if (this.on) this.phase = 'waiting';
      }
      ended(stopped ? 'cancelled' : 'failed');
    }
  }

  #request(kind: LiveJobKind, modelId: string, init: InitRequest, region: LiveRegion | undefined): GenerateRequest {
    const parameters = $state.snapshot(this.#generation.parameters);
    const size = this.jobSize();
    const part = region && {
      widthPx: region.box.width,
      heightPx: region.box.height,
      init: { ...init, image: cropPixels(init.image, regionInSketch(region, size, init.image)) },
    };
    // One idea at a time: what multiplies pictures or draws them twice waits for a full generation.
    const {
      plot: _plot,
      loopback: _loopback,
      hires: _hires,
      grid: _grid,
      ...rest
    } = this.#generation.request(parameters);
    return {
      ...rest,
      ...size,
      modelId,
      steps: kind === 'draft' ? Math.min(this.#draftSteps, parameters.steps) : parameters.steps,
      seed: this.#lastSeed,
      batchCount: 1,
      batchSize: 1,
      init,
      previewEvery: 0,
      ...part,
    };
  }

  #follow(event: JobEvent, jobId: number, region: LiveRegion | undefined): void {
    if (event.kind !== 'step') return;
    const { step, steps, elapsedMs } = event;
    // Regions are smaller, and first steps compile: only whole pictures say what a run costs.
    if (!region && step > 1) {
      if (this.#stepMark?.jobId === jobId) {
        const ms = (elapsedMs - this.#stepMark.elapsedMs) / (step - this.#stepMark.step);
        if (ms > 0) this.#stepMs = this.#stepMs === undefined ? ms : 0.7 * this.#stepMs + 0.3 * ms;
      }
      this.#stepMark = { jobId, step, elapsedMs };
    }
    this.#send({ type: 'step-done', t: performance.now(), jobId, step, steps });
  }

  /** Refining replaces its draft in the list: one entry per idea. */
  #keep(result: LiveResult): void {
    const [last] = this.results;
    const replaces = result.kind === 'refine' && last?.kind === 'draft' && last.seed === result.seed;
    const rest = replaces ? this.results.slice(1) : this.results;
    const dropped = [...(replaces && last ? [last] : []), ...rest.slice(RESULTS_KEPT - 1)];
    this.results = [result, ...rest.slice(0, RESULTS_KEPT - 1)];
    this.shown = result;
    // Full pictures belong to the session's list, which owns their URLs.
    for (const old of dropped) if (old.kind !== 'full') URL.revokeObjectURL(old.url);
  }
}

function randomSeed(): number {
  return Math.floor(Math.random() * SEED_MAX);
}
