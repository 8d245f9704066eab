/**
 * Settings at and beyond their edges, each through the whole pipeline: a finite picture or a typed error that says what
 * to do, never a hang, and no bytes left behind.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import type { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import type { GenerateRequest, InpaintRequest } from '../../../src/lib/rpc/engine';
import { samplers } from '../../../src/lib/sampling/registry';
import { schedules } from '../../../src/lib/sampling/schedule_registry';
import { HIRES } from './base_request';
import { boxMask, openDefault, pattern, run, type Opened } from './harness';

let opened: Opened;
beforeAll(async () => {
  opened = await openDefault();
}, 60_000);
afterAll(() => opened.close());
afterEach(() => expect(opened.backend.memory().tensorBytes).toBe(0));
const SLOW = { timeout: 120_000 };

/** Every number of the latents is finite and the picture is there. */
async function draws(request: Partial<GenerateRequest>): Promise<void> {
  const { latents, pictures } = await run(opened.model, request);
  expect(latents.length).toBeGreaterThan(0);
  for (const { data } of latents) expect(data.every(Number.isFinite)).toBe(true);
  expect(pictures[0]!.rgba.length).toBe(4 * pictures[0]!.widthPx * pictures[0]!.heightPx);
}

async function refused(request: Partial<GenerateRequest>, host = {}): Promise<AppError> {
  const error: unknown = await run(opened.model, request, host).then(
    () => 'no error',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AppError);
  return error as AppError;
}

const inpaint = (over: Partial<InpaintRequest> = {}): InpaintRequest => ({
  mask: boxMask(64, 64, [16, 16, 48, 48]),
  invert: false,
  blurPx: 2,
  fill: 'original',
  area: 'whole',
  paddingPx: 8,
  ...over,
});
const init = (strength: number, mask?: InpaintRequest): NonNullable<GenerateRequest['init']> => ({
  image: pattern(64, 64),
  strength,
  resizeMode: 'just',
  ...(mask ? { inpaint: mask } : {}),
});
const hires = (over: Partial<typeof HIRES>): typeof HIRES => ({ ...HIRES, ...over });

describe('steps', () => {
  it('zero is refused with the range', async () => {
    expect((await refused({ steps: 0 })).message).toContain('1..150');
  });
  // Every sampler and every schedule once, together.
  const pairs = Array.from(
    { length: Math.max(samplers.length, schedules.length) },
    (_, i) => [samplers[i % samplers.length]!.label, schedules[i % schedules.length]!.label] as const,
  );
  it.each(pairs)('one with %s on the schedule %s gives a finite picture', SLOW, async (sampler, schedule) => {
    await draws({ steps: 1, sampler, schedule });
  });
});

describe('strength', () => {
  it('0 keeps the picture, 1 redraws all of it, beyond is refused', SLOW, async () => {
    const none = await run(opened.model, { init: init(0) });
    expect(none.events.some(({ kind }) => kind === 'step')).toBe(false);
    await draws({ init: init(1) });
    await draws({ init: init(1), sampler: 'DDIM' });
    await draws({ init: { ...init(0), exactSteps: true } });
    await draws({ hires: hires({ strength: 0 }) });
    await draws({ hires: hires({ strength: 1 }) });
    for (const strength of [-0.01, 1.01, NaN]) {
      expect((await refused({ init: init(strength) })).message).toMatch(/denoising strength: must be a number in 0..1/);
    }
  });
});

describe('noise range', () => {
  it('0 is the model’s own; upside down and beyond are refused', SLOW, async () => {
    const own = await run(opened.model, {});
    const zero = await run(opened.model, { sigmas: { min: 0, max: 0, rho: 0 } });
    expect(zero.latents[0]!.data).toEqual(own.latents[0]!.data);
    for (const schedule of ['Karras', 'Exponential', 'Polyexponential', 'Beta', 'KL Optimal']) {
      await draws({ schedule, sigmas: { min: 0 } });
      await draws({ schedule, sigmas: { min: 1e-9 } });
    }
    const error = await refused({ schedule: 'Karras', sigmas: { min: 20, max: 1 } });
    expect(error.code).toMatch(/^(argument|sampler)\//);
    expect((await refused({ sigmas: { min: -1 } })).code).toBe('argument/invalid');
  });
});

describe('guidance', () => {
  it.each([0, 1, -7, 1000])('%d gives a finite picture', SLOW, async (cfgScale) => {
    await draws({ cfgScale });
    await draws({ cfgScale, cfgRescale: 1 });
    await draws({ cfgScale, prompt: 'a red apple AND a blue car :-1' });
  });
  it.each([-31, 1001, NaN, Infinity])('%d is refused', async (cfgScale) => {
    expect((await refused({ cfgScale })).message).toContain('-30..1000');
  });
  it('weights that sum to zero need no guidance to be finite', SLOW, async () => {
    await draws({ cfgScale: 1, prompt: 'a red apple :1 AND a blue car :-1' });
  });
});

describe('prompts', () => {
  const brackets = '((([[[{{{<lora:<<[a:b:[c|'.repeat(8);
  it.each([
    ['none', ''],
    ['white space', ' \n\t '],
    ['BREAK alone', 'BREAK BREAK'],
    ['AND alone', 'AND AND'],
    ['openers of all sorts', brackets],
    ['closers of all sorts', ')]}>:0.5]'.repeat(8)],
    ['weights that are none', '(a:1e999) (b:-1e999) (c:NaN) (d:1.2.3) (e:)'],
    ['lone surrogates and nulls', '\ud800 \u0000 \udfff'],
  ])('%s: a finite picture, the text unharmed in the parameters', SLOW, async (_, prompt) => {
    for (const emphasis of ['Original', 'ComfyUI'] as const) await draws({ prompt, negativePrompt: prompt, emphasis });
  });
  it('100,000 characters', SLOW, async () => {
    const words = 'a (red:1.1) apple, [blue|green] car, ';
    const prompt = words.repeat(Math.ceil(100_000 / words.length)).slice(0, 100_000);
    const { infotexts, latents } = await run(opened.model, { prompt, steps: 1, cfgScale: 1 });
    expect(latents[0]!.data.every(Number.isFinite)).toBe(true);
    expect(infotexts[0]).toContain(prompt.trim().slice(0, 5000));
  });
});

describe('masks', () => {
  it('of other proportions are refused, empty and full ones draw', SLOW, async () => {
    const wrong = await refused({ init: init(0.5, inpaint({ mask: boxMask(30, 64, [0, 0, 9, 9]) })) });
    expect(wrong.code).toBe('argument/invalid');
    expect(wrong.message).toMatch(/mask/);
    const empty = await run(opened.model, { init: init(0.5, inpaint({ mask: boxMask(64, 64, [0, 0, 0, 0]) })) });
    expect(empty.notices.join()).toMatch(/mask is empty/);
    for (const area of ['whole', 'masked'] as const) {
      await draws({ init: init(0.5, inpaint({ area, mask: boxMask(64, 64, [0, 0, 64, 64]) })) });
      await draws({ init: init(0.5, inpaint({ area, mask: boxMask(64, 64, [63, 63, 64, 64]), paddingPx: 0 })) });
      await draws({ init: init(0.5, inpaint({ area, invert: true })) });
    }
    // A smaller mask of the same proportions is resized with the picture.
    await draws({ init: init(0.5, inpaint({ mask: boxMask(32, 32, [8, 8, 24, 24]) })) });
  });
});

describe('second passes and models', () => {
  it('hires below the first pass is a picture of that size, of nothing is refused', SLOW, async () => {
    await draws({ widthPx: 128, heightPx: 128, hires: hires({ scale: 0.5 }) }).catch((error: unknown) => {
      expect(error).toBeInstanceOf(AppError);
      expect((error as AppError).code).toBe('argument/invalid');
    });
    await draws({ widthPx: 128, heightPx: 128, hires: hires({ widthPx: 64, heightPx: 64 }) });
    for (const scale of [0, -2, NaN, 1000]) {
      expect((await refused({ hires: hires({ scale }) })).code).toBe('argument/invalid');
    }
  });
  it('a refiner of another latent space is refused with the reasons', async () => {
    const { model } = opened;
    const detected = {
      ...model.detected,
      latent: { ...model.detected.latent, channels: 16 },
      prediction: { kind: 'flow', shift: { kind: 'none' } },
    };
    const other = { detected, backend: model.backend, name: 'flux', hash: '' } as unknown as LoadedModel;
    const error = await refused(
      { refiner: { modelId: 'flux', switchAt: 0.5 } },
      { loadModel: () => Promise.resolve(other) },
    );
    expect(error.code).toBe('model/unsupported');
    expect(error.message).toMatch(/16 latent channels.*rectified flow.*same family/);
  });
});

describe('numbers that are not finite', () => {
  it('from the model end the job with a code, whatever the sampler', SLOW, async () => {
    // A hook that hands NaN to the first call is what a broken kernel or checkpoint does.
    const poison = {
      id: 'poison',
      label: '',
      apiVersion: 1 as const,
      hooks: {
        beforeSampling: (payload: { start: { shape: readonly number[]; data: Float32Array } }) => {
          payload.start = { shape: payload.start.shape, data: payload.start.data.map(() => NaN) };
        },
      },
    };
    for (const sampler of ['Euler', 'DPM++ 2M', 'DPM adaptive', 'UniPC', 'DDIM']) {
      const error = await refused({ sampler }, { extensions: [poison] });
      expect(error.code).toBe('job/non-finite');
    }
  });
});
