/** Plots and loopback through the pipeline: every cell is the picture of a single run, and nothing is lost. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paintText } from '../../../src/companion/plot/label_font';
import { encodePicture } from '../../../src/companion/node_codecs';
import { AppError } from '../../../src/lib/base/errors';
import { loopStrength } from '../../../src/lib/pipeline/loopback';
import { drawSheet, joinSheets, sheetScale } from '../../../src/lib/pipeline/plot/sheet';
import { runRequest } from '../../../src/lib/pipeline/run_request';
import { readParameters } from '../../../src/lib/infotext/parameter_fields';
import { readPicture } from '../../../src/lib/infotext/picture';
import type { GenerateRequest, JobEvent, PixelImage } from '../../../src/lib/rpc/engine';
import { BASE } from './base_request';
import { openDefault, pattern, run, type Opened } from './harness';

let opened: Opened;
beforeAll(async () => {
  opened = await openDefault();
}, 60_000);
afterAll(() => opened.close());
const SLOW = { timeout: 60_000 };

async function runAll(request: Partial<GenerateRequest>, host: Partial<Parameters<typeof runRequest>[2]> = {}) {
  const events: JobEvent[] = [];
  const pictures: PixelImage[] = [];
  const result = await runRequest(
    opened.model,
    { ...BASE, ...request },
    {
      randomSeed: () => 1,
      encodePicture,
      paintText,
      ...host,
      onEvent: (event) => {
        events.push(event);
        host.onEvent?.(event);
      },
      onPicture: (picture) => pictures.push(picture),
    },
  );
  return { result, events, pictures };
}

const PLOT = {
  x: { axis: 'cfgScale', values: '1, 4' },
  y: { axis: 'seed', values: '7, 8' },
  legend: true,
  keepPictures: true,
  marginPx: 2,
};

describe('plot', () => {
  it('gives the picture of a single run in every cell, on a sheet that says what varies', SLOW, async () => {
    const { result, events, pictures } = await runAll({ plot: PLOT });
    expect(pictures).toHaveLength(4);
    const single = await run(opened.model, { cfgScale: 4, seed: 8 });
    expect(pictures.some(({ rgba }) => rgba.every((v, i) => v === single.pictures[0]!.rgba[i]))).toBe(true);
    const cells = events.filter((event) => event.kind === 'cell');
    expect(cells.map(({ cell, cells: all, labels }) => [cell, all, labels.length])).toEqual(
      [1, 2, 3, 4].map((i) => [i, 4, 2]),
    );
    expect(result.images.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    const { grid } = result;
    expect(grid!.widthPx).toBeGreaterThan(2 * 64);
    const told = readParameters(grid!.infotext).extra;
    expect(told.get('X Type')).toBe('CFG Scale');
    expect(told.get('Fixed Y Values')).toBe('7, 8');
    const read = await readPicture(new Uint8Array(await grid!.file.arrayBuffer()));
    expect(read.parameters?.extra.get('X Values')).toBe('1, 4');
  });

  it('keeps no single picture unless asked, and gives a sheet for each z value', SLOW, async () => {
    const { result, events } = await runAll({
      plot: { ...PLOT, y: { axis: 'steps', values: '1, 2' }, z: { axis: 'seed', values: '1, 2' }, keepPictures: false },
    });
    expect(result.images).toEqual([]);
    expect(events.some((event) => event.kind === 'image')).toBe(false);
    expect(result.subGrids).toHaveLength(2);
    expect(readParameters(result.subGrids![1]!.infotext).seed).toBe(2);
    expect(readParameters(result.subGrids![1]!.infotext).extra.has('Z Type')).toBe(false);
    expect(result.grid!.file.size).toBeGreaterThan(0);
  });

  it('stopped, gives the sheet of what exists', SLOW, async () => {
    const stop = new AbortController();
    const { result } = await runAll(
      { plot: PLOT },
      {
        signal: stop.signal,
        onEvent: (event) => {
          if (event.kind === 'cell' && event.cell === 3) stop.abort();
        },
      },
    );
    expect(result.interrupted).toBe(true);
    expect(result.images.length).toBe(2);
    expect(result.grid!.infotext).toContain('X/Y/Z plot');
  });

  it('names a cell that fails and draws the others; refuses what cannot work before the first', SLOW, async () => {
    const seen: string[] = [];
    const { result, events } = await runAll(
      { plot: { ...PLOT, x: { axis: 'model', values: 'default, gone' } } },
      {
        loadModel: (id) => {
          seen.push(id);
          return Promise.reject(new AppError('storage/not-found', `model ${id}: gone.`));
        },
      },
    );
    expect(result.images).toHaveLength(2);
    const notices = events.flatMap((event) => (event.kind === 'notice' ? [event.message] : []));
    expect(notices.filter((message) => message.startsWith('gone, Seed: '))).toHaveLength(2);
    expect(seen.length).toBe(2);
    const early = runAll({ plot: { ...PLOT, x: { axis: 'steps', values: '2, 0' } } });
    await expect(early).rejects.toMatchObject({ code: 'argument/invalid' });
  });

  it('labels with every letter of the font, wraps long words, and never makes a sheet too large to save', () => {
    const cell = pattern(64, 64);
    const labels = { columns: ['Ünïcode Ж', 'x'.repeat(80)], rows: ['', ''] };
    const sheet = drawSheet([cell, undefined, cell, cell], labels, { marginPx: 0, paint: paintText });
    expect(sheet.widthPx).toBe(128);
    // The first cell's pixels are there as they are; the missing one is grey.
    const at = (x: number, y: number) => [
      ...sheet.rgba.slice(4 * (y * sheet.widthPx + x), 4 * (y * sheet.widthPx + x) + 3),
    ];
    const top = sheet.heightPx - 128;
    expect(at(10, top + 5)).toEqual([...cell.rgba.slice(4 * (5 * 64 + 10), 4 * (5 * 64 + 10) + 3)]);
    expect(at(100, top + 5)).toEqual([224, 224, 224]);
    expect(joinSheets([sheet, sheet], 4).widthPx).toBe(260);
    const scale = sheetScale({ widthPx: 4096, heightPx: 4096 }, 20, 20);
    expect(Math.floor(4096 * scale) * 20).toBeLessThanOrEqual(16384);
    expect(sheetScale({ widthPx: 512, heightPx: 512 }, 4, 4)).toBe(1);
  });
});

describe('loopback', () => {
  it('moves the strength along its curve', () => {
    const strengths = (curve: 'Linear' | 'Aggressive' | 'Lazy') =>
      [0, 1, 2].map((loop) => Number(loopStrength(0.2, { loops: 3, finalStrength: 0.8, curve }, loop).toFixed(3)));
    expect(strengths('Linear')).toEqual([0.2, 0.5, 0.8]);
    // sin(45°) and 1 - cos(45°) of the way.
    expect(strengths('Aggressive')).toEqual([0.2, 0.624, 0.8]);
    expect(strengths('Lazy')).toEqual([0.2, 0.376, 0.8]);
  });

  it('starts each loop from the last result with the next seed', SLOW, async () => {
    const init = { image: pattern(64, 64), strength: 0.6, resizeMode: 'just' as const };
    const { result, pictures } = await runAll({
      steps: 3,
      grid: true,
      init,
      loopback: { loops: 2, finalStrength: 0.3, curve: 'Linear' },
    });
    const second = await run(opened.model, {
      steps: 3,
      seed: 8,
      init: { ...init, image: pictures[0]!, strength: 0.3 },
    });
    expect(pictures[1]!.rgba).toEqual(second.pictures[0]!.rgba);
    expect(result.images.map(({ seed }) => seed)).toEqual([7, 8]);
    expect(readParameters(result.images[1]!.infotext).denoisingStrength).toBe(0.3);
    expect(result.grid!.widthPx).toBe(128);
    await expect(runAll({ loopback: { loops: 2, finalStrength: 0.3, curve: 'Linear' } })).rejects.toMatchObject({
      code: 'argument/invalid',
    });
  });
});
