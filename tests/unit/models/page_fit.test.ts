/** What the page's worker says of a model before it is stored: from headers, within the memory that the engine knows. */
import 'fake-indexeddb/auto';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ByteSource } from '../../../src/lib/base/byte_source';
import { openFileSource } from '../../../src/companion/node_file_source';
import { defaultModelFiles } from '../../../src/companion/node_model';
import { openDatabase } from '../../../src/lib/storage/database';
import { budgetOf, planModel, rememberSpeed } from '../../../workers/models/fit';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** The shipped model, and how many bytes were read of it. */
async function shipped() {
  const opened = await Promise.all((await defaultModelFiles()).map(openFileSource));
  const read = { bytes: 0 };
  const sources = opened.map((source): ByteSource => ({
    ...source,
    read: (offset, length, signal) => {
      read.bytes += length;
      return source.read(offset, length, signal);
    },
  }));
  const close = () => Promise.all(opened.map((source) => source.close()));
  return { sources, read, close };
}

describe('fit in the page', () => {
  // Node 20 has none.
  beforeAll(() => void vi.stubGlobal('navigator', { deviceMemory: 8 }));

  it('takes the budget of the engine, or half of the device', () => {
    expect(budgetOf({ wasm: false, budgetBytes: 6 * GIB }, 8)).toBe(6 * GIB);
    expect(budgetOf({ wasm: false }, 8)).toBe(4 * GIB);
    expect(budgetOf({ wasm: true, budgetBytes: 3.5 * GIB }, 4)).toBe(2 * GIB);
    expect(budgetOf({ wasm: true, budgetBytes: MIB }, 8)).toBe(MIB);
    expect(budgetOf({ wasm: false })).toBe(GIB);
  });

  it('plans three sizes from headers; a verdict turns with the budget and names the number', async () => {
    const { sources, read, close } = await shipped();
    const database = await openDatabase('fit');
    const roomy = await planModel(sources, { wasm: true, budgetBytes: GIB }, database);
    const weights = sources.reduce((sum, source) => sum + source.sizeBytes, 0);
    expect(read.bytes).toBeLessThan(weights / 10);
    expect(roomy.sizes).toHaveLength(3);
    expect(roomy.sizes.map((size) => size.verdict)).toEqual(['fits', 'fits', 'fits']);
    const peaks = roomy.sizes.map((size) => size.peakBytes ?? 0);
    expect(peaks[0]).toBeGreaterThan(weights / 4);
    expect(peaks[0]).toBeLessThan(peaks[1] ?? 0);
    expect(peaks[1]).toBeLessThan(peaks[2] ?? 0);
    expect(roomy.sizes[0]?.secondsPerPicture).toBeUndefined();
    const tight = await planModel(sources, { wasm: true, budgetBytes: MIB }, database);
    expect(tight.sizes.map((size) => size.verdict)).not.toContain('fits');
    expect(tight.sizes[0]?.reason).toMatch(/of 1 MiB/);
    await close();
  });

  it('estimates the time from what a finished job reached: twice as slow, twice as long', async () => {
    const { sources, close } = await shipped();
    const database = await openDatabase('speed');
    const seconds: number[] = [];
    for (const denoiseMs of [1000, 2000]) {
      const sample = { model: 'm', widthPx: 128, heightPx: 128, steps: 10, pictures: 1, guided: true, denoiseMs };
      await rememberSpeed(sample, sources, database);
      const { sizes } = await planModel(sources, { wasm: true }, database);
      seconds.push(sizes[1]?.secondsPerPicture ?? 0);
    }
    expect(seconds[0]).toBeGreaterThan(0);
    expect((seconds[1] ?? 0) / (seconds[0] ?? 1)).toBeCloseTo(2, 5);
    await close();
  });
});
