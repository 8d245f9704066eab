import { expect, it } from 'vitest';
import { float64Latents } from '../../../src/lib/sampling/array_latents';
import { rescaleCfg, tangentialUncond } from '../../../src/lib/sampling/guidance/array_guidance';
import { cfg, cfgAnd, cfgEdit, cfgPag, effectiveScale, pagScales } from '../../../src/lib/sampling/guidance/combine';
import { combineGuidance, type GuidanceCall } from '../../../src/lib/sampling/guidance/combine_method';
import { scheduledScale } from '../../../src/lib/sampling/guidance/dynamic_thresholding';
import type { GuidanceMethodId } from '../../../src/lib/sampling/guidance/methods';
import type { OptionValue } from '../../../src/lib/sampling/options';
import type { ScaleMode } from '../../../src/lib/sampling/guidance/scale_modes';
import type { Term } from '../../../src/lib/sampling/sampler';
import { describeGroup, maxAbsDifference, num, sizeOf, type Case, type Group } from './read_group';
import { expectWithin } from '../within';

const ops = float64Latents();
const lincomb = (...terms: readonly Term<Float64Array>[]): Float64Array => ops.lincomb(terms);

function check(group: Group, c: Case): void {
  const input = (name: string): Float64Array => group.floats(`in/${name}`);
  const shape = group.tensor('in/cond').shape;
  const [batch = 1, channels = 1] = shape;
  const scale = num(c['scale'] ?? 1);
  const pair = { cond: input('cond'), uncond: input('uncond'), batch, scale, channels, x: input('x') };
  /** As jobs call a method: once a step, with what it keeps of its run. */
  const combined = (
    id: GuidanceMethodId,
    options: Readonly<Record<string, OptionValue>>,
    calls: readonly Partial<GuidanceCall>[],
  ): number[] => {
    const combine = combineGuidance(id, options);
    return calls.flatMap((call) => [...(combine?.({ ...pair, sigma: 1, timestep: 0, ...call }) ?? [])]);
  };
  const close = (mine: ArrayLike<number>, key: unknown = c['out']): void => {
    const golden = group.floats(key);
    const tolerance = num(c['tolerance_absolute'] ?? 1e-5 * Math.max(1, sizeOf(golden)));
    expectWithin(maxAbsDifference(mine, golden), tolerance);
  };
  switch (c.kind) {
    case 'cfg':
      return close(cfg(lincomb, pair.cond, pair.uncond, scale));
    case 'and': {
      const weights = c['weights'] as number[];
      const conds = (c['inputs'] as string[]).map((name, i) => ({ cond: input(name), weight: weights[i]! }));
      return close(cfgAnd(lincomb, conds, pair.uncond, scale));
    }
    case 'edit_cfg':
      return close(cfgEdit(lincomb, { ...pair, imageCond: input('img_cond') }, scale, num(c['image_scale'])));
    case 'pag':
      return close(cfgPag(lincomb, { ...pair, degraded: input('degraded') }, scale, num(c['pag_scale'])));
    case 'pag_attenuation':
      return expectWithin(
        maxAbsDifference(pagScales(scale, num(c['attenuation']), num(c['steps'])), c['scales'] as number[]),
        num(c['tolerance']),
      );
    case 'rescale_v_space':
    case 'rescale_eps_space':
      return close(
        rescaleCfg(pair, {
          phi: num(c['phi']),
          sigma: num(c['sigma']),
          space: c.kind === 'rescale_v_space' ? 'v' : 'eps',
        }),
      );
    case 'cfg_zero_star':
      return close(combined('cfgZeroStar', {}, [{}]));
    case 'cfg_norm':
      return close(combined('cfgNorm', { strength: 1 }, [{}]));
    case 'mahiro':
      return close(combined('mahiro', {}, [{}]));
    case 'tcfg': {
      close(tangentialUncond(pair), c['uncond_out']);
      const uncond = group.floats(c['uncond_out']);
      const guided = pair.cond.map((v, i) => uncond[i]! + scale * (v - uncond[i]!));
      const difference = maxAbsDifference(combined('tcfg', {}, [{}]), guided);
      return expect(difference).toBeLessThanOrEqual(1e-5 * Math.max(1, scale, sizeOf(guided)));
    }
    case 'apg': {
      const options = {
        eta: num(c['eta']),
        normThreshold: num(c['norm_threshold']),
        momentum: num(c['momentum']),
      };
      const factors = c['cond_factors'] as number[];
      const calls = (c['sigmas'] as number[]).map((sigma, k) => ({
        cond: pair.cond.map((v) => v * factors[k]!),
        sigma,
      }));
      return close(combined('apg', options, calls));
    }
    case 'dynthres': {
      const options = {
        mimicScale: num(c['mimic_scale']),
        mimicMode: c['mimic_mode'] as ScaleMode,
        mimicMin: num(c['mimic_min']),
        cfgMode: c['cfg_mode'] as ScaleMode,
        cfgMin: num(c['cfg_min']),
        schedulerValue: num(c['sched_val']),
        percentile: num(c['percentile']),
        separateChannels: c['separate'] === true ? 'enable' : 'disable',
        startPoint: c['start'] as 'MEAN' | 'ZERO',
        measure: c['measure'] as 'AD' | 'STD',
        interpolatePhi: num(c['phi']),
      };
      const timesteps = c['timesteps'] as number[];
      timesteps.forEach((t, k) => {
        const [mimic, own] = (c['effective_scales'] as [number, number][])[k]!;
        const value = options.schedulerValue;
        expect(scheduledScale(options.mimicMode, options.mimicScale, options.mimicMin, t, value)).toBeCloseTo(mimic, 9);
        expect(scheduledScale(options.cfgMode, scale, options.cfgMin, t, value)).toBeCloseTo(own, 9);
      });
      const calls = timesteps.map((timestep) => ({ timestep }));
      return close(combined('dynamicThresholding', options, calls));
    }
    case 'cfg_skip': {
      const rules = { scale, skipEarly: num(c['skip_early']), ngms: num(c['ngms']), ngmsAll: c['ngms_all'] === true };
      const mine = (c['sigmas'] as number[]).map((s, call) => effectiveScale(rules, call, num(c['total_steps']), s));
      return expect(mine).toEqual(c['effective_scale']);
    }
    default:
      throw new Error(`unknown kind ${c.kind}`);
  }
}

describeGroup('guidance', (group) => {
  for (const c of group.cases) it(c.name, () => check(group, c));
});
