/** What the guidance methods of `methods.ts` compute, on plain arrays. */
import type { OptionValue } from '../options';
import {
  AdaptiveProjectedGuidance,
  cfgNorm,
  cfgZeroStar,
  mahiro,
  plainCfg,
  tangentialUncond,
  type GuidanceInputs,
  type Values,
} from './array_guidance';
import { dynamicThresholding, type DynamicThresholding } from './dynamic_thresholding';
import type { GuidanceMethodId } from './methods';

/** Denoised predictions of one model call, [N, C, H, W] flattened. */
export interface GuidanceCall extends GuidanceInputs {
  /** The noisy latent that they were made for. */
  readonly x: Values;
  readonly channels: number;
  readonly sigma: number;
  /** Training time of sigma, 999..0. */
  readonly timestep: number;
}

/** Gives the guided prediction; may keep what earlier calls of its run left. */
export type CombineGuidance = (call: GuidanceCall) => Float32Array<ArrayBuffer>;

type Options = Readonly<Record<string, OptionValue>>;

const MAKERS: { readonly [K in Exclude<GuidanceMethodId, 'cfg'>]: (options: Options) => CombineGuidance } = {
  cfgZeroStar: () => cfgZeroStar,
  apg: ({ eta, normThreshold, momentum }) => {
    const guidance = new AdaptiveProjectedGuidance({
      eta: Number(eta),
      normThreshold: Number(normThreshold),
      momentum: Number(momentum),
    });
    return (call) => guidance.combine(call, call.sigma);
  },
  tcfg: () => (call) => Float32Array.from(plainCfg({ ...call, uncond: tangentialUncond(call) })),
  cfgNorm:
    ({ strength }) =>
    (call) =>
      cfgNorm({ ...call, strength: Number(strength) }),
  mahiro: () => mahiro,
  dynamicThresholding: ({ separateChannels, ...options }) => {
    // The schema has checked every one of them.
    const rule = { ...options, separateChannels: separateChannels === 'enable' } as unknown as DynamicThresholding;
    return (call) => dynamicThresholding(call, rule, call.timestep);
  },
};

/**
 * The rule of one run.
 * @param options complete, as `resolveGuidance` gives them
 * @returns undefined for plain CFG, which is a sum that devices compute
 */
export function combineGuidance(id: GuidanceMethodId, options: Options): CombineGuidance | undefined {
  return id === 'cfg' ? undefined : MAKERS[id](options);
}
