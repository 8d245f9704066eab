/** JS heap of a page in Chromium while it loads a file of 4 GB, sampled from outside. */
import { open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syntheticModel } from '../../src/lib/models/synthetic';
import { trueSizeById } from '../../src/lib/models/true_sizes';
import { inBenchPage } from './bench_page';
import type { BenchRow } from './report';

const MIB = 2 ** 20;
const SAMPLE_MS = 50;

interface Loaded {
  readonly ms: number;
  readonly deviceBytes: number;
  readonly written: number;
}

/** FLUX.2 klein's denoiser in Q8_0: 4.1 GB in a sparse file. */
export async function loadInChromium(): Promise<BenchRow> {
  const size = trueSizeById('klein');
  if (!size) throw new Error('reload: no model klein');
  const { weights } = syntheticModel(size, 'Q8_0').denoiser;
  const bytes = [...weights.values()].reduce((sum, { tensor }) => sum + tensor.byteLength, 0);
  const path = join(tmpdir(), `sketchforge-${process.pid}-klein.bin`);
  const handle = await open(path, 'w');
  await handle.truncate(bytes);
  await handle.close();
  try {
    return await inBenchPage('reload.html', [], async (page, version) => {
      await page.waitForFunction(() => 'loadFile' in globalThis);
      await page.setInputFiles('input', path);
      const session = await page.context().newCDPSession(page);
      // Objects, and the contents of array buffers, which lie beside them.
      const heap = async () => {
        const usage = (await session.send('Runtime.getHeapUsage')) as unknown as Record<string, number>;
        return (usage['usedSize'] ?? 0) + (usage['backingStorageSize'] ?? 0);
      };
      await session.send('HeapProfiler.collectGarbage');
      const before = await heap();
      let [peak, samples, done] = [before, 0, false];
      const watching = (async () => {
        while (!done) {
          peak = Math.max(peak, await heap());
          samples++;
          await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
        }
      })();
      const loaded = await page
        .evaluate(() => (globalThis as unknown as { loadFile(): Promise<Loaded> }).loadFile())
        .finally(() => (done = true));
      await watching;
      const { size: fileBytes } = await stat(path);
      const mib = (value: number) => `${(value / MIB).toFixed(0)} MiB`;
      return {
        name: 'a file of 4 GB in Chromium (klein Q8_0)',
        ours: loaded.ms / 1000,
        unit: 's',
        note: `${mib(fileBytes)} file, ${mib(loaded.written)} handed over, heap ${mib(before)} before, ${mib(peak)} at most in ${samples} samples, Chromium ${version}`,
        figures: { readBytes: fileBytes, deviceBytes: loaded.deviceBytes, heapBytes: peak, seconds: loaded.ms / 1000 },
      };
    });
  } finally {
    await rm(path);
  }
}
