/** Soft inpainting and colour correction: the rules on arrays, and what a whole job keeps. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { correctColors, matchHistogram } from '../../../src/lib/pipeline/color_correction';
import {
  percentileFilter,
  placeMask,
  softBlend,
  softBlendOptions,
  softOverlay,
} from '../../../src/lib/pipeline/soft_inpaint';
import { readParameters } from '../../../src/lib/infotext/parameter_fields';
import { SOFT_INPAINT_DEFAULTS } from '../../../src/lib/rpc/engine';
import { boxMask, openDefault, pattern, run, type Opened } from './harness';

const soft = SOFT_INPAINT_DEFAULTS;
const norm = (v: readonly number[]) => Math.hypot(...v);

describe('blend', () => {
  const init = [3, 0, 4, 0]; // two channels of two cells: (3, 4) and (0, 0)
  const painted = [0, 1, 5, 1]; // (0, 5) and (1, 1)

  it('keeps the start where nothing is masked and the new latent where all is', () => {
    const out = softBlend({ init, painted, mask: [0, 1] }, 2, softBlendOptions(2, soft));
    expect([out[0], out[2]].map((v) => Number(v!.toFixed(3)))).toEqual([3, 4]);
    expect([out[1], out[3]].map((v) => Number(v!.toFixed(3)))).toEqual([1, 1]);
  });

  it('follows mask ^ (sigma ^ bias * strength), and puts the length of the blend back', () => {
    const sigma = 3;
    const out = softBlend({ init, painted, mask: [0.25, 0.25] }, 2, softBlendOptions(sigma, soft));
    const t = 0.25 ** (sigma * 0.5);
    const mixed = [3 * (1 - t), 4 * (1 - t) + 5 * t];
    const got = [out[0]!, out[2]!];
    // The direction is the blend's, the length the 4th power mean of 5 and 5.
    expect(got[0]! / got[1]!).toBeCloseTo(mixed[0]! / mixed[1]!, 5);
    expect(norm(got)).toBeCloseTo(5, 3);
    expect(norm(got)).toBeGreaterThan(norm(mixed));
    // Less is kept as the noise falls.
    const late = softBlend({ init, painted, mask: [0.25, 0.25] }, 2, softBlendOptions(0.05, soft));
    expect(late[0]!).toBeLessThan(out[0]!);
  });
});

describe('composite', () => {
  it('shows what moved and keeps what did not', () => {
    const [width, height] = [16, 16];
    const init = new Float32Array(width * height);
    const painted = init.map((_, i) => (i % width >= 8 ? 5 : 0));
    const mask = init.map(() => 1);
    const overlay = softOverlay({ init, painted, mask }, { width, height }, { widthPx: 128, heightPx: 128 }, soft);
    const at = (x: number, y: number) => overlay.data[y * 128 + x];
    expect(at(8, 64)).toBe(0);
    expect(at(120, 64)).toBeGreaterThan(250);
  });

  it('averages a middle part of the weights around a cell', () => {
    const flat = new Float64Array(25).fill(3);
    expect(percentileFilter(flat, { width: 5, height: 5 }, [0.25, 0.75]).every((v) => Math.abs(v - 3) < 1e-12)).toBe(
      true,
    );
    const spike = new Float64Array(49);
    spike[24] = 9;
    // One outlier is no part of the middle half, but of the highest tenth.
    expect(percentileFilter(spike, { width: 7, height: 7 }, [0.25, 0.75])[24]).toBe(0);
    expect(percentileFilter(spike, { width: 7, height: 7 }, [0.9, 1])[24]).toBeGreaterThan(4);
  });

  it('places a mask inside the whole picture', () => {
    const small = { widthPx: 2, heightPx: 2, data: new Uint8ClampedArray([255, 255, 255, 255]) };
    const placed = placeMask(small, { leftPx: 1, topPx: 2, widthPx: 2, heightPx: 2 }, { widthPx: 4, heightPx: 5 });
    expect([...placed.data].flatMap((v, i) => (v > 0 ? [i] : []))).toEqual([9, 10, 13, 14]);
  });
});

describe('colour correction', () => {
  it('maps a distribution onto another, and onto itself by nothing', () => {
    const dark = new Uint8ClampedArray([0, 0, 10, 10]);
    const map = matchHistogram(dark, new Uint8ClampedArray([100, 100, 200, 200]));
    expect([map[0], map[10]]).toEqual([100, 200]);
    const own = Uint8ClampedArray.from({ length: 256 }, (_, i) => i);
    expect([...matchHistogram(own, own)]).toEqual([...own]);
  });

  it('takes the hue of the reference and the brightness of the result', () => {
    const grey = pattern(16, 16);
    for (let i = 0; i < grey.rgba.length; i += 4)
      grey.rgba.fill(Math.round((100 * i) / grey.rgba.length) + 80, i, i + 3);
    const red = { ...grey, rgba: grey.rgba.map((v, i) => (i % 4 === 0 ? v : i % 4 === 3 ? 255 : Math.round(v / 3))) };
    const out = correctColors(grey, red);
    const luma = (rgba: Uint8ClampedArray, i: number) => 0.3 * rgba[i]! + 0.59 * rgba[i + 1]! + 0.11 * rgba[i + 2]!;
    for (let i = 0; i < out.rgba.length; i += 64) {
      expect(out.rgba[i]!).toBeGreaterThan(out.rgba[i + 1]! + 20);
      expect(Math.abs(luma(out.rgba, i) - grey.rgba[i]!)).toBeLessThan(2);
    }
    const same = correctColors(red, red);
    expect(Math.max(...same.rgba.map((v, i) => Math.abs(v - red.rgba[i]!)))).toBeLessThan(12);
  });
});

describe('a job', () => {
  let opened: Opened;
  beforeAll(async () => {
    opened = await openDefault();
  }, 60_000);
  afterAll(() => opened.close());

  it('keeps what never moved bit for bit, writes its settings, and refuses others', { timeout: 60_000 }, async () => {
    const image = pattern(128, 128);
    const inpaint = {
      mask: boxMask(128, 128, [80, 0, 128, 128]),
      invert: false,
      blurPx: 8,
      fill: 'original' as const,
      area: 'whole' as const,
      paddingPx: 0,
      soft,
    };
    const init = { image, strength: 0.8, resizeMode: 'just' as const, inpaint, colorCorrection: true };
    const size = { widthPx: 128, heightPx: 128, steps: 4 };
    const ran = await run(opened.model, { ...size, init });
    const changed = (x: number) =>
      Array.from({ length: 128 }, (_, y) => 4 * (y * 128 + x)).filter((i) =>
        [0, 1, 2].some((c) => ran.pictures[0]!.rgba[i + c] !== image.rgba[i + c]),
      ).length;
    expect(changed(4)).toBe(0);
    expect(changed(115)).toBeGreaterThan(100);
    const told = readParameters(ran.infotexts[0]!).extra;
    expect(told.get('Soft inpainting enabled')).toBe('True');
    expect(told.get('Soft inpainting transition contrast boost')).toBe('4');
    const hard = await run(opened.model, {
      ...size,
      init: { ...init, inpaint: { ...inpaint, soft: undefined as never } },
    });
    expect(hard.pictures[0]!.rgba).not.toEqual(ran.pictures[0]!.rgba);
    const bad = { ...init, inpaint: { ...inpaint, soft: { ...soft, transitionContrast: 0 } } };
    await expect(run(opened.model, { ...size, init: bad })).rejects.toMatchObject({ code: 'argument/invalid' });
  });
});
