import { afterAll, beforeAll, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import type { GenerateRequest, InpaintRequest } from '../../../src/lib/rpc/engine';
import { samplers } from '../../../src/lib/sampling/registry';
import { HIRES } from './base_request';
import { boxMask, openDefault, pattern, run, type Opened } from './harness';

let opened: Opened;
beforeAll(async () => {
  opened = await openDefault();
}, 60_000);
afterAll(() => opened.close());

const SLOW = 60_000;

function inpaint(over: Partial<InpaintRequest>): InpaintRequest {
  return {
    mask: boxMask(96, 80, [60, 10, 80, 30]),
    invert: false,
    blurPx: 2,
    fill: 'original',
    area: 'masked',
    paddingPx: 8,
    ...over,
  };
}

function startFrom(over: Partial<InpaintRequest> | undefined): NonNullable<GenerateRequest['init']> {
  return {
    image: pattern(96, 80),
    strength: 0.75,
    resizeMode: 'just',
    ...(over ? { inpaint: inpaint(over) } : {}),
  };
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AppError);
  return (error as AppError).code;
}

it('gives back every tensor, and the same bits for the same request', { timeout: SLOW }, async () => {
  const [a, b] = [await run(opened.model, {}), await run(opened.model, {})];
  expect(a.latents[0]!.data).toEqual(b.latents[0]!.data);
  expect(opened.backend.memory().tensorBytes).toBe(0);
});

it('guides by any method: some options of which are plain guidance', { timeout: SLOW }, async () => {
  const base = { steps: 2, cfgScale: 9, prompt: 'a cat AND a red apple :0.5' };
  const difference = async (over: Partial<GenerateRequest>) => {
    const [a, b] = [await run(opened.model, base), await run(opened.model, { ...base, ...over })];
    return Math.max(...a.latents[0]!.data.map((v, i) => Math.abs(v - b.latents[0]!.data[i]!)));
  };
  // Without limit and momentum, with all that lies along cond, APG is CFG at a scale one higher; the weights' sum is 1.5.
  const neutral = { eta: 1, normThreshold: 0, momentum: 0 };
  const lower = (9 * 1.5 - 1) / 1.5;
  expect(await difference({ guidanceMethod: 'APG', guidanceOptions: neutral, cfgScale: lower })).toBeLessThan(1e-3);
  const none = { interpolatePhi: 0 };
  expect(await difference({ guidanceMethod: 'dynamicThresholding', guidanceOptions: none })).toBeLessThan(1e-3);
  for (const guidanceMethod of ['CFG-Zero*', 'TCFG', 'CFGNorm', 'Mahiro', 'Dynamic thresholding']) {
    expect(await difference({ guidanceMethod }), guidanceMethod).toBeGreaterThan(1e-2);
  }
  expect(opened.backend.memory().tensorBytes).toBe(0);
  expect(await refusal(run(opened.model, { guidanceMethod: 'nobody' }))).toBe('argument/invalid');
  expect(await refusal(run(opened.model, { guidanceMethod: 'APG', guidanceOptions: { eta: 99 } }))).toBe(
    'argument/invalid',
  );
});

it('draws the pictures of a batch as single runs would', { timeout: SLOW }, async () => {
  const [both, second] = [
    await run(opened.model, { batchSize: 2, sampler: 'DPM++ SDE' }),
    await run(opened.model, { seed: 8, sampler: 'DPM++ SDE' }),
  ];
  const count = second.latents[0]!.data.length;
  const worst = Math.max(
    ...both.latents[0]!.data.slice(count).map((v, i) => Math.abs(v - second.latents[0]!.data[i]!)),
  );
  expect(worst).toBeLessThan(1e-3);
});

it('takes every sampler option, and writes it down', { timeout: SLOW }, async () => {
  const { infotexts, result } = await run(opened.model, {
    sampler: 'Euler a',
    ensd: 31337,
    cfgRescale: 0.5,
    sgmNoiseMultiplier: true,
    guidance: { skipEarly: 0.1, minUncondSigma: 1 },
    sigmas: { min: 0.05, max: 12, discardPenultimate: true },
    grid: true,
    batchCount: 2,
  });
  expect(infotexts[0]).toMatch(/ENSD: 31337.*NGMS: 1, Skip Early CFG: 0.1, CFG rescale: 0.5/s);
  expect(infotexts[0]).toContain('Schedule max sigma: 12');
  expect(result.grid?.widthPx).toBe(128);
});

it('leaves the unconditional run out for one call of two where told so', { timeout: SLOW }, async () => {
  const plain = await run(opened.model, {});
  const all = await run(opened.model, { guidance: { minUncondSigma: 1000, minUncondAll: true } });
  const scaleOne = await run(opened.model, { cfgScale: 1 });
  expect(all.latents[0]!.data).toEqual(scaleOne.latents[0]!.data);
  expect(all.latents[0]!.data).not.toEqual(plain.latents[0]!.data);
});

it('samples nothing at strength 0, and the walk of a timestep sampler at others', { timeout: SLOW }, async () => {
  const init = startFrom(undefined);
  const none = await run(opened.model, { init: { ...init, strength: 0 } });
  expect(none.events.some((event) => event.kind === 'step')).toBe(false);
  const ddim = await run(opened.model, { init, sampler: 'DDIM', steps: 4 });
  expect(ddim.latents[0]!.data.every(Number.isFinite)).toBe(true);
});

it.each(['fill', 'original', 'latentNoise', 'latentNothing'] as const)(
  'keeps every byte outside the mask (%s)',
  { timeout: SLOW },
  async (fill) => {
    const { pictures } = await run(opened.model, { init: startFrom({ fill }) });
    const source = pattern(96, 80);
    const [picture] = pictures;
    expect([picture!.widthPx, picture!.heightPx]).toEqual([96, 80]);
    let changed = 0;
    // Blur 2 has a window of 5 pixels to each side.
    for (let y = 0; y < 80; y++) {
      for (let x = 0; x < 96; x++) {
        const at = 4 * (y * 96 + x);
        const same = [0, 1, 2].every((c) => picture!.rgba[at + c] === source.rgba[at + c]);
        if (x < 55 || x >= 85 || y < 5 || y >= 35) expect(same).toBe(true);
        else if (!same) changed += 1;
      }
    }
    expect(changed).toBeGreaterThan(50);
    expect(opened.backend.memory().tensorBytes).toBe(0);
  },
);

it('repaints the whole picture for an empty mask, with a notice', { timeout: SLOW }, async () => {
  const { notices, infotexts } = await run(opened.model, {
    init: startFrom({ mask: boxMask(96, 80, [0, 0, 0, 0]) }),
  });
  expect(notices.join()).toMatch(/mask is empty/);
  expect(infotexts[0]).not.toMatch(/Mask blur/);
});

it('refuses what cannot be', async () => {
  const { model } = opened;
  const mask = boxMask(30, 80, [0, 0, 9, 9]);
  expect(await refusal(run(model, { init: startFrom({ mask }) }))).toBe('argument/invalid');
  expect(await refusal(run(model, { init: startFrom({ blurPx: 65 }) }))).toBe('argument/invalid');
  expect(await refusal(run(model, { init: startFrom({ paddingPx: -1 }) }))).toBe('argument/invalid');
  expect(await refusal(run(model, { hires: { ...HIRES, upscaler: 'nothing' } }))).toBe('argument/invalid');
  expect(await refusal(run(model, { hires: { ...HIRES, scale: NaN } }))).toBe('argument/invalid');
  expect(await refusal(run(model, { cfgRescale: 2 }))).toBe('argument/invalid');
  expect(await refusal(run(model, { refiner: { modelId: 'x', switchAt: 0.5 } }))).toBe('model/missing-part');
  const broken = { widthPx: 5, heightPx: 5, rgba: new Uint8ClampedArray(3) };
  expect(await refusal(run(model, { init: { ...startFrom(undefined), image: broken } }))).toBe('image/invalid');
});

it.each(['Latent', 'Latent (nearest-exact)', 'Lanczos', 'Nearest'])(
  'runs a second pass at the larger size with %s',
  { timeout: SLOW },
  async (upscaler) => {
    const { pictures, infotexts, events } = await run(opened.model, {
      hires: { ...HIRES, upscaler, prompt: 'a green pear', cfgScale: 2, sampler: 'Heun' },
    });
    expect([pictures[0]!.widthPx, pictures[0]!.heightPx]).toEqual([96, 96]);
    expect(infotexts[0]).toContain(`Hires upscaler: ${upscaler}`);
    expect(infotexts[0]).toContain('Hires prompt: a green pear');
    expect(events.filter((event) => event.kind === 'step').length).toBe(3);
  },
);

it('draws in sides of any multiple of 8, and takes no others', { timeout: SLOW }, async () => {
  const { pictures } = await run(opened.model, { widthPx: 72, heightPx: 88, hires: { ...HIRES, scale: 1.2 } });
  expect([pictures[0]!.widthPx, pictures[0]!.heightPx]).toEqual([80, 104]);
  expect(await refusal(run(opened.model, { widthPx: 76 }))).toBe('argument/invalid');
});

it('covers a target of other proportions and cuts the excess', { timeout: SLOW }, async () => {
  const { pictures } = await run(opened.model, { hires: { ...HIRES, widthPx: 128, heightPx: 96 } });
  expect([pictures[0]!.widthPx, pictures[0]!.heightPx]).toEqual([128, 96]);
});

it('hands over to a second model of the same latents', { timeout: SLOW }, async () => {
  const { model } = opened;
  const plain = await run(model, {});
  // The same model again must not change a bit: only the object that answers differs.
  const { latents, infotexts } = await run(
    model,
    { refiner: { modelId: 'again', switchAt: 0.5 } },
    { loadModel: () => Promise.resolve(model) },
  );
  expect(latents[0]!.data).toEqual(plain.latents[0]!.data);
  expect(infotexts[0]).toMatch(/Refiner: .*Refiner switch at: 0.5/);
});

it('stops within a step and keeps what exists', { timeout: SLOW }, async () => {
  const stop = new AbortController();
  const { result } = await run(
    opened.model,
    { steps: 8 },
    {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'step') stop.abort();
      },
    },
  );
  expect(result.interrupted).toBe(true);
  expect(result.images.length).toBe(1);
  expect(opened.backend.memory().tensorBytes).toBe(0);
});

it('reads nothing back from the device between steps, whatever the sampler', { timeout: 240_000 }, async () => {
  const { backend, model } = opened;
  const download = backend.download.bind(backend);
  let reads = 0;
  backend.download = (tensor) => {
    reads += 1;
    return download(tensor);
  };
  const readsOf = async (sampler: string, steps: number): Promise<number> => {
    reads = 0;
    await run(model, { sampler, steps });
    return reads;
  };
  try {
    // Encodings are read back once and then kept.
    await run(model, {});
    // The adaptive one weighs its error on the host: a norm over the latent decides the next step.
    for (const { label } of samplers.filter(({ id }) => id !== 'dpm_adaptive')) {
      expect(await readsOf(label, 3), label).toBe(await readsOf(label, 1));
    }
  } finally {
    backend.download = download;
  }
});
