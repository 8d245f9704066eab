/** One running job: what is prepared once, the passes of a batch, and the way of its latents into files. */
import type { HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import type { HookRunner } from '../extensions/api';
import type { GeneratedImage, JobStage, PixelImage } from '../rpc/engine';
import { hiresSize } from '../sampling/img2img/hires_size';
import type { ModelSampling } from '../sampling/model_sampling';
import { preparePrompt, type PreparedPrompt } from '../prompt/plan';
import { decodeLatent, encodeImage } from './autoencoder';
import { correctColors } from './color_correction';
import { ConditionPlan } from './conditions';
import { ControlSet, type ControlUnit } from './control/control_set';
import { openUnits } from './control/open_units';
import { EmbeddingSet } from './embeddings';
import type { GenerateHost } from './generate';
import { imageGrid } from './image_grid';
import { compose, fillLatent, type PreparedMask } from './inpaint';
import type { JobClock } from './job_clock';
import type { HiresSettings, JobSettings } from './job_settings';
import { pickLatent, stackLatents } from './latents';
import type { ChosenVae, LoadedModel } from './loaded_model';
import { maskPicture } from './mask_image';
import { describeImage } from './metadata';
import { modelSampling } from './model_sampling';
import { NetworkStacks } from './networks';
import { batchSeeds, JobNoise } from './noise_source';
import { openRefiner } from './refiner';
import { savePicture } from './save_picture';
import { runPass, type PassOptions } from './run_pass';
import type { DenoiserSetup, SampledBatch } from './sample_batch';
import { placeMask, softOverlay } from './soft_inpaint';
import { extraInputs, prepareStart, type StartPicture } from './start_picture';
import { truncateLatents, upscaleLatents, upscalePicture } from './upscale';
import { findUpscaler, type Upscaler } from './upscalers';

export interface JobParts {
  readonly host: GenerateHost;
  readonly hooks: HookRunner;
  readonly clock: JobClock;
}

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

interface HiresPlan extends HiresSettings {
  readonly size: Size;
  readonly cut: { readonly truncateX: number; readonly truncateY: number };
  readonly upscaler: Upscaler;
}

export class Job {
  readonly #model: LoadedModel;
  readonly #settings: JobSettings;
  readonly #parts: JobParts;
  readonly #start: StartPicture | undefined;
  readonly #hires: HiresPlan | undefined;
  readonly #refiner: LoadedModel | undefined;
  readonly #control: readonly ControlUnit[];
  readonly #stacks: NetworkStacks;
  readonly #embeddings: EmbeddingSet | undefined;
  #loraHashes: ReadonlyMap<string, string> = new Map();
  #notices = new Set<string>();

  private constructor(
    model: LoadedModel,
    settings: JobSettings,
    parts: JobParts,
    prepared: {
      start: StartPicture | undefined;
      hires: HiresPlan | undefined;
      refiner: LoadedModel | undefined;
      control: readonly ControlUnit[];
    },
  ) {
    this.#model = model;
    this.#settings = settings;
    this.#parts = parts;
    this.#start = prepared.start;
    this.#hires = prepared.hires;
    this.#refiner = prepared.refiner;
    this.#control = prepared.control;
    this.#stacks = parts.host.networks ?? new NetworkStacks();
    const { embeddings = [] } = parts.host;
    this.#embeddings = embeddings.length > 0 ? new EmbeddingSet(embeddings) : undefined;
  }

  /** Checks and prepares everything that all batches share. */
  static async open(model: LoadedModel, settings: JobSettings, parts: JobParts): Promise<Job> {
    const { host, hooks } = parts;
    const { request } = settings;
    stageEvent(parts, settings, 'encode', 0);
    const refiner = request.refiner && (await openRefiner(model, request.refiner.modelId, host.loadModel));
    model.useVae(request.vaeId === undefined ? undefined : await openVae(request.vaeId, host.loadVae));
    const control = await openUnits(model, request.control ?? [], host.loadControl);
    await model.keepOnly('control ', ControlSet.components(control));
    model.residency.keepLongest(model, request.modelOptions?.freeTextEncoders === 'keep' ? isTextEncoder : () => false);
    const hires = settings.hires && (await planHires(model, settings, settings.hires, host));
    const onNotice = (message: string) => host.onEvent({ kind: 'notice', code: 'settings', message });
    const start = await prepareStart(model, { request, hooks, signal: host.signal, onNotice });
    return new Job(model, settings, parts, { start, hires, refiner, control });
  }

  /** All passes of one batch. */
  async sample(batch: number): Promise<SampledBatch> {
    const { request, sampler, schedule, samplerOptions } = this.#settings;
    const { hooks, host } = this.#parts;
    const seeds = batchSeeds(request, this.#settings.seed, batch);
    const facts = { batch, ...seeds, prompts: seeds.seeds.map(() => request.prompt) };
    this.#enter('encode');
    const { prompt, negativePrompt } = await hooks.emit('beforeBatch', {
      ...facts,
      prompt: request.prompt,
      negativePrompt: request.negativePrompt,
    });
    const comments = request.emphasis !== 'ComfyUI';
    const texts = preparePrompt(prompt, negativePrompt, { comments });
    await this.#activate(this.#model, texts, facts);
    await hooks.emit('batch', facts);
    const size = { widthPx: request.widthPx, heightPx: request.heightPx };
    const names = { sampler, schedule, samplerOptions };
    const setup = await this.#setup(this.#model, texts, size, { names });
    const shape = this.#latentShape(size);
    const noise = this.#noise(batch, names, shape);
    const start = this.#start;
    const { inpaint } = start ?? {};
    const clean =
      start && inpaint
        ? fillLatent(
            inpaint.encoded,
            request.init?.inpaint?.fill ?? 'original',
            this.#noise(batch, names, shape).next(),
          )
        : start?.latents;
    this.#enter('denoise');
    stageEvent(this.#parts, this.#settings, 'denoise', batch);
    const joins = request.refiner?.pass ?? 'second';
    const first = await this.#run({
      ...setup,
      pass: start ? 'img2img' : 'txt2img',
      request,
      names,
      steps: request.steps,
      cfgScale: request.cfgScale,
      shape,
      noise,
      init: start && clean && { latents: clean, strength: start.strength, exact: start.exact },
      mask: inpaint && clean && { mask: inpaint.encoded.latentMask, init: clean, soft: request.init?.inpaint?.soft },
      refiner: !this.#hires || joins !== 'second' ? this.#refinerOf(texts, size, facts, { names }) : undefined,
      startNoise: host.startNoise,
      hooks,
      signal: host.signal,
      batch,
      onEvent: host.onEvent,
      betweenSteps: host.betweenSteps,
    });
    if (!this.#hires || first.interrupted) return first;
    try {
      return await this.#secondPass(this.#hires, first.latents, texts, facts);
    } catch (error) {
      // Stopped before the second pass gave anything: the first pass's picture exists.
      if (!(error instanceof AppError) || error.code !== 'job/cancelled') throw error;
      return { ...first, interrupted: true };
    }
  }

  async #secondPass(
    plan: HiresPlan,
    latents: HostTensor,
    first: PreparedPrompt,
    facts: BatchFacts,
  ): Promise<SampledBatch> {
    const { request } = this.#settings;
    const { hooks, host } = this.#parts;
    const { batch } = facts;
    const { hires } = request;
    if (!hires) return { latents, interrupted: false };
    this.#enter('upscale');
    stageEvent(this.#parts, this.#settings, 'upscale', batch);
    const enlarged = await this.#enlarge(plan, latents);
    this.#enter('encode');
    const comments = request.emphasis !== 'ComfyUI';
    const own = preparePrompt(hires.prompt, hires.negativePrompt, { comments });
    const texts: PreparedPrompt = {
      ...(hires.prompt === '' ? first : own),
      styledNegative: hires.negativePrompt === '' ? first.styledNegative : own.styledNegative,
    };
    await this.#activate(this.#model, texts, facts);
    const [, , height = 0, width = 0] = enlarged.shape;
    const { stride } = this.#model.detected.latent;
    const size = { widthPx: width * stride, heightPx: height * stride };
    const steps = hires.steps > 0 ? hires.steps : request.steps;
    const setup = await this.#setup(this.#model, texts, size, { names: plan, hiresSteps: steps });
    await hooks.emit('beforeHires', { batch, ...size });
    const shape = this.#latentShape(size);
    this.#enter('denoise');
    stageEvent(this.#parts, this.#settings, 'denoise', batch);
    const joins = request.refiner?.pass ?? 'second';
    return this.#run({
      ...setup,
      pass: 'hires',
      request,
      names: plan,
      steps,
      cfgScale: hires.cfgScale ?? request.cfgScale,
      shape,
      noise: this.#noise(batch, plan, shape),
      init: { latents: enlarged, strength: hires.strength, exact: true },
      refiner: joins === 'first' ? undefined : this.#refinerOf(texts, size, facts, { names: plan, hiresSteps: steps }),
      hooks,
      signal: host.signal,
      batch,
      onEvent: host.onEvent,
      betweenSteps: host.betweenSteps,
    });
  }

  async #run(options: PassOptions): Promise<SampledBatch> {
    try {
      return await runPass(options);
    } finally {
      options.control?.dispose();
    }
  }

  async #enlarge({ upscaler, size, cut }: HiresPlan, latents: HostTensor): Promise<HostTensor> {
    const { stride } = this.#model.detected.latent;
    const { signal } = this.#parts.host;
    if (upscaler.kind === 'latent') {
      const target = { height: size.heightPx / stride, width: size.widthPx / stride, ...cut };
      return upscaleLatents(latents, target, upscaler.mode);
    }
    const tiling = this.#settings.request.tiling === true;
    const encoded: HostTensor[] = [];
    for (let i = 0; i < (latents.shape[0] ?? 1); i++) {
      const picture = await decodeLatent(this.#model, pickLatent(latents, i), { tiling, signal });
      const large = await upscalePicture(this.#model, upscaler, picture, { ...size, signal });
      encoded.push(await encodeImage(this.#model, large, { tiling, signal }));
    }
    return truncateLatents(stackLatents(encoded), cut);
  }

  /** Decodes, lets extensions see, pastes back, saves: one picture after another. */
  async *finish(latents: HostTensor, batch: number): AsyncGenerator<{ image: GeneratedImage; picture: PixelImage }> {
    const { request } = this.#settings;
    const { hooks } = this.#parts;
    this.#enter('decode');
    stageEvent(this.#parts, this.#settings, 'decode', batch);
    const tiling = request.tiling === true;
    const decoded: PixelImage[] = [];
    // An interrupted job decodes what it has, so the signal plays no part here.
    for (let i = 0; i < request.batchSize; i++) {
      decoded.push(await decodeLatent(this.#model, pickLatent(latents, i), { tiling }));
    }
    await hooks.emit('afterBatch', { batch, images: decoded });
    const { images } = await hooks.emit('afterBatchList', { batch, images: decoded });
    for (const [i, start] of images.entries()) {
      const told = await hooks.emit('image', { index: i, image: start });
      told.image = this.#corrected(told.image);
      const prepared = this.#overlaid(latents, i);
      await hooks.emit('maskOverlay', { index: i, overlay: prepared && maskPicture(prepared.overlay) });
      const whole = prepared ? compose(prepared, told.image) : told.image;
      const { image: picture } = await hooks.emit('imageComposited', { index: i, image: whole });
      const index = batch * request.batchSize + i;
      const { seed, infotext } = this.#describe(index);
      this.#enter('save');
      yield { image: await this.#save(picture, { index, seed, infotext }), picture };
      this.#enter('decode');
    }
  }

  #corrected(image: PixelImage): PixelImage {
    if (this.#settings.request.init?.colorCorrection !== true || !this.#start) return image;
    return correctColors(image, this.#parts.host.colorReference ?? this.#start.picture);
  }

  /** What is pasted back where; with soft inpainting the latents decide. */
  #overlaid(latents: HostTensor, index: number): PreparedMask | undefined {
    const { prepared, encoded } = this.#start?.inpaint ?? {};
    const { soft } = this.#settings.request.init?.inpaint ?? {};
    if (!prepared || !encoded || !soft) return prepared;
    const [, , height = 0, width = 0] = latents.shape;
    const painted = pickLatent(latents, Math.min(index, (latents.shape[0] ?? 1) - 1)).data;
    const compared = { init: encoded.init.data, painted, mask: encoded.latentMask };
    const overlay = softOverlay(compared, { width, height }, prepared.mask, soft);
    return { ...prepared, overlay: placeMask(overlay, prepared.box, prepared.original) };
  }

  /** Every picture on one sheet, saved like the others. */
  async grid(pictures: readonly PixelImage[]): Promise<GeneratedImage> {
    const { hooks } = this.#parts;
    const { columns } = await hooks.emit('grid', {
      images: pictures,
      columns: Math.ceil(Math.sqrt(pictures.length)),
    });
    return this.#save(imageGrid(pictures, columns), { index: 0, ...this.#describe(0) });
  }

  async #save(
    image: PixelImage,
    { index, seed, infotext }: { index: number; seed: number; infotext: string },
  ): Promise<GeneratedImage> {
    const { hooks, host } = this.#parts;
    const { encodePicture } = host;
    const { widthPx: width, heightPx: height } = image;
    if (!encodePicture) return { index, widthPx: width, heightPx: height, seed, infotext, file: new Blob([]) };
    const told = await hooks.emit('beforeSave', { image, infotext });
    const { file, notice } = await savePicture(encodePicture, told.image, told.infotext, this.#settings.request.save);
    if (notice !== undefined) this.#noticeOnce('format', notice);
    await hooks.emit('saved', { file, infotext: told.infotext });
    const { widthPx, heightPx } = told.image;
    return { index, widthPx, heightPx, seed, infotext: told.infotext, file };
  }

  #describe(index: number): { seed: number; infotext: string } {
    const refiner = this.#refiner && `${this.#refiner.name}${this.#refiner.hash ? ` [${this.#refiner.hash}]` : ''}`;
    return describeImage(this.#model, this.#settings, index, {
      loraHashes: this.#loraHashes,
      embeddingHashes: this.#embeddings?.used ?? new Map(),
      refiner,
      masked: this.#start?.inpaint !== undefined,
      control: this.#control,
      vae: this.#model.vae,
    });
  }

  async #activate(model: LoadedModel, { tags }: PreparedPrompt, facts: BatchFacts): Promise<void> {
    const { host, hooks } = this.#parts;
    const enabled = host.resolveLora !== undefined;
    const found = await this.#stacks.activate(model, enabled ? tags : [], host.resolveLora, {
      signal: host.signal,
      merge: this.#settings.request.modelOptions?.loraMode === 'merge',
    });
    for (const { message, details } of found.notices) this.#noticeOnce('lora', message, details);
    if (!enabled) return;
    if (model === this.#model) this.#loraHashes = found.hashes;
    await hooks.emit('afterNetworks', { ...facts, names: found.names });
  }

  /** Every batch would say the same again. */
  #noticeOnce(code: string, message: string, details?: readonly string[]): void {
    if (this.#notices.has(message)) return;
    this.#notices.add(message);
    this.#parts.host.onEvent({ kind: 'notice', code, message, ...(details ? { details } : {}) });
  }

  async #setup(
    model: LoadedModel,
    texts: PreparedPrompt,
    size: Size,
    { names, hiresSteps }: { names: HiresSettings; hiresSteps?: number },
  ): Promise<DenoiserSetup> {
    const { request } = this.#settings;
    const { signal } = this.#parts.host;
    const perStep = names.sampler.secondOrder ? 2 : 1;
    const conditions = await ConditionPlan.encode(
      model,
      {
        prompt: texts.cleaned,
        negative: texts.styledNegative,
        steps: request.steps * perStep,
        ...(hiresSteps === undefined ? {} : { hiresSteps: hiresSteps * perStep }),
        ...size,
      },
      {
        clipSkip: request.clipSkip,
        emphasis: request.emphasis ?? 'Original',
        options: request.modelOptions,
        embeddings: this.#embeddings,
        signal,
        onNotice: (message) => this.#noticeOnce('prompt', message),
      },
    );
    if (request.modelOptions?.freeTextEncoders === 'free') {
      await model.residency.releaseComponents(model, isTextEncoder);
    }
    const extra = await extraInputs(model, request, size, this.#start, { signal, hires: hiresSteps !== undefined });
    const { stride } = model.detected.latent;
    const cells = { batch: request.batchSize, height: size.heightPx / stride, width: size.widthPx / stride };
    // A refiner takes over near the end, where only detail is left; control files are made for the base model.
    const units = model === this.#model ? this.#control : [];
    const control = await ControlSet.prepare(model, units, { ...cells, signal });
    return { model, sampling: this.#sampling(model, size), conditions, extra, control };
  }

  #refinerOf(
    texts: PreparedPrompt,
    size: Size,
    facts: BatchFacts,
    pass: { names: HiresSettings; hiresSteps?: number },
  ) {
    const refiner = this.#refiner;
    const { refiner: asked } = this.#settings.request;
    if (!refiner || !asked) return undefined;
    const open = async (): Promise<DenoiserSetup> => {
      await this.#activate(refiner, texts, facts);
      return this.#setup(refiner, texts, size, pass);
    };
    return { switchAt: asked.switchAt, open };
  }

  #sampling(model: LoadedModel, { widthPx, heightPx }: Size): ModelSampling {
    const { request } = this.#settings;
    const { stride } = model.detected.latent;
    // FLUX-like shifts count 2x2 patches of latent cells.
    const tokens = Math.ceil(widthPx / stride / 2) * Math.ceil(heightPx / stride / 2);
    const timestepRule = request.timestepRule ?? 'nearest';
    return modelSampling(model.detected, { tokens, steps: request.steps, timestepRule, options: request.modelOptions });
  }

  #latentShape({ widthPx, heightPx }: Size): readonly [number, number, number, number] {
    const { channels, stride } = this.#model.detected.latent;
    return [this.#settings.request.batchSize, channels, heightPx / stride, widthPx / stride];
  }

  /** Each pass draws from the same seeds anew. */
  #noise(batch: number, { sampler }: HiresSettings, shape: readonly [number, number, number, number]): JobNoise {
    const { request, seed } = this.#settings;
    const [, channels, height, width] = shape;
    const { stride } = this.#model.detected.latent;
    return new JobNoise({ request, seed, batch, shape: [channels, height, width], latentStride: stride, sampler });
  }

  #enter(stage: JobStage): void {
    this.#parts.clock.enter(stage);
  }
}

/** Components of `encodePrompts`. */
const isTextEncoder = (component: string): boolean => component.startsWith('text ');

interface BatchFacts {
  readonly batch: number;
  readonly prompts: readonly string[];
  readonly seeds: readonly number[];
  readonly subseeds: readonly number[];
}

function stageEvent({ host }: JobParts, { request }: JobSettings, stage: JobStage, batch: number): void {
  host.onEvent({ kind: 'stage', stage, batch, batches: request.batchCount });
}

/** @throws AppError 'model/missing-part' when the host has no such autoencoder */
async function openVae(id: string, load: GenerateHost['loadVae']): Promise<ChosenVae> {
  const vae = await load?.(id);
  if (vae) return vae;
  throw new AppError('model/missing-part', `autoencoder "${id}": it is not here; add its file or choose another.`, {
    details: { vaeId: id },
  });
}

/** @throws AppError 'argument/invalid' for a size or an upscaler that does not exist */
async function planHires(
  model: LoadedModel,
  { request }: JobSettings,
  settings: HiresSettings,
  host: GenerateHost,
): Promise<HiresPlan> {
  const { hires, widthPx, heightPx } = request;
  const { stride, multiple } = model.detected.latent;
  const wanted = hiresSize({
    widthPx,
    heightPx,
    scale: hires?.scale ?? 1,
    resizeWidthPx: hires?.widthPx ?? 0,
    resizeHeightPx: hires?.heightPx ?? 0,
    latentStride: stride,
  });
  const size = { widthPx: wanted.widthPx, heightPx: wanted.heightPx };
  // The cut sides must be what the network takes; what is beyond a multiple is cut off as well.
  const fit = (px: number, cut: number): { px: number; cut: number } => {
    const whole = Math.floor(px / stride);
    const step = Math.max(1, Math.round(multiple / stride));
    const kept = Math.max(step, Math.floor((whole - cut) / step) * step);
    return { px: Math.max(whole, kept) * stride, cut: Math.max(whole, kept) - kept };
  };
  const [w, h] = [fit(size.widthPx, wanted.truncateX), fit(size.heightPx, wanted.truncateY)];
  const maxPx = 8192;
  if (Math.max(w.px, h.px) > maxPx) {
    throw new AppError(
      'argument/invalid',
      `hires: the second pass may have sides up to ${maxPx} pixels, got ${w.px}x${h.px}; choose a smaller factor.`,
    );
  }
  const upscaler = await findUpscaler(hires?.upscaler ?? '', host);
  // A decoder or upscaler needs whole multiples; with latents the cells beyond are simply cut.
  return {
    ...settings,
    size: { widthPx: w.px, heightPx: h.px },
    cut: { truncateX: w.cut, truncateY: h.cut },
    upscaler,
  };
}
