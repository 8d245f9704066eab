/** What one sampling is made with: adapters, conditions, control inputs, noise, and the second model's turn. */
import type { ModelSampling } from '../sampling/model_sampling';
import type { PreparedPrompt } from '../prompt/plan';
import { ConditionPlan } from './conditions';
import { ControlSet } from './control/control_set';
import type { BatchFacts, JobContext, Size } from './job_context';
import type { HiresSettings } from './job_settings';
import type { LoadedModel } from './loaded_model';
import { modelSampling } from './model_sampling';
import { JobNoise } from './noise_source';
import type { DenoiserSetup } from './sample_batch';
import { extraInputs } from './start_picture';

/** Components of `encodePrompts`. */
export const isTextEncoder = (component: string): boolean => component.startsWith('text ');

export class PassSetup {
  readonly #job: JobContext;

  constructor(job: JobContext) {
    this.#job = job;
  }

  async activate(model: LoadedModel, { tags }: PreparedPrompt, facts: BatchFacts): Promise<void> {
    const { host, hooks } = this.#job.parts;
    const enabled = host.resolveLora !== undefined;
    const found = await this.#job.stacks.activate(model, enabled ? tags : [], host.resolveLora, {
      signal: host.signal,
      merge: this.#job.settings.request.modelOptions?.loraMode === 'merge',
    });
    for (const { message, details } of found.notices) this.#job.noticeOnce('lora', message, details);
    if (!enabled) return;
    if (model === this.#job.model) this.#job.loraHashes = found.hashes;
    await hooks.emit('afterNetworks', { ...facts, names: found.names });
  }

  async setup(
    model: LoadedModel,
    texts: PreparedPrompt,
    size: Size,
    { names, hiresSteps }: { names: HiresSettings; hiresSteps?: number },
  ): Promise<DenoiserSetup> {
    const { request } = this.#job.settings;
    const { signal } = this.#job.parts.host;
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
        embeddings: this.#job.embeddings,
        signal,
        onNotice: (message) => this.#job.noticeOnce('prompt', message),
      },
    );
    if (request.modelOptions?.freeTextEncoders === 'free') {
      await model.residency.releaseComponents(model, isTextEncoder);
    }
    const extra = await extraInputs(model, request, size, this.#job.prepared.start, {
      signal,
      hires: hiresSteps !== undefined,
    });
    const { stride } = model.detected.latent;
    const cells = { batch: request.batchSize, height: size.heightPx / stride, width: size.widthPx / stride };
    // A refiner takes over near the end, where only detail is left; control files are made for the base model.
    const units = model === this.#job.model ? this.#job.prepared.control : [];
    const control = await ControlSet.prepare(model, units, { ...cells, signal });
    return { model, sampling: this.#sampling(model, size), conditions, extra, control };
  }

  refinerOf(texts: PreparedPrompt, size: Size, facts: BatchFacts, pass: { names: HiresSettings; hiresSteps?: number }) {
    const refiner = this.#job.prepared.refiner;
    const { refiner: asked } = this.#job.settings.request;
    if (!refiner || !asked) return undefined;
    const open = async (): Promise<DenoiserSetup> => {
      await this.activate(refiner, texts, facts);
      return this.setup(refiner, texts, size, pass);
    };
    return { switchAt: asked.switchAt, open };
  }

  #sampling(model: LoadedModel, { widthPx, heightPx }: Size): ModelSampling {
    const { request } = this.#job.settings;
    const { stride } = model.detected.latent;
    // FLUX-like shifts count 2x2 patches of latent cells.
    const tokens = Math.ceil(widthPx / stride / 2) * Math.ceil(heightPx / stride / 2);
    const timestepRule = request.timestepRule ?? 'nearest';
    return modelSampling(model.detected, { tokens, steps: request.steps, timestepRule, options: request.modelOptions });
  }

  latentShape({ widthPx, heightPx }: Size): readonly [number, number, number, number] {
    const { channels, stride } = this.#job.model.detected.latent;
    return [this.#job.settings.request.batchSize, channels, heightPx / stride, widthPx / stride];
  }

  /** Each pass draws from the same seeds anew. */
  noise(batch: number, { sampler }: HiresSettings, shape: readonly [number, number, number, number]): JobNoise {
    const { request, seed } = this.#job.settings;
    const [, channels, height, width] = shape;
    const { stride } = this.#job.model.detected.latent;
    return new JobNoise({ request, seed, batch, shape: [channels, height, width], latentStride: stride, sampler });
  }
}
