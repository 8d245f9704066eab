import { describe, expect, it } from 'vitest';
import { ChangeTracker, cropPixels, regionInSketch } from '../../../src/lib/state/live_patch';
import { settingsKey } from '../../../src/lib/state/settings_key';
import { upscaleRequest, type UpscaleSettings } from '../../../src/lib/state/upscale.svelte';
import type { Parameters } from '../../../src/lib/state/generation.svelte';

const box = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });

describe('what changed since the picture shown', () => {
  it('is forgotten when a picture shows it, and not when a job came to nothing', () => {
    const changes = new ChangeTracker();
    changes.note([box(10, 10, 5, 5), box(30, 10, 5, 5)]);
    expect(changes.begin()).toEqual(box(10, 10, 25, 5));
    changes.note([box(0, 0, 2, 2)]);
    // Cancelled: the next job has both to show.
    expect(changes.begin()).toEqual(box(0, 0, 35, 15));
    changes.note([box(50, 50, 1, 1)]);
    changes.delivered();
    expect(changes.begin()).toEqual(box(50, 50, 1, 1));
  });
});

describe('a part of a sketch', () => {
  it('has the pixels of its place', () => {
    const rgba = new Uint8ClampedArray(4 * 6 * 4).map((_, i) => i);
    const part = cropPixels({ widthPx: 6, heightPx: 4, rgba }, box(2, 1, 3, 2));
    expect([part.widthPx, part.heightPx]).toEqual([3, 2]);
    expect([...part.rgba.subarray(0, 4)]).toEqual([...rgba.subarray(4 * 8, 4 * 9)]);
    expect([...part.rgba.subarray(-4)]).toEqual([...rgba.subarray(4 * 16, 4 * 17)]);
  });

  it('covers the region of the picture, whatever the scale', () => {
    const region = { box: box(64, 0, 64, 128), part: box(80, 0, 40, 90), featherPx: 8 };
    const sketch = regionInSketch(region, { widthPx: 128, heightPx: 128 }, { widthPx: 512, heightPx: 512 });
    expect(sketch).toEqual(box(256, 0, 256, 512));
    const odd = regionInSketch(region, { widthPx: 128, heightPx: 128 }, { widthPx: 501, heightPx: 501 });
    expect(odd.x + odd.width).toBeLessThanOrEqual(501);
  });
});

describe('the key of all settings', () => {
  const base = { prompt: 'a', steps: 4, widthPx: 64 } as Parameters;
  const picture = { widthPx: 1, heightPx: 1, rgba: new Uint8ClampedArray(4) };
  const unit = { modelId: 'c', image: picture, weight: 1, start: 0, end: 1, mode: 'balanced' } as const;

  it('changes with any setting and not with pictures or the seed', () => {
    const keys = [
      base,
      { ...base, steps: 5 },
      { ...base, modelOptions: { x: 1 } } as unknown as Parameters,
      { ...base, control: [unit] },
      { ...base, control: [{ ...unit, weight: 0.5 }] },
    ].map(settingsKey);
    expect(new Set(keys).size).toBe(keys.length);
    const other = { widthPx: 1, heightPx: 1, rgba: new Uint8ClampedArray([1, 2, 3, 4]) };
    expect(settingsKey({ ...base, control: [{ ...unit, image: other }] })).toBe(
      settingsKey({ ...base, control: [unit] }),
    );
    expect(settingsKey({ ...base, seed: 3 })).toBe(settingsKey({ ...base, seed: 4 }));
  });
});

describe('a request to upscale', () => {
  const image = { widthPx: 2, heightPx: 2, rgba: new Uint8ClampedArray(16) };
  const settings: UpscaleSettings = {
    upscaler: 'Lanczos',
    by: 'factor',
    scale: 3,
    widthPx: 512,
    heightPx: 256,
    crop: true,
    second: '',
    visibility: 0.5,
  };

  it('names a factor or a size, never both, and a second upscaler only with a share', () => {
    expect(upscaleRequest(image, settings, undefined)).toEqual({
      image,
      upscaler: 'Lanczos',
      scale: 3,
      widthPx: 0,
      heightPx: 0,
    });
    expect(upscaleRequest(image, { ...settings, by: 'size', second: 'Nearest' }, 'x')).toEqual({
      image,
      upscaler: 'Lanczos',
      scale: 0,
      widthPx: 512,
      heightPx: 256,
      crop: true,
      second: { upscaler: 'Nearest', visibility: 0.5 },
      infotext: 'x',
    });
    expect(upscaleRequest(image, { ...settings, second: 'Nearest', visibility: 0 }, 'x')).not.toHaveProperty('second');
  });
});
