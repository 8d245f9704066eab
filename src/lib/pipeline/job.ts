/** The plan of one running job: what is opened once, the passes of a batch in their order, and the end of each picture. */
import type { HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import type { GeneratedImage, PixelImage } from '../rpc/engine';
import { preparePrompt, type PreparedPrompt } from '../prompt/plan';
import { ControlSet } from './control/control_set';
import { openUnits } from './control/open_units';
import type { GenerateHost } from './generate';
import { enlarge, planHires } from './hires_plan';
import { fillLatent } from './inpaint';
import { JobContext, tellStage, type BatchFacts, type HiresPlan, type JobParts, type Size } from './job_context';
import type { JobSettings } from './job_settings';
import type { ChosenVae, LoadedModel } from './loaded_model';
import { batchSeeds } from './noise_source';
import { isTextEncoder, PassSetup } from './pass_setup';
import { PictureFinisher } from './picture_finisher';
import { openRefiner } from './refiner';
import { runPass, type PassOptions } from './run_pass';
import type { SampledBatch } from './sample_batch';
import { prepareStart } from './start_picture';

export class Job {
  readonly #job: JobContext;
  readonly #setup: PassSetup;
  readonly #finisher: PictureFinisher;

  private constructor(job: JobContext) {
    this.#job = job;
    this.#setup = new PassSetup(job);
    this.#finisher = new PictureFinisher(job);
  }

  /** Checks and prepares everything that all batches share. */
  static async open(model: LoadedModel, settings: JobSettings, parts: JobParts): Promise<Job> {
    const { host, hooks } = parts;
    const { request } = settings;
    tellStage(parts, settings, 'encode', 0);
    const refiner = request.refiner && (await openRefiner(model, request.refiner.modelId, host.loadModel));
    model.useVae(request.vaeId === undefined ? undefined : await openVae(request.vaeId, host.loadVae));
    const control = await openUnits(model, request.control ?? [], host.loadControl);
    await model.keepOnly('control ', ControlSet.components(control));
    model.residency.keepLongest(model, request.modelOptions?.freeTextEncoders === 'keep' ? isTextEncoder : () => false);
    const hires = settings.hires && (await planHires(model, settings, settings.hires, host));
    const onNotice = (message: string) => host.onEvent({ kind: 'notice', code: 'settings', message });
    const start = await prepareStart(model, { request, hooks, signal: host.signal, onNotice });
    return new Job(new JobContext(model, settings, parts, { start, hires, refiner, control }));
  }

  /** All passes of one batch. */
  async sample(batch: number): Promise<SampledBatch> {
    const { settings, parts, prepared } = this.#job;
    const { request } = settings;
    const seeds = batchSeeds(request, settings.seed, batch);
    const facts = { batch, ...seeds, prompts: seeds.seeds.map(() => request.prompt) };
    this.#job.enter('encode');
    const { prompt, negativePrompt } = await parts.hooks.emit('beforeBatch', {
      ...facts,
      prompt: request.prompt,
      negativePrompt: request.negativePrompt,
    });
    const texts = this.#texts(prompt, negativePrompt);
    const first = await this.#firstPass(texts, facts);
    if (!prepared.hires || first.interrupted) return first;
    try {
      return await this.#secondPass(prepared.hires, first.latents, texts, facts);
    } catch (error) {
      // Stopped before the second pass gave anything: the first pass's picture exists.
      if (!(error instanceof AppError) || error.code !== 'job/cancelled') throw error;
      return { ...first, interrupted: true };
    }
  }

  /** Decodes, lets extensions see, pastes back, saves: one picture after another. */
  finish(latents: HostTensor, batch: number): AsyncGenerator<{ image: GeneratedImage; picture: PixelImage }> {
    return this.#finisher.finish(latents, batch);
  }

  /** Every picture on one sheet, saved like the others. */
  grid(pictures: readonly PixelImage[]): Promise<GeneratedImage> {
    return this.#finisher.grid(pictures);
  }

  /** txt2img, or img2img with or without a mask. */
  async #firstPass(texts: PreparedPrompt, facts: BatchFacts): Promise<SampledBatch> {
    const { model, settings, parts, prepared } = this.#job;
    const { request, sampler, schedule, samplerOptions } = settings;
    const names = { sampler, schedule, samplerOptions };
    const { batch } = facts;
    await this.#setup.activate(model, texts, facts);
    await parts.hooks.emit('batch', facts);
    const size = { widthPx: request.widthPx, heightPx: request.heightPx };
    const setup = await this.#setup.setup(model, texts, size, { names });
    const shape = this.#setup.latentShape(size);
    const { start } = prepared;
    const { inpaint } = start ?? {};
    const asked = request.init?.inpaint;
    const fillNoise = () => this.#setup.noise(batch, names, shape).next();
    const clean = inpaint ? fillLatent(inpaint.encoded, asked?.fill ?? 'original', fillNoise()) : start?.latents;
    const second = prepared.hires !== undefined && (request.refiner?.pass ?? 'second') === 'second';
    return this.#run(size, facts, {
      ...setup,
      pass: start ? 'img2img' : 'txt2img',
      names,
      steps: request.steps,
      cfgScale: request.cfgScale,
      init: start && clean && { latents: clean, strength: start.strength, exact: start.exact },
      mask: inpaint && clean && { mask: inpaint.encoded.latentMask, init: clean, soft: asked?.soft },
      refiner: second ? undefined : this.#setup.refinerOf(texts, size, facts, { names }),
      startNoise: parts.host.startNoise,
    });
  }

  async #secondPass(
    plan: HiresPlan,
    latents: HostTensor,
    first: PreparedPrompt,
    facts: BatchFacts,
  ): Promise<SampledBatch> {
    const { model, settings, parts } = this.#job;
    const { request } = settings;
    const { batch } = facts;
    const { hires } = request;
    if (!hires) return { latents, interrupted: false };
    this.#job.enter('upscale');
    this.#job.tell('upscale', batch);
    const enlarged = await enlarge(plan, latents, this.#job);
    this.#job.enter('encode');
    const own = this.#texts(hires.prompt, hires.negativePrompt);
    const texts: PreparedPrompt = {
      ...(hires.prompt === '' ? first : own),
      styledNegative: hires.negativePrompt === '' ? first.styledNegative : own.styledNegative,
    };
    await this.#setup.activate(model, texts, facts);
    const [, , height = 0, width = 0] = enlarged.shape;
    const { stride } = model.detected.latent;
    const size = { widthPx: width * stride, heightPx: height * stride };
    const steps = hires.steps > 0 ? hires.steps : request.steps;
    const pass = { names: plan, hiresSteps: steps };
    const setup = await this.#setup.setup(model, texts, size, pass);
    await parts.hooks.emit('beforeHires', { batch, ...size });
    return this.#run(size, facts, {
      ...setup,
      pass: 'hires',
      names: plan,
      steps,
      cfgScale: hires.cfgScale ?? request.cfgScale,
      init: { latents: enlarged, strength: hires.strength, exact: true },
      refiner: request.refiner?.pass === 'first' ? undefined : this.#setup.refinerOf(texts, size, facts, pass),
    });
  }

  /** One sampling of this batch, with noise from its seeds anew. */
  async #run(
    size: Size,
    { batch }: BatchFacts,
    own: Omit<PassOptions, 'request' | 'shape' | 'noise' | 'batch' | keyof ReturnType<typeof hostSide>>,
  ): Promise<SampledBatch> {
    const { settings, parts } = this.#job;
    this.#job.enter('denoise');
    this.#job.tell('denoise', batch);
    const shape = this.#setup.latentShape(size);
    const noise = this.#setup.noise(batch, own.names, shape);
    try {
      return await runPass({ ...own, ...hostSide(parts), request: settings.request, shape, noise, batch });
    } finally {
      own.control?.dispose();
    }
  }

  #texts(prompt: string, negativePrompt: string): PreparedPrompt {
    const comments = this.#job.settings.request.emphasis !== 'ComfyUI';
    return preparePrompt(prompt, negativePrompt, { comments });
  }
}

/** What a sampling takes from the job's surroundings. */
function hostSide({ host: { signal, onEvent, betweenSteps }, hooks }: JobParts) {
  return { hooks, signal, onEvent, betweenSteps };
}

/** @throws AppError 'model/missing-part' when the host has no such autoencoder */
async function openVae(id: string, load: GenerateHost['loadVae']): Promise<ChosenVae> {
  const vae = await load?.(id);
  if (vae) return vae;
  throw new AppError('model/missing-part', `autoencoder "${id}": it is not here; add its file or choose another.`, {
    details: { vaeId: id },
  });
}
