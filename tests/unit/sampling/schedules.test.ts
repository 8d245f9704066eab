import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { betaPpf } from '../../../src/lib/sampling/beta_ppf';
import { checkedSigmas } from '../../../src/lib/sampling/context';
import { img2imgSigmas, img2imgSteps } from '../../../src/lib/sampling/img2img/steps';
import { type ModelSampling, discreteModel, flowModel, fluxMu } from '../../../src/lib/sampling/model_sampling';
import { resolveNames } from '../../../src/lib/sampling/names';
import { getSampler } from '../../../src/lib/sampling/registry';
import type { ScheduleDef } from '../../../src/lib/sampling/schedule';
import { computeSigmas, schedules } from '../../../src/lib/sampling/schedule_registry';

const euler = getSampler('euler');
const models = {
  sd: discreteModel(),
  sdxl: discreteModel({ family: 'sdxl', prediction: 'v', zeroTerminalSnr: true }),
  sd3: flowModel({ shift: { kind: 'linear', shift: 3 } }),
  flux: flowModel({ shift: { kind: 'exponential', mu: fluxMu(4096) }, levels: 10_000, multiplier: 1 }),
};

function code(run: () => unknown): string {
  try {
    run();
    return 'no error';
  } catch (error) {
    return error instanceof AppError ? error.code : `not an AppError: ${String(error)}`;
  }
}

/** Published tables are of noise-prediction models; on others they are refused, see below. */
const tables = (schedules as readonly ScheduleDef[]).filter(({ notForFlow }) => notForFlow).map(({ id }) => id);
const isForeign = (schedule: string, { parameterization }: ModelSampling) =>
  parameterization === 'flow' && tables.includes(schedule);

describe('every schedule', () => {
  for (const [name, model] of Object.entries(models)) {
    for (const schedule of schedules.filter(({ id }) => !isForeign(id, model))) {
      it(`${schedule.id} on ${name} descends and stays finite for any number of steps`, () => {
        for (const steps of [1, 2, 3, 7, 20, 33, 150, 1000]) {
          const sigmas = computeSigmas({ sampler: euler, schedule: schedule.id, steps, model });
          expect(sigmas.length).toBeGreaterThan(1);
          sigmas.forEach((s, i) => {
            expect(Number.isFinite(s) && s >= 0, `${steps} steps, level ${i}: ${s}`).toBe(true);
            if (i > 0)
              expect(s, `${steps} steps, level ${i}`).toBeLessThanOrEqual((sigmas[i - 1] as number) * (1 + 1e-12));
          });
        }
      });
    }
  }
});

describe('few steps', () => {
  // Strides of whole trained steps (DDIM) may give one more.
  const walks = (sigmas: readonly number[]) => checkedSigmas('test', sigmas).length - 1;

  for (const [name, model] of Object.entries(models)) {
    it(`every schedule on ${name} walks as many steps as were asked for`, () => {
      for (const schedule of [...schedules.map(({ id }) => id), 'automatic'] as const) {
        if (isForeign(schedule, model)) continue;
        for (const steps of [1, 2, 3, 4, 8]) {
          for (const discardPenultimate of [false, true]) {
            const sigmas = computeSigmas({ sampler: euler, schedule, steps, model, discardPenultimate });
            const walked = walks(sigmas);
            const label = `${schedule}, ${steps} steps${discardPenultimate ? ', one discarded' : ''}: ${sigmas.join()}`;
            if (schedule === 'ddim') expect(walked, label).toBeGreaterThanOrEqual(steps);
            else expect(walked, label).toBe(steps);
          }
        }
      }
    });
  }

  it('Automatic on a flow model divides its whole time evenly', () => {
    const model = flowModel();
    const sigmas = computeSigmas({ sampler: euler, schedule: 'automatic', steps: 4, model });
    [0.999, 0.74925, 0.4995, 0.24975, 0].forEach((level, i) => expect(sigmas[i]).toBeCloseTo(level, 12));
  });
});

describe('bad input', () => {
  it('refuses levels above 1 on flow models: tables of other models, and their ranges', () => {
    const model = flowModel();
    expect(tables.length).toBeGreaterThan(0);
    for (const { id: schedule } of schedules) {
      const refused = code(() => computeSigmas({ sampler: euler, schedule, steps: 8, model })) === 'argument/invalid';
      expect(refused, schedule).toBe(tables.includes(schedule));
    }
    const wide = { sampler: euler, schedule: 'karras', steps: 8, model } as const;
    expect(code(() => computeSigmas({ ...wide, sigmaMax: 14.6 }))).toBe('argument/invalid');
    expect(computeSigmas(wide)[0]).toBeLessThanOrEqual(1);
  });
  it('refuses impossible numbers of steps', () => {
    for (const steps of [0, -1, 1.5, NaN, Infinity, 1001]) {
      expect(code(() => computeSigmas({ sampler: euler, schedule: 'karras', steps, model: models.sd }))).toBe(
        'argument/invalid',
      );
    }
  });

  it('takes sigma 0 as the model range and refuses an upside-down range', () => {
    const base = { sampler: euler, schedule: 'karras', steps: 5, model: models.sd } as const;
    expect(computeSigmas({ ...base, sigmaMin: 0, sigmaMax: 0 })).toEqual(computeSigmas(base));
    expect(code(() => computeSigmas({ ...base, sigmaMin: 5, sigmaMax: 1 }))).toBe('argument/invalid');
    expect(code(() => computeSigmas({ ...base, sigmaMin: -1 }))).toBe('argument/invalid');
    expect(code(() => computeSigmas({ ...base, rho: -3 }))).toBe('argument/invalid');
  });

  it('samples nothing at strength 0 and everything at strength 1', () => {
    const sigmas = computeSigmas({ sampler: euler, schedule: 'karras', steps: 20, model: models.sd });
    expect(img2imgSigmas(sigmas, img2imgSteps('plain', 20, 0))).toEqual([]);
    expect(img2imgSigmas(sigmas, img2imgSteps('plain', 20, 1))).toEqual(sigmas);
    expect(img2imgSigmas(sigmas, img2imgSteps('plain', 20, 0.5)).length - 1).toBe(11);
    for (const strength of [-0.1, 1.1, NaN])
      expect(code(() => img2imgSteps('plain', 20, strength))).toBe('argument/invalid');
  });

  it('refuses shifts, betas and shapes that make no model', () => {
    expect(code(() => flowModel({ shift: { kind: 'linear', shift: 0 } }))).toBe('argument/invalid');
    expect(code(() => discreteModel({ betaStart: 0 }))).toBe('argument/invalid');
    expect(code(() => betaPpf(0.5, 0, 1))).toBe('argument/invalid');
  });

  it('suggests the nearest name for an unknown one', () => {
    expect(code(() => resolveNames('Eulr a'))).toBe('sampler/unknown');
    expect(() => resolveNames('Eulr a')).toThrow(/Euler a/);
    expect(() => resolveNames('Euler', 'Karas')).toThrow(/Karras/);
    expect(code(() => resolveNames('x'.repeat(1e6)))).toBe('sampler/unknown');
    expect(resolveNames('k_dpmpp_2m_ka')).toMatchObject({ sampler: 'dpmpp_2m', schedule: 'karras' });
    expect(resolveNames('Undefined')).toMatchObject({ sampler: 'euler', schedule: 'simple' });
  });
});

describe('betaPpf', () => {
  it('inverts known distributions', () => {
    for (const p of [0, 1e-6, 0.1, 0.5, 0.9, 1]) {
      expect(betaPpf(p, 1, 1)).toBeCloseTo(p, 12);
      expect(betaPpf(p, 2, 1)).toBeCloseTo(Math.sqrt(p), 12);
      // Arcsine distribution.
      expect(betaPpf(p, 0.5, 0.5)).toBeCloseTo(Math.sin((Math.PI * p) / 2) ** 2, 10);
    }
  });
});
