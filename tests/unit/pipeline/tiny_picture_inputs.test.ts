/** Models whose network sees a picture beside the noisy latent, against hand-made rules. */
import { afterAll, describe, expect, it } from 'vitest';
import type { HostTensor } from '../../../src/lib/backends/backend';
import { buildUNet } from '../../../src/lib/models/unet/build';
import type { ModelPart } from '../../../src/lib/models/part';
import type { UNetConfig } from '../../../src/lib/models/unet/config';
import { runOnce } from '../../../src/lib/pipeline/control/vision';
import { encodePrompts } from '../../../src/lib/pipeline/encode_prompt';
import { encodePixels } from '../../../src/lib/pipeline/autoencoder';
import { inpaintInput, prepareMask } from '../../../src/lib/pipeline/inpaint';
import type { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import type { Mask } from '../../../src/lib/pipeline/mask_image';
import { modelSampling } from '../../../src/lib/pipeline/model_sampling';
import { pixelsToTensor } from '../../../src/lib/pipeline/pixels';
import { maskToLatent } from '../../../src/lib/sampling/img2img/resample';
import { TINY, tinyModel } from '../../tools/tiny_models';
import { BASE } from './base_request';
import { boxMask, pattern, run } from './harness';
import { failure } from './tiny_model';
import { closeTiny, latentsOf, modelOf, nmse, PLAIN, SLOW } from './tiny_set';

afterAll(closeTiny);

describe('models that change a picture by words', () => {
  const model = () => modelOf('pix2pix', () => tinyModel(TINY.pix2pix));
  const init = { image: pattern(64, 64), strength: 1, resizeMode: 'just' as const };

  it('guide by the words and by the picture', { timeout: SLOW }, async () => {
    const edit = await model();
    expect(edit.detected.inputs).toEqual(['concat']);
    // One Euler step from the first noise level, worked out from three runs of the network (Brooks et al. 2023, eq. 3).
    let start: HostTensor | undefined;
    const request = { init, steps: 1, cfgScale: 4, guidance: { imageScale: 1.8 } };
    const extension = {
      id: 'test',
      label: 'Test',
      apiVersion: 1,
      hooks: { beforeSampling: (value: { start: HostTensor }) => void (start = value.start) },
    } as never;
    const latents = await latentsOf(edit, request, { extensions: [extension] });
    const sampling = modelSampling(edit.detected, { tokens: 16, steps: 1, timestepRule: 'nearest' });
    const sigma = sampling.sigmas.at(-1)!;
    const x = start!;
    const texts = [BASE.prompt, ''].map((text) => [{ text, count: 1 }]);
    const [words, none] = (await encodePrompts(edit, texts, { clipSkip: 1, emphasis: 'Original' })).flat();
    const picture = await pictureLatent(edit);
    const nothing = { shape: picture.shape, data: new Float32Array(picture.data.length) };
    const built = buildUNet(edit.detected.denoiser as ModelPart<UNetConfig>, {
      batch: 1,
      height: 8,
      width: 8,
      tokens: words!['context']!.shape[1]!,
    });
    const predict = async (context: HostTensor, concat: HostTensor) => {
      const inputs = {
        x: { shape: x.shape, data: Float32Array.from(x.data, (value) => value * sampling.inputScale(sigma)) },
        timestep: { shape: [1], data: Float32Array.of(sampling.timestep(sigma)) },
        context,
        concat,
      };
      return (await runOnce(edit.backend, built, inputs, undefined))['prediction']!;
    };
    const full = await predict(words!['context']!, picture);
    const pictureOnly = await predict(none!['context']!, picture);
    const bare = await predict(none!['context']!, nothing);
    const { x: cx, output } = sampling.denoisedCoefficients(sigma);
    const expected = Float32Array.from(x.data, (value, i) => {
      const [c, p, u] = [full.data[i]!, pictureOnly.data[i]!, bare.data[i]!];
      return cx * value + output * (u + 4 * (c - p) + 1.8 * (p - u));
    });
    expect(nmse(latents, { shape: latents.shape, data: expected })).toBeLessThan(1e-8);
  });

  it('say what is missing, and write their scale into the picture', { timeout: SLOW }, async () => {
    const edit = await model();
    expect(await failure(latentsOf(edit, {}))).toMatchObject({ code: 'argument/invalid' });
    const wrong = { init, guidance: { imageScale: 9 } };
    expect(await failure(latentsOf(edit, wrong))).toMatchObject({ code: 'argument/invalid' });
    const { infotexts } = await run(edit, { ...PLAIN, init, guidance: { imageScale: 2 } });
    expect(infotexts[0]).toContain('Image CFG scale: 2');
  });

  /** The start picture as the network reads it: encoded, without the scale of latents. */
  async function pictureLatent(edit: LoadedModel): Promise<HostTensor> {
    const { encodeImage } = await import('../../../src/lib/pipeline/autoencoder');
    const { shape, data } = await encodeImage(edit, pattern(64, 64), { tiling: false });
    return { shape, data: Float32Array.from(data, (value) => value / 0.18215) };
  }
});

describe('a U-Net trained to inpaint', () => {
  const image = pattern(64, 64);
  // Ends inside cells; softened by the blur.
  const mask = boxMask(64, 64, [12, 20, 44, 52]);
  const inpaint = { mask, invert: false, blurPx: 4, fill: 'original', area: 'whole', paddingPx: 0 } as const;
  const init = { image, strength: 1, resizeMode: 'just' as const };
  const model = () => modelOf('inpaint', () => tinyModel(TINY.inpaint));

  /** A1111 by hand: mask, rounded unless soft, at every cell's first pixel; then the picture, drawn to grey by weight. */
  async function expected(loaded: LoadedModel, soft: Mask, weight: number, round: boolean): Promise<Float32Array> {
    const share = (i: number) => (round ? Number(soft.data[i]! >= 128) : soft.data[i]! / 255);
    const grey = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => {
      const value = image.rgba[4 * (i % 4096) + Math.floor(i / 4096)]! / 255;
      return value * (1 - weight * share(i % 4096)) + 0.5 * weight * share(i % 4096);
    });
    const { data } = await encodePixels(loaded, { shape: [1, 3, 64, 64], data: grey }, { tiling: false });
    const cells = Array.from({ length: 64 }, (_, i) => share(64 * 8 * Math.floor(i / 8) + 8 * (i % 8)));
    return Float32Array.of(...cells, ...data);
  }

  it('is shown the mask and as much of the picture as its weight leaves', { timeout: SLOW }, async () => {
    const loaded = await model();
    expect(loaded.detected).toMatchObject({ inputs: ['inpaint'], concatChannels: 5 });
    const { mask: soft } = prepareMask({ ...init, inpaint }, inpaint, { widthPx: 64, heightPx: 64 })!;
    expect(new Set(soft.data).size).toBeGreaterThan(10);
    for (const [weight, round] of [
      [1, true],
      [0.35, true],
      [0, true],
      [0.35, false],
    ] as const) {
      const source = { picture: image, mask: soft, round };
      const size = { widthPx: 64, heightPx: 64, weight };
      const { shape, data } = await inpaintInput(loaded, source, size, { tiling: false });
      expect(shape).toEqual([1, 5, 8, 8]);
      const wanted = await expected(loaded, soft, weight, round);
      expect(nmse({ shape, data }, { shape, data: wanted }), `weight ${weight}`).toBeLessThan(1e-10);
    }
  });

  it('draws with it: one step is the network on those nine channels', { timeout: SLOW }, async () => {
    const loaded = await model();
    const conditioningWeight = 0.35;
    let seen: { x: HostTensor; sigma: number } | undefined;
    let blended: HostTensor | undefined;
    const hooks = {
      denoiserInput: async ({ sigma, read }: { sigma: number; read: () => Promise<HostTensor> }) =>
        void (seen = { sigma, x: await read() }),
      maskBlend: async ({ final, read }: { final: boolean; read: () => Promise<HostTensor> }) =>
        void (blended = final ? await read() : blended),
    };
    const extension = { id: 'test', label: 'Test', apiVersion: 1, hooks } as never;
    const request = { init: { ...init, inpaint: { ...inpaint, conditioningWeight } }, steps: 1 };
    const latents = await latentsOf(loaded, request, { extensions: [extension] });
    const { mask: soft } = prepareMask({ ...init, inpaint }, inpaint, { widthPx: 64, heightPx: 64 })!;
    const sampling = modelSampling(loaded.detected, { tokens: 16, steps: 1, timestepRule: 'nearest' });
    const { x, sigma } = seen!;
    const [[words]] = (await encodePrompts(loaded, [[{ text: BASE.prompt, count: 1 }]], {
      clipSkip: 1,
      emphasis: 'Original',
    })) as [[Record<string, HostTensor>]];
    const context = words['context']!;
    const size = { batch: 1, height: 8, width: 8, tokens: context.shape[1]! };
    const built = buildUNet(loaded.detected.denoiser as ModelPart<UNetConfig>, size);
    const inputs = {
      x: { shape: x.shape, data: Float32Array.from(x.data, (value) => value * sampling.inputScale(sigma)) },
      timestep: { shape: [1], data: Float32Array.of(sampling.timestep(sigma)) },
      context,
      inpaint: { shape: [1, 5, 8, 8], data: await expected(loaded, soft, conditioningWeight, true) },
    };
    const { prediction } = await runOnce(loaded.backend, built, inputs, undefined);
    const { x: cx, output } = sampling.denoisedCoefficients(sigma);
    const repainted = maskToLatent(soft.data, { height: 64, width: 64 }, { height: 8, width: 8 }, 'webui-rounded');
    const { data: clean } = await encodePixels(loaded, pixelsToTensor(image), { tiling: false });
    const wanted = Float32Array.from(x.data, (value, i) => {
      const m = repainted[i % 64]!;
      return m * (cx * value + output * prediction!.data[i]!) + (1 - m) * clean[i]!;
    });
    expect(nmse(latents, { shape: latents.shape, data: wanted })).toBeLessThan(1e-8);
    expect(blended).toBeDefined();
    const other = { ...request.init, inpaint: { ...inpaint, conditioningWeight: 1 } };
    expect(nmse(await latentsOf(loaded, { ...request, init: other }), latents)).toBeGreaterThan(1e-7);
  });
});

describe('FLUX.1 with a picture beside the latent', () => {
  it('Fill takes the masked picture and every pixel of the mask', { timeout: SLOW }, async () => {
    const fill = await modelOf('fill', () => tinyModel(TINY.fluxFill));
    expect(fill.detected).toMatchObject({ inputs: ['pooled', 'guidance', 'inpaint'], concatChannels: 80 });
    expect(fill.detected.defaults.distilledGuidance).toBe(30);
    const image = pattern(64, 64);
    const mask = boxMask(64, 64, [13, 22, 41, 50]);
    const inpaint = { mask, invert: false, blurPx: 0, fill: 'original', area: 'whole', paddingPx: 0 } as const;
    const init = { image, strength: 1, resizeMode: 'just' as const };
    const source = { picture: image, mask: { widthPx: 64, heightPx: 64, data: maskBytes(mask.rgba) }, round: true };
    const { shape, data } = await inpaintInput(
      fill,
      source,
      { widthPx: 64, heightPx: 64, weight: 1 },
      { tiling: false },
    );
    expect(shape).toEqual([1, 80, 8, 8]);
    // diffusers: mask.view(b, h, 8, w, 8).permute(0, 2, 4, 1, 3) -> channel 8 dy + dx.
    for (let i = 0; i < 64 * 64; i++) {
      const [x, y] = [i % 64, Math.floor(i / 64)];
      const channel = 16 + 8 * (y % 8) + (x % 8);
      const cell = 8 * Math.floor(y / 8) + Math.floor(x / 8);
      expect(data[64 * channel + cell]).toBe(x >= 13 && x < 41 && y >= 22 && y < 50 ? 1 : 0);
    }
    const masked = await latentsOf(fill, { init: { ...init, inpaint }, steps: 1 });
    const whole = await latentsOf(fill, { init, steps: 1 });
    expect(masked.data.every(Number.isFinite)).toBe(true);
    expect(nmse(masked, whole)).toBeGreaterThan(1e-6);
  });

  it('Canny and Depth draw after the picture, not over it', { timeout: SLOW }, async () => {
    const depth = await modelOf('depth', () => tinyModel(TINY.fluxDepth));
    expect(depth.detected).toMatchObject({ inputs: ['pooled', 'guidance', 'concat'], concatChannels: 16 });
    const init = (strength: number) => ({ image: pattern(64, 64), strength, resizeMode: 'just' as const });
    const full = await latentsOf(depth, { init: init(1), steps: 1 });
    expect(await latentsOf(depth, { init: init(0.3), steps: 1 })).toEqual(full);
    const other = { ...init(1), image: boxMask(64, 64, [8, 8, 40, 40]) };
    expect(nmse(await latentsOf(depth, { init: other, steps: 1 }), full)).toBeGreaterThan(1e-7);
    expect(await failure(latentsOf(depth, {}))).toMatchObject({ code: 'argument/invalid' });
  });

  function maskBytes(rgba: Uint8ClampedArray): Uint8ClampedArray<ArrayBuffer> {
    return Uint8ClampedArray.from({ length: rgba.length / 4 }, (_, i) => rgba[4 * i] ?? 0);
  }
});
