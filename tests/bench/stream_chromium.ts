/** How much of the time for reading streamed weights hides behind computing, in Chromium. */
import { adapterFlags, inBenchPage } from './bench_page';
import type { BenchRow } from './report';
import type { StreamBench, StreamRun } from './stream_page';

const MIB = 2 ** 20;
const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;

function rowOf(
  { tokens, width, residentMs, streamedMs, aloneMs, times, equal }: StreamRun,
  { heldBytes, weightsBytes }: StreamBench,
) {
  const { bytes, loadMs, waitMs } = times;
  // Twice: by when the device stood idle, and by how much longer the run took.
  const [byIdle, byTime] = [waitMs, Math.max(0, streamedMs - residentMs)].map((shown) =>
    (100 * Math.max(0, 1 - shown / aloneMs)).toFixed(0),
  );
  const note = [
    `${mib(heldBytes)} held for ${mib(weightsBytes)}`,
    `${mib(bytes)} read a run: ${aloneMs.toFixed(0)} ms by itself, ${loadMs.toFixed(0)} ms beside computing`,
    `device without work ${waitMs.toFixed(0)} ms: ${byIdle} % hidden`,
    `by the time of the run: ${byTime} % hidden`,
    equal ? 'results equal bit by bit' : 'RESULTS DIFFER',
  ].join(', ');
  return {
    name: `streamed weights, ${tokens} x ${width}`,
    ours: streamedMs,
    unit: 'ms',
    baseline: residentMs,
    baselineName: 'everything stays',
    ratio: residentMs / streamedMs,
    note,
    figures: { readBytes: bytes, deviceBytes: heldBytes },
  };
}

/** @returns one row per number of tokens, and what is wrong whatever the baseline says */
export function streamInChromium(software: boolean): Promise<{ rows: BenchRow[]; failures: string[] }> {
  return inBenchPage('stream.html', adapterFlags(software), async (page, version) => {
    await page.waitForFunction(() => 'streamWeights' in globalThis);
    const run = () => (globalThis as unknown as { streamWeights(): Promise<StreamBench> }).streamWeights();
    const measured = await page.evaluate(run);
    const adapter = measured.info['architecture'] ?? 'unknown adapter';
    const rows = measured.runs.map((one): BenchRow => {
      const row = rowOf(one, measured);
      return { ...row, note: `${row.note}, Chromium ${version} on ${adapter}` };
    });
    const differing = measured.runs.filter(({ equal }) => !equal);
    return {
      rows,
      failures: differing.map(({ tokens, width }) => `streamed weights, ${tokens} x ${width}: results differ`),
    };
  });
}
