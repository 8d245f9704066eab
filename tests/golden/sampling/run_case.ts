/** Runs one golden sampler case in float64 or float32 and records what the sampler asked for. */
import { float32Latents, float64Latents } from '../../../src/lib/sampling/array_latents';
import { runSampler, type LatentOps } from '../../../src/lib/sampling/context';
import type { ModelSampling } from '../../../src/lib/sampling/model_sampling';
import type { GivenOptions } from '../../../src/lib/sampling/options';
import type { SamplerDef, SigmaRange } from '../../../src/lib/sampling/sampler';
import type { LatentArray } from './analytic_denoiser';

export interface CaseRun {
  readonly sampler: SamplerDef;
  readonly options: GivenOptions;
  readonly model: ModelSampling;
  readonly sigmas: readonly number[];
  readonly start: Float64Array;
  readonly range?: SigmaRange;
  denoise(x: LatentArray, sigma: number): { denoised: Float64Array; uncond?: Float64Array };
  /** The k-th draw. */
  noise(k: number, sigma: number, next: number): ArrayLike<number>;
}

export interface CaseResult {
  readonly final: LatentArray;
  readonly modelSigmas: number[];
  readonly modelInputs: LatentArray[];
  readonly noiseCalls: [number, number][];
}

export function runCase(run: CaseRun, precision: 'f64' | 'f32'): Promise<CaseResult> {
  // Released latents turn into NaN, so a sampler that uses one it did not keep fails here.
  return precision === 'f64'
    ? runLatents(
        run,
        float64Latents({ poisonReleased: true }),
        (v) => Float64Array.from(v),
        (x) => x.slice(),
      )
    : runLatents(
        run,
        float32Latents({ poisonReleased: true }),
        (v) => Float32Array.from(v),
        (x) => x.slice(),
      );
}

/** Runs a case on any kind of latents. @param read  host numbers of a latent, for `modelInputs` and the denoiser */
export async function runLatents<L>(
  run: CaseRun,
  ops: LatentOps<L>,
  convert: (values: ArrayLike<number>) => L,
  read: (latent: L) => LatentArray | Promise<LatentArray>,
): Promise<CaseResult> {
  const modelSigmas: number[] = [];
  const modelInputs: LatentArray[] = [];
  const noiseCalls: [number, number][] = [];
  const final = await runSampler(run.sampler, convert(run.start), run.sigmas, {
    ops,
    model: run.model,
    options: run.options,
    checkFinite: true,
    ...(run.range === undefined ? {} : { range: run.range }),
    denoise: async (latent, sigma) => {
      modelSigmas.push(sigma);
      const x = await read(latent);
      modelInputs.push(x);
      const { denoised, uncond } = run.denoise(x, sigma);
      return { denoised: convert(denoised), ...(uncond === undefined ? {} : { uncond: convert(uncond) }) };
    },
    noise: (sigma, next) => {
      noiseCalls.push([sigma, next]);
      return convert(run.noise(noiseCalls.length - 1, sigma, next));
    },
  });
  return { final: await read(final), modelSigmas, modelInputs, noiseCalls };
}
