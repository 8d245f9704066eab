/**
 * The one model function that samplers see: scales the latent, runs the denoiser for all conditions at once where
 * memory allows (else one after another), turns predictions into clean latents and combines them by guidance.
 */
import type { Backend, DeviceTensor, Program } from '../backends/backend';
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import { guidanceRows } from '../graph/passes/guidance_rows';
import type { Conditioning, DenoiserSpec, HostArray } from '../models/family';
import { MAX_TERMS } from '../sampling/context';
import { rescaleShare } from '../sampling/guidance/array_guidance';
import { cfgAnd, cfgEditAnd } from '../sampling/guidance/combine';
import type { CombineGuidance } from '../sampling/guidance/combine_method';
import type { ModelSampling } from '../sampling/model_sampling';
import type { Term } from '../sampling/sampler';
import { ConditionInputs, type StepConditions } from './condition_inputs';
import type { ControlSet, RowKind } from './control/control_set';
import { latentRules, readLatents } from './latents';
import type { LoadedModel } from './loaded_model';

export interface GuidedDenoiserOptions {
  readonly model: LoadedModel;
  readonly sampling: ModelSampling;
  readonly batch: number;
  /** Latent cells. */
  readonly height: number;
  readonly width: number;
  readonly tiling: boolean;
  readonly control?: ControlSet | undefined;
  /** Inputs beyond x, timestep and the conditioning, `[1, …]` or `[batch, …]`: time ids, guidance, masks. */
  readonly extra: Readonly<Record<string, HostArray>>;
}

export interface GuidanceOptions {
  readonly cfgScale: number;
  /** Share of guidance rescale, 0..1. */
  readonly rescale?: number;
  /** In place of the sum of classifier-free guidance; an edited picture's three predictions keep theirs. */
  readonly combine?: CombineGuidance | undefined;
  readonly needsUncond: boolean;
  /** Guidance towards the picture that the network takes beside the latent (instruct-pix2pix); absent or 1: none of its own. */
  readonly imageScale?: number | undefined;
  /** Share of the run that is done, 0..1, for control units. */
  readonly share?: number;
  /** After the network, before guidance; the function gives the prompt's own estimate, which the caller disposes. */
  readonly onPredicted?: ((estimate: () => DeviceTensor) => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What one model call needs to know beside its conditions. */
interface PredictCall {
  /** Share of the run that is done. */
  readonly share: number;
  /** Conditions that are prompts; those behind them are negative. */
  readonly prompts: number;
  readonly signal: AbortSignal | undefined;
}

const OUTPUT = 'prediction';

/** Prompts of unequal length alternate within a step; each keeps a program of its own. */
function component(mixed: boolean, conditioning: Conditioning | undefined): string {
  return mixed ? `denoiser ${conditioning?.['context']?.shape[1] ?? 0}` : 'denoiser';
}

export class GuidedDenoiser {
  readonly #options: GuidedDenoiserOptions;
  /** Conditions in one run; falls to 1 when a batch does not fit the memory. */
  #rowsAtOnce = Infinity;
  readonly #inputs: ConditionInputs;

  constructor(options: GuidedDenoiserOptions) {
    this.#options = options;
    this.#inputs = new ConditionInputs(options);
  }

  /**
   * Clean latents with and, where it was computed, without the prompt.
   * @param x  latent at noise level sigma, `[batch, C, H, W]`
   * @param cfgScale  1 skips the unconditional run, unless several prompts need it to keep their balance
   */
  async denoise(
    x: DeviceTensor,
    sigma: number,
    conditions: StepConditions,
    { cfgScale, rescale = 0, combine, needsUncond, imageScale = 1, share = 0, onPredicted, signal }: GuidanceOptions,
  ): Promise<{ denoised: DeviceTensor; uncond?: DeviceTensor }> {
    const { model, sampling, batch, extra } = this.#options;
    const { backend } = model;
    const weightSum = conditions.conds.reduce((sum, cond) => sum + cond.weight, 0);
    const edits = imageScale !== 1 && extra['concat'] !== undefined;
    const withUncond = edits || cfgScale !== 1 || needsUncond || Math.abs(weightSum - 1) > 1e-6;
    const scaled = backend.lincomb([[sampling.inputScale(sigma), x]]);
    const t = sampling.timestep(sigma);
    const timestep = backend.upload({ shape: [batch], data: new Float32Array(batch).fill(t) });
    const predictions: DeviceTensor[] = [];
    try {
      const prompts = conditions.conds.map((cond) => cond.conditioning);
      const all = edits
        ? withPicture([...prompts, conditions.uncond], conditions.uncond, extra['concat'])
        : [...prompts, ...(withUncond ? [conditions.uncond] : [])];
      const call = { share, prompts: conditions.conds.length, signal };
      predictions.push(...(await this.#predict(conditions, all, { x: scaled, timestep }, call)));
      const coefficient = sampling.denoisedCoefficients(sigma);
      // Guidance and the step from prediction to clean latent are both linear: one sum does both.
      const toDenoised = (...terms: readonly Term<DeviceTensor>[]): DeviceTensor =>
        sumTerms(backend, [
          [coefficient.x, x],
          ...terms.map(([c, tensor]): Term<DeviceTensor> => [c * coefficient.output, tensor]),
        ]);
      const conds = conditions.conds.flatMap(({ weight }, i) => {
        const cond = predictions[i];
        return cond ? [{ weight, cond }] : [];
      });
      const unconditional = withUncond ? predictions.at(-1) : undefined;
      await onPredicted?.(() => toDenoised(...conds.map(({ weight, cond }): Term<DeviceTensor> => [weight, cond])));
      if (!unconditional) {
        return { denoised: toDenoised(...conds.map(({ cond, weight }): Term<DeviceTensor> => [weight, cond])) };
      }
      const pictureOnly = edits ? predictions.at(-2) : undefined;
      const guided = pictureOnly
        ? cfgEditAnd(
            toDenoised,
            conds,
            { imageCond: pictureOnly, uncond: unconditional },
            { scale: cfgScale, imageScale },
          )
        : combine && cfgScale !== 1
          ? await this.#combined(combine, { x, sigma, scale: cfgScale * weightSum }, [
              toDenoised(...meanTerms(conds)),
              toDenoised([1, unconditional]),
            ])
          : cfgAnd(toDenoised, conds, unconditional, cfgScale);
      const denoised =
        rescale > 0 && cfgScale !== 1 && !edits
          ? await this.#rescaled(guided, { x, sigma, rescale }, () => toDenoised(...meanTerms(conds)))
          : guided;
      return needsUncond ? { denoised, uncond: toDenoised([1, unconditional]) } : { denoised };
    } finally {
      for (const tensor of [scaled, timestep, ...predictions]) tensor.dispose();
    }
  }

  /** Guidance with sums over whole latents, on the host: reads three latents a call. Disposes of the predictions. */
  async #combined(
    combine: CombineGuidance,
    { x, sigma, scale }: { x: DeviceTensor; sigma: number; scale: number },
    predictions: readonly [cond: DeviceTensor, uncond: DeviceTensor],
  ): Promise<DeviceTensor> {
    const { backend } = this.#options.model;
    const { sampling } = this.#options;
    try {
      const [noisy, cond, uncond] = await readLatents(backend, [x, ...predictions]);
      const [batch = 1, channels = 1] = x.shape;
      // Flow time runs from 1 to 0; the rules that ask for it count trained steps.
      const timestep = sampling.parameterization === 'flow' ? 999 * sigma : Math.round(sampling.timestep(sigma));
      const data = combine({ x: noisy, cond, uncond, batch, channels, scale, sigma, timestep });
      return backend.upload({ shape: x.shape, data });
    } finally {
      for (const prediction of predictions) prediction.dispose();
    }
  }

  /** Guidance rescale of `guided`, which it disposes. */
  async #rescaled(
    guided: DeviceTensor,
    { x, sigma, rescale: phi }: { x: DeviceTensor; sigma: number; rescale: number },
    conditional: () => DeviceTensor,
  ): Promise<DeviceTensor> {
    const cond = conditional();
    try {
      const rules = latentRules(this.#options.model.backend);
      return await rules.rescaleGuidance({ x, cond, guided }, { phi, share: rescaleShare(sigma, 'v') });
    } finally {
      cond.dispose();
      guided.dispose();
    }
  }

  /** One prediction per condition. */
  async #predict(
    conditions: StepConditions,
    all: readonly Conditioning[],
    shared: { x: DeviceTensor; timestep: DeviceTensor },
    call: PredictCall,
  ): Promise<DeviceTensor[]> {
    const out: DeviceTensor[] = [];
    const mixed = !sameShapes(all);
    try {
      for (let first = 0; first < all.length;) {
        const left = all.length - first;
        const group = await this.#options.model.withRoom(component(mixed, all[first]), () =>
          this.#predictSome(conditions, all, { first, left: mixed ? 1 : left, mixed, shared, call }),
        );
        out.push(...group);
        first += group.length;
      }
      return out;
    } catch (error) {
      for (const tensor of out) tensor.dispose();
      throw error;
    }
  }

  /** As many conditions as fit at once, from `first` on. */
  async #predictSome(
    conditions: StepConditions,
    all: readonly Conditioning[],
    some: {
      first: number;
      left: number;
      mixed: boolean;
      shared: { x: DeviceTensor; timestep: DeviceTensor };
      call: PredictCall;
    },
  ): Promise<DeviceTensor[]> {
    const { first, left, mixed, shared, call } = some;
    const { share, prompts, signal } = call;
    const { residency } = this.#options.model;
    for (;;) {
      const rows = Math.min(left, this.#rowsAtOnce);
      throwIfAborted(signal);
      let program: Program;
      try {
        program = await this.#program(rows, all.slice(first, first + rows), mixed);
      } catch (error) {
        // A single tensor over a limit of the device, or a plan over the memory limit: splitting helps both.
        const tooLarge =
          error instanceof AppError && error.code === 'backend/out-of-memory' && error.details['limit'] !== undefined;
        if (!tooLarge || rows === 1) throw error;
        this.#rowsAtOnce = 1;
        residency.onMeasure?.('denoiser: one condition at a time');
        continue;
      }
      const inputs = { ...shared, ...this.#inputs.of(conditions, all, { first, rows, share }, program) };
      const kinds = Array.from({ length: rows }, (_, i): RowKind => (first + i < prompts ? 'prompt' : 'negative'));
      const added = await this.#options.control?.inputs({ rows: kinds, share, inputs, signal });
      let outputs: Record<string, DeviceTensor>;
      try {
        // A control network's program may have taken this one's place when memory is short.
        if (added) program = await this.#program(rows, all.slice(first, first + rows), mixed);
        outputs = await program.run({ ...inputs, ...added?.inputs }, signal ? { signal } : {});
      } finally {
        added?.release();
      }
      return Array.from({ length: rows }, (_, row) => outputs[`${OUTPUT}_${row}`]).filter((one) => one !== undefined);
    }
  }

  #program(rows: number, group: readonly Conditioning[], mixed: boolean): Promise<Program> {
    const { model, batch, height, width, tiling, control } = this.#options;
    const tokens = group[0]?.['context']?.shape[1] ?? 0;
    const spec: DenoiserSpec = { batch: rows * batch, height, width, tokens, circular: tiling };
    const { denoiser, family } = model.detected;
    return model.program(
      component(mixed, group[0]),
      JSON.stringify({ ...spec, rows, control: control?.key }),
      () => {
        const built = family.buildDenoiser(model.detected, { ...spec, ...control?.spec });
        return { ...built, graph: guidanceRows(built.graph, rows, ['x', 'timestep'], OUTPUT) };
      },
      { part: denoiser, whole: rows > 1 },
    );
  }

  /** Frees the uploaded conditions. */
  releaseInputs(): void {
    this.#inputs.release();
  }
}

/** The prompts' predictions by weights of sum 1; as they are where their weights cancel. */
function meanTerms(
  conds: readonly { readonly weight: number; readonly cond: DeviceTensor }[],
): readonly Term<DeviceTensor>[] {
  const total = conds.reduce((sum, { weight }) => sum + weight, 0) || 1;
  return conds.map(({ weight, cond }): Term<DeviceTensor> => [weight / total, cond]);
}

/** Every condition with the picture, then the last one without it. */
function withPicture(
  all: readonly Conditioning[],
  uncond: Conditioning,
  picture: HostArray | undefined,
): Conditioning[] {
  if (!picture) return [...all];
  const none = { shape: picture.shape, data: new Float32Array(picture.data.length) };
  return [...all.map((one) => ({ ...one, concat: picture })), { ...uncond, concat: none }];
}

function sameShapes(all: readonly Conditioning[]): boolean {
  const shapes = all.map((one) => JSON.stringify(Object.entries(one).map(([name, { shape }]) => [name, shape])));
  return shapes.every((shape) => shape === shapes[0]);
}

/** A sum of any length, without its zero terms. */
function sumTerms(backend: Backend, terms: readonly Term<DeviceTensor>[]): DeviceTensor {
  let rest = terms.filter(([c]) => c !== 0);
  if (rest.length === 0) rest = terms.slice(0, 1);
  let partial: DeviceTensor | undefined;
  while (rest.length > MAX_TERMS) {
    const next = backend.lincomb(rest.slice(0, MAX_TERMS));
    partial?.dispose();
    partial = next;
    rest = [[1, next], ...rest.slice(MAX_TERMS)];
  }
  const sum = backend.lincomb(rest);
  partial?.dispose();
  return sum;
}
