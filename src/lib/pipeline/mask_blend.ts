/** Inpainting inside the sampling loop: what is kept is put back around every model call. */
import type { DeviceTensor, HostTensor, Program } from '../backends/backend';
import type { LatentRules } from '../backends/latent_rules';
import { elementCount, type Shape } from '../base/shape';
import { GraphBuilder } from '../graph/builder';
import { weightResolver } from '../graph/weights';
import type { ModelSampling } from '../sampling/model_sampling';
import type { SoftInpaintRequest } from '../rpc/engine';
import { latentRules } from './latents';
import type { LoadedModel } from './loaded_model';
import { softBlendOptions } from './soft_inpaint';

export interface MaskBlend {
  /** Share to repaint per latent cell, 0..1, `h·w` values. */
  readonly mask: Float32Array;
  /** The clean start picture, `[1, C, h, w]` or `[batch, C, h, w]`. */
  readonly init: HostTensor;
  /** Unit noise of the whole batch, fresh at each call. */
  readonly noise: () => Float32Array<ArrayBuffer>;
  /** Soft inpainting: the blend moves with the noise level. */
  readonly soft?: SoftInpaintRequest | undefined;
}

/** What a run does to its latents around each model call. */
export interface Blender {
  /** Before the model at noise level sigma: a new latent, or `x` itself. */
  before(x: DeviceTensor, sigma: number): Promise<DeviceTensor>;
  /** After the model: a new latent. */
  after(denoised: DeviceTensor, sigma: number): Promise<DeviceTensor>;
  /** At the end: a new latent, or the same. */
  final(latent: DeviceTensor): Promise<DeviceTensor>;
  dispose(): void;
}

export function createBlender(model: LoadedModel, sampling: ModelSampling, blend: MaskBlend, shape: Shape): Blender {
  return blend.soft ? new SoftBlender(model, blend, blend.soft) : new MaskBlender(model, sampling, blend, shape);
}

/** Soft inpainting. The noisy latent is left alone: mixing it with other noise would take variance away. */
class SoftBlender implements Blender {
  readonly #rules: LatentRules;
  readonly #soft: SoftInpaintRequest;
  readonly #init: DeviceTensor;
  readonly #mask: DeviceTensor;

  constructor({ backend }: LoadedModel, { init, mask }: MaskBlend, soft: SoftInpaintRequest) {
    this.#rules = latentRules(backend);
    this.#soft = soft;
    this.#init = backend.upload(init);
    this.#mask = backend.upload({ shape: init.shape.slice(2), data: mask });
  }

  before(x: DeviceTensor): Promise<DeviceTensor> {
    return Promise.resolve(x);
  }

  after(painted: DeviceTensor, sigma: number): Promise<DeviceTensor> {
    const tensors = { init: this.#init, painted, mask: this.#mask };
    return this.#rules.softBlend(tensors, softBlendOptions(sigma, this.#soft));
  }

  /** The composite decides, by how far the latent moved. */
  final(latent: DeviceTensor): Promise<DeviceTensor> {
    return Promise.resolve(latent);
  }

  dispose(): void {
    for (const tensor of [this.#init, this.#mask]) tensor.dispose();
  }
}

/**
 * Before the model: x·m + noised(init)·(1-m), with fresh noise; after it: denoised·m + init·(1-m).
 * Source: the web UIs' masked denoiser; both products are exact where m is 0 or 1.
 */
class MaskBlender implements Blender {
  readonly #model: LoadedModel;
  readonly #sampling: ModelSampling;
  readonly #noise: () => Float32Array<ArrayBuffer>;
  readonly #shape: Shape;
  readonly #init: DeviceTensor;
  readonly #mask: DeviceTensor;
  readonly #keep: DeviceTensor;

  constructor(model: LoadedModel, sampling: ModelSampling, { mask, init, noise }: MaskBlend, shape: Shape) {
    const count = elementCount(shape);
    const cells = mask.length;
    const whole = Float32Array.from({ length: count }, (_, i) => mask[i % cells] ?? 0);
    this.#model = model;
    this.#sampling = sampling;
    this.#noise = noise;
    this.#shape = shape;
    const picture = Float32Array.from({ length: count }, (_, i) => init.data[i % init.data.length] ?? 0);
    this.#init = model.backend.upload({ shape, data: picture });
    this.#mask = model.backend.upload({ shape, data: whole });
    this.#keep = model.backend.upload({ shape, data: whole.map((m) => 1 - m) });
  }

  /** A new latent for the model at noise level sigma. */
  async before(x: DeviceTensor, sigma: number): Promise<DeviceTensor> {
    const { backend } = this.#model;
    const { noise, latent } = this.#sampling.startCoefficients(sigma);
    const fresh = backend.upload({ shape: this.#shape, data: this.#noise() });
    const noised = backend.lincomb([
      [latent, this.#init],
      [noise, fresh],
    ]);
    fresh.dispose();
    try {
      return await this.#blend(x, noised);
    } finally {
      noised.dispose();
    }
  }

  /** A new latent with the kept area of the start picture. */
  after(denoised: DeviceTensor): Promise<DeviceTensor> {
    return this.#blend(denoised, this.#init);
  }

  /** The kept area of the final latent is the start picture's. */
  final(latent: DeviceTensor): Promise<DeviceTensor> {
    return this.after(latent);
  }

  dispose(): void {
    for (const tensor of [this.#init, this.#mask, this.#keep]) tensor.dispose();
  }

  async #blend(painted: DeviceTensor, kept: DeviceTensor): Promise<DeviceTensor> {
    const program = await this.#program();
    const outputs = await program.run({ painted, kept, mask: this.#mask, keep: this.#keep });
    return outputs['blended'] as DeviceTensor;
  }

  #program(): Promise<Program> {
    const shape = this.#shape;
    return this.#model.program('mask blend', shape.join('x'), () => {
      const weights = new Map();
      const g = GraphBuilder.create('mask blend', weightResolver(weights));
      const input = (name: string) => g.input(name, shape, { layout: 'image' });
      const [painted, kept, mask, keep] = [input('painted'), input('kept'), input('mask'), input('keep')];
      g.output('blended', g.add(g.mul(painted, mask), g.mul(kept, keep)));
      return { graph: g.finish(), weights };
    });
  }
}
