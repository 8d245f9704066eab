/**
 * The one model function that samplers see: scales the latent, runs the denoiser for all conditions at once where
 * memory allows (else one after another), turns predictions into clean latents and combines them by guidance.
 */
import type { DeviceTensor, Program } from '../backends/backend';
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import { elementCount } from '../base/shape';
import { guidanceRows } from '../graph/passes/guidance_rows';
import type { Conditioning, DenoiserSpec, HostArray } from '../models/family';
import type { ModelSampling } from '../sampling/model_sampling';
import type { LoadedModel } from './loaded_model';

/** What a step is conditioned on. */
export interface StepConditions {
  /** Positive parts with their weights; several for prompts joined by AND. */
  readonly conds: readonly { readonly weight: number; readonly conditioning: Conditioning }[];
  readonly uncond: Conditioning;
}

export interface GuidedDenoiserOptions {
  readonly model: LoadedModel;
  readonly sampling: ModelSampling;
  readonly batch: number;
  /** Latent cells. */
  readonly height: number;
  readonly width: number;
  readonly tiling: boolean;
  /** Inputs beyond x, timestep and the conditioning, `[1, …]` or `[batch, …]`: time ids, guidance, masks. */
  readonly extra: Readonly<Record<string, HostArray>>;
}

const OUTPUT = 'prediction';

export class GuidedDenoiser {
  readonly #options: GuidedDenoiserOptions;
  /** Conditions in one run; falls to 1 when a batch does not fit the memory. */
  #rowsAtOnce = Infinity;
  #uploads = new Map<StepConditions, Map<string, DeviceTensor>>();

  constructor(options: GuidedDenoiserOptions) {
    this.#options = options;
  }

  /**
   * Clean latents with and, where it was computed, without the prompt.
   * @param x  latent at noise level sigma, `[batch, C, H, W]`
   * @param cfgScale  1 skips the unconditional run
   */
  async denoise(
    x: DeviceTensor,
    sigma: number,
    conditions: StepConditions,
    { cfgScale, needsUncond, signal }: { cfgScale: number; needsUncond: boolean; signal?: AbortSignal | undefined },
  ): Promise<{ denoised: DeviceTensor; uncond?: DeviceTensor }> {
    const { model, sampling, batch } = this.#options;
    const { backend } = model;
    const withUncond = cfgScale !== 1 || needsUncond;
    const scaled = backend.lincomb([[sampling.inputScale(sigma), x]]);
    const t = sampling.timestep(sigma);
    const timestep = backend.upload({ shape: [batch], data: new Float32Array(batch).fill(t) });
    const predictions: DeviceTensor[] = [];
    try {
      const all = [...conditions.conds.map((cond) => cond.conditioning), ...(withUncond ? [conditions.uncond] : [])];
      predictions.push(...(await this.#predict(conditions, all, { x: scaled, timestep }, signal)));
      const coefficient = sampling.denoisedCoefficients(sigma);
      const unconditional = withUncond ? predictions.at(-1) : undefined;
      // denoised = cx·x + co·(uncond + cfg · Σ wᵢ (condᵢ - uncond))
      const weightSum = conditions.conds.reduce((sum, cond) => sum + cond.weight, 0);
      const terms: [number, DeviceTensor][] = [[coefficient.x, x]];
      for (const [i, { weight }] of conditions.conds.entries()) {
        const prediction = predictions[i];
        if (prediction) terms.push([coefficient.output * (withUncond ? cfgScale : 1) * weight, prediction]);
      }
      if (unconditional) terms.push([coefficient.output * (1 - cfgScale * weightSum), unconditional]);
      const denoised = backend.lincomb(terms);
      if (!unconditional || !needsUncond) return { denoised };
      const uncond = backend.lincomb([
        [coefficient.x, x],
        [coefficient.output, unconditional],
      ]);
      return { denoised, uncond };
    } finally {
      for (const tensor of [scaled, timestep, ...predictions]) tensor.dispose();
    }
  }

  /** One prediction per condition. */
  async #predict(
    conditions: StepConditions,
    all: readonly Conditioning[],
    shared: { x: DeviceTensor; timestep: DeviceTensor },
    signal: AbortSignal | undefined,
  ): Promise<DeviceTensor[]> {
    const out: DeviceTensor[] = [];
    try {
      for (let first = 0; first < all.length;) {
        const rows = Math.min(all.length - first, this.#rowsAtOnce);
        throwIfAborted(signal);
        let program: Program;
        try {
          program = await this.#program(rows, all);
        } catch (error) {
          const tooLarge = error instanceof AppError && error.code === 'backend/out-of-memory';
          if (!tooLarge || rows === 1) throw error;
          this.#rowsAtOnce = 1;
          continue;
        }
        const inputs = { ...shared, ...this.#conditionInputs(conditions, all, first, rows, program) };
        const outputs = await program.run(inputs, signal ? { signal } : {});
        for (let row = 0; row < rows; row++) {
          const prediction = outputs[`${OUTPUT}_${row}`];
          if (prediction) out.push(prediction);
        }
        first += rows;
      }
      return out;
    } catch (error) {
      for (const tensor of out) tensor.dispose();
      throw error;
    }
  }

  #program(rows: number, all: readonly Conditioning[]): Promise<Program> {
    const { model, batch, height, width, tiling } = this.#options;
    const tokens = all[0]?.['context']?.shape[1] ?? 0;
    const spec: DenoiserSpec = { batch: rows * batch, height, width, tokens, circular: tiling };
    return model.program('denoiser', JSON.stringify({ ...spec, rows }), () => {
      const built = model.detected.family.buildDenoiser(model.detected, spec);
      return { ...built, graph: guidanceRows(built.graph, rows, ['x', 'timestep'], OUTPUT) };
    });
  }

  /** Prompt-dependent inputs of some rows, uploaded once for as long as the conditions stay the same. */
  #conditionInputs(
    conditions: StepConditions,
    all: readonly Conditioning[],
    first: number,
    rows: number,
    program: Program,
  ): Record<string, DeviceTensor> {
    const { model, batch, extra } = this.#options;
    if (!this.#uploads.has(conditions)) {
      this.releaseInputs();
      this.#uploads.set(conditions, new Map());
    }
    const held = this.#uploads.get(conditions) ?? new Map<string, DeviceTensor>();
    const result: Record<string, DeviceTensor> = {};
    for (const name of program.graph.inputs.keys()) {
      if (name === 'x' || name === 'timestep') continue;
      const key = `${name} ${first}+${rows}/${all.length}`;
      let tensor = held.get(key);
      if (!tensor) {
        const parts = all.slice(first, first + rows).map((conditioning) => conditioning[name] ?? extra[name]);
        tensor = model.backend.upload(stack(name, parts, batch));
        held.set(key, tensor);
      }
      result[name] = tensor;
    }
    return result;
  }

  /** Frees the uploaded conditions; also called between different ones. */
  releaseInputs(): void {
    for (const held of this.#uploads.values()) for (const tensor of held.values()) tensor.dispose();
    this.#uploads = new Map();
  }
}

/** Rows of one input below each other, each repeated for every picture of the batch. */
function stack(name: string, parts: readonly (HostArray | undefined)[], batch: number): HostArray {
  const whole: Float32Array[] = [];
  let shape: readonly number[] = [];
  for (const part of parts) {
    if (!part) {
      throw new AppError(
        'model/missing-part',
        `denoiser: nothing gives its input "${name}"; add the missing part of the model.`,
        {
          details: { input: name },
        },
      );
    }
    shape = part.shape;
    const copies = part.shape[0] === batch ? 1 : batch;
    for (let i = 0; i < copies; i++) whole.push(part.data);
  }
  const data = new Float32Array(parts.length * batch * elementCount(shape.slice(1)));
  let offset = 0;
  for (const part of whole) {
    data.set(part, offset);
    offset += part.length;
  }
  return { shape: [parts.length * batch, ...shape.slice(1)], data };
}
