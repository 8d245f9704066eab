/** What a sampler adds to a step on the WGSL path, in Chromium. */
import { adapterFlags, inBenchPage } from './bench_page';
import type { BenchRow } from './report';
import type { SamplerBench } from './sampler_page';

/** Of a step: sampler arithmetic may take no more. */
const LARGEST_SHARE = 0.01;

/** @returns one row per sampler and rule with its share of a step, and which of them take too much of it */
export function samplersInChromium(software: boolean): Promise<{ rows: BenchRow[]; failures: string[] }> {
  return inBenchPage('sampler.html', adapterFlags(software), async (page, version) => {
    await page.waitForFunction(() => 'benchSamplers' in globalThis);
    const run = () => (globalThis as unknown as { benchSamplers(): Promise<SamplerBench> }).benchSamplers();
    const { info, samplers, rules, stepMs, sidePx } = await page.evaluate(run);
    const where = `Chromium ${version} on ${info['architecture'] ?? info['vendor'] ?? 'an unknown adapter'}`;
    const parts = [
      ...samplers.map(({ label, ms }) => ({ name: `${label}, one step`, ms })),
      ...rules.map(({ name, ms }) => ({ name: `${name}, one call`, ms })),
    ];
    const rows = parts.map(({ name, ms }): BenchRow => {
      const share = `${((100 * ms) / stepMs).toPrecision(2)} % of a step`;
      return {
        name: `WGSL: ${name}`,
        ours: ms,
        unit: 'ms',
        baseline: stepMs,
        baselineName: `a step of the built-in model, ${sidePx} x ${sidePx}`,
        ratio: stepMs / ms,
        note: `${share}, ${where}`,
      };
    });
    const failures = parts
      .filter(({ ms }) => ms > LARGEST_SHARE * stepMs)
      .map(({ name, ms }) => `${name}: ${ms.toFixed(2)} ms are more than 1 % of a step of ${stepMs.toFixed(1)} ms`);
    return { rows, failures };
  });
}
