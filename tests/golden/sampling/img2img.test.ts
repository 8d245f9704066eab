import { expect, it } from 'vitest';
import { hiresSize } from '../../../src/lib/sampling/img2img/hires_size';
import {
  LATENT_UPSCALERS,
  maskToLatent,
  resample,
  type LatentUpscaler,
  type MaskRule,
} from '../../../src/lib/sampling/img2img/resample';
import {
  firstRefinerCall,
  img2imgSigmas,
  img2imgSteps,
  img2imgTimesteps,
  totalCalls,
  type StepRule,
} from '../../../src/lib/sampling/img2img/steps';
import {
  discreteModel,
  flowModel,
  rescaleZeroTerminalSnr,
  alphasCumprod,
} from '../../../src/lib/sampling/model_sampling';
import { timestepGrid } from '../../../src/lib/sampling/schedule_registry';
import { karrasSigmas } from '../../../src/lib/sampling/schedules/range_formulas';
import { analyticDenoiser, type DenoiserParams } from './analytic_denoiser';
import { describeGroup, maxAbsDifference, num, readGroup, type Case, type Group } from './read_group';
import { expectWithin } from '../within';

const noise = readGroup('noise');
const start = noise?.floats('start') ?? new Float64Array(0);
const draw = (k: number): Float64Array => noise!.floats('bank').subarray(k * start.length, (k + 1) * start.length);
const sd = discreteModel();
const flow = flowModel({ shift: { kind: 'exponential', mu: 1.15 }, levels: 10_000, multiplier: 1 });

function noised(
  prediction: unknown,
  latent: Float64Array,
  unit: Float64Array,
  sigma: number,
  unitVariance = false,
): Float64Array {
  const c = (prediction === 'flow' ? flow : sd).startCoefficients(sigma, unitVariance);
  return latent.map((v, i) => c.latent * v + c.noise * unit[i]!);
}

function check(group: Group, c: Case): void {
  const tolerance = num(c['tolerance'] ?? 1e-5);
  const close = (mine: ArrayLike<number>, golden: ArrayLike<number>): void =>
    expectWithin(maxAbsDifference(mine, golden), tolerance);
  const latent = group.floats('latent');
  switch (c.kind) {
    case 'img2img_steps': {
      const plan = img2imgSteps(c['mode'] as StepRule, num(c['requested']), num(c['strength']));
      expect([plan.scheduleSteps, plan.tEnc, plan.startIndex]).toEqual([
        c['schedule_steps'],
        c['t_enc'],
        c['start_index'],
      ]);
      for (const [kind, row] of Object.entries(
        c['karras'] as Record<string, { first_sigma: number; length: number }>,
      )) {
        const discard = kind === 'discard';
        const full = karrasSigmas(plan.scheduleSteps + (discard ? 1 : 0), sd.sigmaMin, sd.sigmaMax, 7);
        const list = discard ? [...full.slice(0, -2), 0] : full;
        const used = img2imgSigmas(list, { ...plan, skip: false });
        expect(used.length).toBe(row.length);
        expectWithin(Math.abs(used[0]! - row.first_sigma), 1e-5 * Math.max(1, row.first_sigma));
      }
      // Strength 0 runs one step upstream; here nothing is sampled.
      if (num(c['strength']) === 0) expect(plan.skip).toBe(true);
      return;
    }
    case 'img2img_timesteps': {
      const plan = img2imgSteps(c['mode'] as StepRule, num(c['requested']), num(c['strength']));
      const walk = img2imgTimesteps(timestepGrid(plan.scheduleSteps), plan.tEnc);
      expect(walk.noiseTimestep).toBe(c['noise_timestep']);
      return expect(walk.runTimesteps).toEqual(c['run_timesteps']);
    }
    case 'comfy_denoise': {
      const plan = img2imgSteps('comfy', num(c['requested']), num(c['strength']));
      expect(plan.scheduleSteps).toBe(c['schedule_steps']);
      const used = img2imgSigmas(karrasSigmas(plan.scheduleSteps, sd.sigmaMin, sd.sigmaMax, 7), plan);
      expect(used.length - 1).toBe(c['model_steps']);
      return expectWithin(Math.abs(used[0]! - num(c['first_sigma'])), 1e-5 * Math.max(1, used[0]!));
    }
    case 'noise_scaling':
      return close(
        noised(c['prediction'], latent, draw(0), num(c['sigma']), c['max_denoise'] === true),
        group.floats(c['out']),
      );
    case 'extra_noise': {
      const mine = noised('eps', latent, draw(0), num(c['sigma'])).map((v, i) => v + draw(0)[i]! * num(c['extra']));
      return close(mine, group.floats(c['out']));
    }
    case 'calculate_denoised': {
      const kinds = { epsilon: 'eps', v_prediction: 'v', edm: 'edm' } as const;
      const kind = kinds[String(c['prediction']) as keyof typeof kinds];
      // The generator sets sigma_data 1; flow models take x unchanged.
      const model = kind === undefined ? flow : discreteModel({ prediction: kind, sigmaData: 1 });
      const [x, raw] = [group.floats('conv/x'), group.floats('conv/out')];
      const sigmas = c['sigmas'] as number[];
      const each = x.length / sigmas.length;
      const sigmaOf = (i: number): number => sigmas[Math.floor(i / each)]!;
      // EDM is the one whose network input divides by sqrt(sigma^2 + sigma_data^2).
      close(
        x.map((v, i) => v * model.inputScale(sigmaOf(i))),
        group.floats(c['model_input']),
      );
      return close(
        x.map((v, i) => {
          const k = model.denoisedCoefficients(sigmaOf(i));
          return k.x * v + k.output * raw[i]!;
        }),
        group.floats(c['denoised']),
      );
    }
    case 'ztsnr': {
      const alphas = rescaleZeroTerminalSnr(alphasCumprod());
      const sigmas = alphas.map((a) => Math.sqrt((1 - a) / a));
      const golden = group.floats(c['sigmas']);
      golden.forEach((s, i) =>
        expectWithin(Math.abs(sigmas[i * num(c['every'])]! / s - 1), num(c['tolerance_relative'])),
      );
      return expectWithin(Math.abs(sigmas.at(-1)! / num(c['last']) - 1), num(c['tolerance_relative']));
    }
    case 'mask': {
      const source = group.tensor(c['mask']);
      const from = { height: source.shape[0]!, width: source.shape[1]! };
      const to = { height: num(c['latent_h']), width: num(c['latent_w']) };
      const rules: Record<string, MaskRule> = {
        web_ui: 'webui',
        web_ui_rounded: 'webui-rounded',
        comfy: 'comfy',
        diffusers: 'diffusers',
      };
      for (const [key, rule] of Object.entries(rules))
        close(maskToLatent(source.data, from, to, rule), group.floats(c[key]));
      const exact = resample(source.data, from, to, 'nearest-exact').map((v) => v / 255);
      return close(exact, group.floats(c['nearest_exact']));
    }
    case 'masked_euler': {
      const table = group.head['denoisers'] as Record<string, DenoiserParams>;
      const shape = noise!.tensor('start').shape;
      const denoise = analyticDenoiser(table[String(c['denoiser'])]!, shape[2]! * shape[3]!);
      const sigmas = [...group.floats(c['sigmas'])];
      const mask = group.floats(c['mask']);
      let x = noised(c['prediction'], latent, start, sigmas[0]!);
      const xs: number[] = [];
      for (let i = 0; i + 1 < sigmas.length; i++) {
        const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!];
        const kept = noised(c['prediction'], latent, c['rule'] === 'fresh' ? draw(10 + i) : start, sigma);
        const seen = x.map((v, k) => v * mask[k]! + kept[k]! * (1 - mask[k]!));
        const d = denoise(seen, c['prediction'] === 'flow' ? 1 - sigma : 1, sigma).map(
          (v, k) => v * mask[k]! + latent[k]! * (1 - mask[k]!),
        );
        x = x.map((v, k) => v + ((v - d[k]!) / sigma) * (next - sigma));
        xs.push(...x);
      }
      return expectWithin(maxAbsDifference(xs, group.floats(c['xs'])), 5e-5);
    }
    case 'hires_size': {
      const mine = hiresSize({
        widthPx: num(c['width']),
        heightPx: num(c['height']),
        scale: num(c['scale']),
        resizeWidthPx: num(c['resize_x']),
        resizeHeightPx: num(c['resize_y']),
      });
      expect([mine.widthPx, mine.heightPx]).toEqual(c['upscale_to']);
      return expect([mine.truncateX, mine.truncateY]).toEqual(c['truncate']);
    }
    case 'latent_upscale': {
      const shape = group.tensor('latent').shape;
      const [height, width] = c['size'] as [number, number];
      const mode = LATENT_UPSCALERS[c['label'] as LatentUpscaler];
      expect(mode, `no upscaler ${String(c['label'])}`).toBeDefined();
      return close(
        resample(latent, { height: shape[2]!, width: shape[3]! }, { height, width }, mode),
        group.floats(c['out']),
      );
    }
    case 'refiner': {
      const rule = { steps: num(c['steps']), switchAt: num(c['switch_at']), secondOrder: c['second_order'] === true };
      expect(totalCalls(rule.steps, rule.secondOrder)).toBe(c['total_steps']);
      return expect(firstRefinerCall(rule) ?? null).toBe(c['first_refiner_call']);
    }
    default:
      throw new Error(`unknown kind ${c.kind}`);
  }
}

describeGroup('img2img', (group) => {
  for (const c of group.cases) it(c.name, () => check(group, c));
});
