import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { float32Latents, float64Latents } from '../../../src/lib/sampling/array_latents';
import { runSampler, type SamplerJob } from '../../../src/lib/sampling/context';
import { discreteModel, flowModel } from '../../../src/lib/sampling/model_sampling';
import { getSampler, samplers } from '../../../src/lib/sampling/registry';
import type { SamplerDef, SamplerStep } from '../../../src/lib/sampling/sampler';
import { computeSigmas, schedules } from '../../../src/lib/sampling/schedule_registry';

const sd = discreteModel();
const flow = flowModel({ shift: { kind: 'linear', shift: 3 } });

/** Clean latent 0.5 with variance 1: the exact denoiser of a Gaussian, smooth and cheap. */
function gaussian(x: Float64Array, sigma: number, alpha = 1): Float64Array {
  const v = alpha * alpha + sigma * sigma;
  return x.map((value) => 0.5 + (alpha / v) * (value - alpha * 0.5));
}

function job(overrides: Partial<SamplerJob<Float64Array>> = {}): SamplerJob<Float64Array> {
  const model = overrides.model ?? sd;
  const alpha = (sigma: number): number => (model.parameterization === 'flow' ? 1 - sigma : 1);
  let k = 0;
  return {
    ops: float64Latents({ poisonReleased: true }),
    model,
    denoise: (x, sigma) =>
      Promise.resolve({ denoised: gaussian(x, sigma, alpha(sigma)), uncond: gaussian(x, sigma, alpha(sigma)) }),
    noise: () => Float64Array.from({ length: 4 }, () => Math.sin(++k * 12.9898)),
    checkFinite: true,
    ...overrides,
  };
}

function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof AppError ? error.code : `not an AppError: ${String(error)}`),
  );
}

describe('every sampler of the registry', () => {
  for (const sampler of samplers as readonly SamplerDef[]) {
    for (const model of [sd, flow].filter((m) => sampler.parameterizations.includes(m.parameterization))) {
      for (const steps of [1, 2, 3, 4, 7, 21]) {
        it(`${sampler.id} on ${model.parameterization} gives finite results with ${steps} steps`, async () => {
          const sigmas = computeSigmas({ sampler, schedule: 'automatic', steps, model });
          const start = Float64Array.from([1, -2, 0.5, 0.1], (v) => v * (sigmas[0] ?? 1));
          const seen: SamplerStep<Float64Array>[] = [];
          const result = await runSampler(sampler, start, sigmas, job({ model, onStep: (s) => void seen.push(s) }));
          expect(result.every(Number.isFinite)).toBe(true);
          expect(seen.map((s) => s.i)).toEqual(seen.map((_, i) => i));
        });
      }
    }
  }

  it('has unique ids, labels and aliases', () => {
    const names = (samplers as readonly SamplerDef[]).flatMap((s) => [
      ...new Set([s.label.toLowerCase(), s.id, ...s.aliases]),
    ]);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(schedules.map((s) => s.id)).size).toBe(schedules.length);
  });
});

describe('bad input', () => {
  const euler = getSampler('euler');
  const x = Float64Array.from([1, 2, 3, 4]);

  it('refuses levels that are not positive, finite and descending', async () => {
    for (const sigmas of [[], [1, NaN, 0], [1, 2, 0], [-1, 0], [0], [1, 0, 0.5], [Infinity, 1, 0], [1, -0.5]]) {
      expect(await code(runSampler(euler, x, sigmas, job()))).toBe('argument/invalid');
    }
  });

  it('makes no step and no call from one level', async () => {
    let calls = 0;
    const counting = job({ denoise: (v) => (calls++, Promise.resolve({ denoised: v.slice() })) });
    expect(await runSampler(euler, x, [2], counting)).toEqual(x);
    expect(calls).toBe(0);
  });

  it('drops repeated levels instead of dividing by a step of zero width', async () => {
    for (const sampler of samplers as readonly SamplerDef[]) {
      const result = await runSampler(sampler, x, [10, 5, 5, 1, 0.5, 0, 0], job());
      expect(result.every(Number.isFinite), sampler.id).toBe(true);
    }
  });

  it('names a model that returns NaN', async () => {
    const broken = job({ denoise: (v) => Promise.resolve({ denoised: v.map(() => NaN) }) });
    for (const sampler of samplers as readonly SamplerDef[]) {
      if (sampler.needsUncond) continue;
      expect(await code(runSampler(sampler, x, [10, 5, 1, 0], broken)), sampler.id).toBe('job/non-finite');
    }
  });

  it('ends an adaptive run on NaN even when nobody probes the model', async () => {
    const broken = job({ checkFinite: false, denoise: (v) => Promise.resolve({ denoised: v.map(() => NaN) }) });
    expect(await code(runSampler(getSampler('dpm_adaptive'), x, [10, 1, 0], broken))).toBe('job/non-finite');
  });

  it('refuses a model kind the sampler has no rule for', async () => {
    for (const sampler of samplers as readonly SamplerDef[]) {
      if (sampler.parameterizations.includes('flow')) continue;
      expect(await code(runSampler(sampler, x, [1, 0.5, 0], job({ model: flow })))).toBe('sampler/unsupported');
    }
  });

  it('refuses CFG++ without an unconditional prediction and noise without a source', async () => {
    const plain = job({ denoise: (v, s) => Promise.resolve({ denoised: gaussian(v, s) }) });
    expect(await code(runSampler(getSampler('euler_cfg_pp'), x, [2, 1, 0], plain))).toBe('sampler/unsupported');
    const base = job();
    const silent: SamplerJob<Float64Array> = {
      ops: base.ops,
      model: base.model,
      denoise: (v, s, signal) => base.denoise(v, s, signal),
    };
    expect(await code(runSampler(getSampler('euler_ancestral'), x, [2, 1, 0], silent))).toBe('sampler/unsupported');
  });

  it('refuses options outside their limits', async () => {
    for (const options of [{ sChurn: -1 }, { sChurn: NaN }, { sTmin: 'x' }]) {
      expect(await code(runSampler(euler, x, [2, 1, 0], job({ options })))).toBe('argument/invalid');
    }
    const restart = job({ options: { restartList: '{"a": 1}' } });
    expect(await code(runSampler(getSampler('restart'), x, [2, 1, 0], restart))).toBe('argument/invalid');
  });

  it('stops at the next model call or step end when the job is cancelled', async () => {
    const controller = new AbortController();
    const cancelled = job({ signal: controller.signal, onStep: ({ i }) => (i === 1 ? controller.abort() : undefined) });
    expect(await code(runSampler(euler, x, [8, 4, 2, 1, 0], cancelled))).toBe('job/cancelled');
  });
});

describe('lifetime of latents', () => {
  it('releases every latent but the result, after success and after failure', async () => {
    for (const fail of [false, true]) {
      const live = new Set<Float64Array>();
      const plain = float64Latents();
      const track = (v: Float64Array): Float64Array => (live.add(v), v);
      let calls = 0;
      const run = runSampler(getSampler('dpmpp_3m_sde'), Float64Array.from([1, 2, 3, 4]), [8, 4, 2, 1, 0], {
        ...job(),
        ops: {
          ...plain,
          lincomb: (terms) => track(plain.lincomb(terms)),
          release: (latents) => latents.forEach((l) => expect(live.delete(l)).toBe(true)),
        },
        denoise: (v, s) => {
          if (fail && ++calls === 3) return Promise.reject(new AppError('backend/run', 'planted failure'));
          return Promise.resolve({ denoised: track(gaussian(v, s)) });
        },
        noise: () => track(new Float64Array(4)),
      });
      const outcome = await run.catch(() => undefined);
      expect([...live]).toEqual(outcome === undefined ? [] : [outcome]);
    }
  });

  it('splits a sum of more than eight terms', async () => {
    const sizes: number[] = [];
    const ops = float32Latents();
    const sampler: SamplerDef = {
      ...getSampler('euler'),
      run: (ctx, x) => Promise.resolve(ctx.lincomb(...Array.from({ length: 20 }, () => [1, x] as const))),
    };
    const result = await runSampler(sampler, new Float32Array([1]), [1, 0], {
      ops: { ...ops, lincomb: (terms) => (sizes.push(terms.length), ops.lincomb(terms)) },
      model: sd,
      denoise: (v) => Promise.resolve({ denoised: v }),
    });
    expect(result[0]).toBe(20);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(8);
  });
});

describe('order of convergence', () => {
  /** Error against a very fine run, for deterministic one-step-size refinement. */
  async function error(sampler: SamplerDef, steps: number): Promise<number> {
    const grid = Array.from({ length: steps + 1 }, (_, i) => 10 * (0.5 / 10) ** (i / steps));
    const result = await runSampler(sampler, Float64Array.from([10, -6, 3, 1]), grid, job());
    // d x / d sigma = (x - D)/sigma has the solution x = 0.5 + c * sqrt(1 + sigma^2).
    const exact = [10, -6, 3, 1].map((v) => 0.5 + ((v - 0.5) / Math.sqrt(101)) * Math.sqrt(1.25));
    return Math.max(...exact.map((v, i) => Math.abs(v - (result[i] as number))));
  }
  for (const [id, order] of [
    ['euler', 1],
    ['heun', 2],
    ['dpm_2', 2],
    ['dpmpp_2m', 2],
    // The first steps have no history, so their lower order bounds the whole run.
    ['lms', 3],
    ['unipc_sigma', 2],
  ] as const) {
    it(`${id} gains at least order ${order} when the steps are halved`, async () => {
      const sampler = getSampler(id);
      const gain = Math.log2((await error(sampler, 32)) / (await error(sampler, 64)));
      expect(gain).toBeGreaterThan(order - 0.35);
    });
  }
});
