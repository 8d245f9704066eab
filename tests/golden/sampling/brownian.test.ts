import { expect, it } from 'vitest';
import { discreteModel } from '../../../src/lib/sampling/model_sampling';
import { BrownianNoise } from '../../../src/lib/sampling/noise/brownian';
import { samplers } from '../../../src/lib/sampling/registry';
import { analyticDenoiser, type DenoiserParams } from './analytic_denoiser';
import { describeGroup, maxAbsDifference, num } from './read_group';
import { runCase } from './run_case';
import { expectWithin } from '../within';

describeGroup('samplers-brownian', (group) => {
  for (const c of group.cases) {
    it(c.name, async () => {
      const start = group.tensor(c['start']);
      const [n = 1, channels = 1, h = 1, w = 1] = start.shape;
      const sigmas = [...group.floats(c['sigmas'])];
      const positive = sigmas.filter((s) => s > 0);
      const table = group.head['denoisers'] as Record<string, DenoiserParams>;
      const denoiser = analyticDenoiser(table[String(c['denoiser'])]!, h * w);
      const brownian = new BrownianNoise({
        kind: c['mode'] === 'NV' ? 'nv' : 'cpu',
        seeds: (c['seeds'] as string[]).map(BigInt),
        count: channels * h * w,
        sigmaMin: Math.min(...positive),
        sigmaMax: Math.max(...positive),
      });
      const sampler = samplers.find((s) => s.id === c['sampler']);
      expect(sampler, `no sampler ${String(c['sampler'])}`).toBeDefined();
      const golden = typeof c['noise'] === 'string' ? group.floats(c['noise']) : new Float64Array(0);
      const pairs = c['pairs'] as [number, number][];
      const size = n * channels * h * w;
      const run = {
        sampler: sampler!,
        options: {},
        model: discreteModel(),
        sigmas,
        start: group.floats(c['start']),
        denoise: (x: Float32Array | Float64Array, sigma: number) => ({ denoised: denoiser(x, 1, sigma) }),
        // The tree is cut at times rounded to 1e-6. DPM++ SDE computes its middle time, and float32 rounding moves it by
        // more than that, so the tree is asked at the recorded times; the sampler's own are compared below.
        noise: (k: number) => {
          const [a, b] = pairs[k]!;
          const mine = brownian.between(a, b);
          expectWithin(maxAbsDifference(mine, golden.subarray(k * size, (k + 1) * size)), 5e-6, `noise ${k}`);
          return mine;
        },
      };
      const result = await runCase(run, 'f32');
      expect(result.noiseCalls.length).toBe(pairs.length);
      result.noiseCalls.flat().forEach((time, i) => {
        const recorded = pairs.flat()[i]!;
        expectWithin(Math.abs(time - recorded), 2e-6 * Math.max(1, recorded), `time ${i}`);
      });
      expectWithin(maxAbsDifference(result.final, group.floats(c['final'])), num(c['tolerance'] ?? 2e-4));
    });
  }
});
