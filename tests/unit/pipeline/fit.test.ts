import { describe, expect, it } from 'vitest';
import { syntheticModel } from '../../../src/lib/models/synthetic';
import { trueSizeById, type TrueSizeId } from '../../../src/lib/models/true_sizes';
import { FIT_MEASURES, planFit, undecodableTypes, type FitLimits, type FitPlan } from '../../../src/lib/pipeline/fit';
import { isPlanned, type StagePlan } from '../../../src/lib/pipeline/fit_stages';

const GIB = 2 ** 30;

function model(id: TrueSizeId) {
  const size = trueSizeById(id);
  if (!size) throw new Error(id);
  return syntheticModel(size, 'Q4_0');
}

const sd15 = model('sd15');
const limits = (budgetGib: number, more: Partial<FitLimits> = {}): FitLimits => ({
  maxBufferBytes: 2 * GIB,
  maxBindingBytes: 2 * GIB - 4,
  budgetBytes: budgetGib * GIB,
  ...more,
});
const planned = (plan: FitPlan, stage: 'encoders' | 'denoiser' | 'decoder'): StagePlan[] =>
  plan.stages[stage].filter(isPlanned);

const roomy = planFit(sd15, { limits: limits(8) });

describe('planFit', () => {
  it('everything resident is the sum of weights and the largest arena', () => {
    const plan = roomy;
    const { chosen } = plan;
    const sum = chosen.reduce((total, stage) => total + stage.weightsBytes, 0);
    expect(plan.verdict).toBe('fits');
    expect(chosen.map(({ stage, variant }) => `${stage} ${variant}`)).toEqual([
      'text-encoder clip-l',
      'denoiser guidance batch',
      'decoder whole',
    ]);
    expect(plan.peakBytes.resident).toBe(sum + Math.max(...chosen.map((stage) => stage.arenaBytes)));
  });

  it('stage by stage is the largest stage, in its smallest variant', () => {
    const plan = roomy;
    const smallest = (stages: StagePlan[]) => Math.min(...stages.map(({ peakBytes }) => peakBytes));
    const stages = [planned(plan, 'encoders'), planned(plan, 'denoiser'), planned(plan, 'decoder')];
    expect(plan.peakBytes.sequential).toBe(Math.max(...stages.map(smallest)));
    for (const stage of stages.flat()) expect(stage.peakBytes).toBe(stage.weightsBytes + stage.arenaBytes);
  });

  it('streamed weights lie between two blocks and all', () => {
    for (const stage of planned(roomy, 'denoiser')) {
      expect(stage.streamedWeightsBytes).toBeGreaterThan(0);
      expect(stage.streamedWeightsBytes).toBeLessThan(stage.weightsBytes);
    }
    const { peakBytes } = roomy;
    expect(peakBytes.streaming).toBeLessThan(peakBytes.sequential ?? 0);
  });

  it('less memory: first measures, then the companion, at last no', () => {
    const { peakBytes } = roomy;
    const verdict = (budgetBytes: number, companionBytes?: number) =>
      planFit(sd15, {
        measures: FIT_MEASURES,
        limits: limits(0, { budgetBytes, ...(companionBytes ? { companionBytes } : {}) }),
      });
    expect(verdict(peakBytes.resident ?? 0).verdict).toBe('fits');
    const eased = verdict(peakBytes.sequential ?? 0);
    expect(eased.verdict).toBe('fits with tiling and sequential loading');
    expect(eased.measures).toContain('sequential loading');
    const streamed = verdict((peakBytes.sequential ?? 0) - 1);
    expect(streamed.verdict).toBe('fits with tiling and sequential loading');
    expect(streamed.measures).toContain('streamed weights');
    const tight = (peakBytes.streaming ?? 0) - 1;
    expect(verdict(tight).verdict).toBe('companion');
    expect(verdict(tight, tight).verdict).toBe('no');
  });

  it('a tensor above the binding limit is decoded in tiles', () => {
    const plan = planFit(sd15, {
      measures: FIT_MEASURES,
      limits: limits(16, { maxBindingBytes: 256 * 2 ** 20 }),
      widthPx: 1024,
      heightPx: 1024,
    });
    expect(plan.stages.decoder.map(isPlanned)).toEqual([false, true, true]);
    // The feed-forward of both conditions together is too large as well.
    expect(plan.measures).toEqual(['split guidance', 'tiled decoding']);
    expect(plan.verdict).toBe('fits with tiling and sequential loading');
  });

  it('without tiles the same device refuses, with its limit in the reason', () => {
    const tight = limits(16, { maxBindingBytes: 256 * 2 ** 20 });
    const plan = planFit(sd15, { measures: ['split guidance'], limits: tight, widthPx: 1024, heightPx: 1024 });
    expect(plan.verdict).toBe('companion');
    expect(plan.reason).toMatch(/binding limit.*with split guidance, tiled decoding\.$/);
  });

  it('counts only on the measures that are allowed, and says what would help', () => {
    const plan = planFit(sd15, {
      measures: ['split guidance'],
      limits: limits(0, { budgetBytes: roomy.peakBytes.sequential ?? 0 }),
    });
    expect(plan.verdict).toBe('companion');
    expect(plan.measures).toEqual([]);
    expect(plan.reason).toMatch(/It would need \d+ MiB with .*sequential loading\./);
  });

  it('a device that can bind no tile leaves it to the companion', () => {
    const plan = planFit(sd15, { limits: limits(16, { maxBindingBytes: 2 ** 20 }) });
    expect(plan.verdict).toBe('companion');
    expect(plan.reason).toMatch(/binding limit/);
  });

  it('time is operations over measured speed; guidance doubles the steps', () => {
    const request = { limits: limits(8), steps: 10, measuredFlopsPerSecond: 1e12 };
    const guided = planFit(sd15, { ...request, cfgScale: 7 });
    const plain = planFit(sd15, { ...request, cfgScale: 1 });
    const flops = (plan: FitPlan, stage: string) => plan.chosen.find((one) => one.stage === stage)?.flops ?? 0;
    const expected = flops(plain, 'text-encoder') + 10 * flops(plain, 'denoiser') + flops(plain, 'decoder');
    expect(plain.flopsPerPicture).toBe(expected);
    expect(plain.secondsPerPicture).toBeCloseTo(expected / 1e12, 9);
    expect(flops(guided, 'denoiser') / flops(plain, 'denoiser')).toBeCloseTo(2, 3);
  });

  it('a batch shares the prompt: operations per picture do not grow', () => {
    const four = planFit(sd15, { limits: limits(16), batch: 4 });
    expect(four.flopsPerPicture).toBeLessThanOrEqual(roomy.flopsPerPicture);
    expect(four.peakBytes.resident).toBeGreaterThan(roomy.peakBytes.resident ?? 0);
  });

  it.each([
    ['flux', 'Q4_0', 8, 1024],
    ['flux', 'Q4_0', 4, 1024],
    ['klein', 'Q4_0', 4, 1024],
    ['sd15', 'Q8_0', 1.5, 512],
  ] as const)('%s in %s fits %d GiB at %d pixels', (id, type, gib, side) => {
    const size = trueSizeById(id);
    if (!size) throw new Error(id);
    const plan = planFit(syntheticModel(size, type), { limits: limits(gib), widthPx: side, heightPx: side });
    expect(plan.verdict).toMatch(/^fits/);
    // Weights pass through only where memory leaves no other way.
    expect(plan.measures.includes('streamed weights')).toBe(id === 'flux' && gib === 4);
  });

  it('refuses sizes that the model cannot make', () => {
    expect(() => planFit(sd15, { limits: limits(8), widthPx: 500 })).toThrow(/multiples of/);
    expect(() => planFit(sd15, { limits: limits(8), heightPx: Number.NaN })).toThrow(/multiples of/);
  });

  it('every type of a synthetic model can be decoded', () => {
    expect(undecodableTypes([sd15.denoiser]).size).toBe(0);
  });
});
