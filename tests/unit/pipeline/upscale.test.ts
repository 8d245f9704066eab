/** Enlarging: the network that ships against a plain evaluation of its formula, tiles, targets and what a job says. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAsset } from '../../../src/companion/node_assets';
import { createNodeBackend } from '../../../src/companion/node_backend';
import { decodePicture, encodePicture } from '../../../src/companion/node_codecs';
import type { Backend } from '../../../src/lib/backends/backend';
import { createReferenceBackend } from '../../../src/lib/backends/reference/backend';
import { readParameters } from '../../../src/lib/infotext/parameter_fields';
import { readPicture } from '../../../src/lib/infotext/picture';
import { BackendRunner, runUpscaler } from '../../../src/lib/pipeline/upscale';
import { runUpscale } from '../../../src/lib/pipeline/upscale_job';
import {
  findUpscaler,
  PIXEL_UPSCALERS,
  SHIPPED_UPSCALERS,
  upscalerSummaries,
} from '../../../src/lib/pipeline/upscalers';
import type { UpscaleRequest } from '../../../src/lib/rpc/engine';
import { resample } from '../../../src/lib/sampling/img2img/resample';
import { pattern } from './harness';

const [{ name: SHIPPED, path }] = SHIPPED_UPSCALERS;

/** The network written out: convolutions as sums, straight from the file's bytes. */
function evaluate(planes: Float32Array, width: number, height: number): Float32Array {
  const bytes = readFileSync(resolve(import.meta.dirname, '../../../static', path));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const weights = (name: string) => {
    const [from, to] = header[name]!.data_offsets;
    return new Float32Array(Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to)).buffer);
  };
  const cells = width * height;
  const conv = (x: Float64Array, name: string, outs: number, k: number): Float64Array => {
    const [w, b, ins, r] = [weights(`${name}.weight`), weights(`${name}.bias`), x.length / cells, (k - 1) / 2];
    const out = new Float64Array(outs * cells);
    for (let o = 0; o < outs; o++)
      for (let y = 0; y < height; y++)
        for (let i = 0; i < width; i++) {
          let sum = b[o]!;
          for (let c = 0; c < ins; c++)
            for (let dy = -r; dy <= r; dy++)
              for (let dx = -r; dx <= r; dx++) {
                const [yy, xx] = [y + dy, i + dx];
                if (yy < 0 || yy >= height || xx < 0 || xx >= width) continue;
                sum += w[((o * ins + c) * k + dy + r) * k + dx + r]! * x[c * cells + yy * width + xx]!;
              }
          out[o * cells + y * width + i] = sum;
        }
    return out;
  };
  const crelu = (x: Float64Array) =>
    Float64Array.from([...x.map((v) => Math.max(v, 0)), ...x.map((v) => Math.max(-v, 0))]);
  const parts: number[] = [];
  let x = Float64Array.from(planes);
  for (let i = 0; header[`conv.${i}.weight`]; i++) {
    x = crelu(conv(x, `conv.${i}`, 4, 3));
    parts.push(...x);
  }
  const mixed = conv(Float64Array.from(parts), 'last', 12, 1);
  const base = resample(planes, { height, width }, { height: 2 * height, width: 2 * width }, 'bilinear');
  return Float32Array.from(base, (v, at) => {
    const c = Math.floor(at / (4 * cells));
    const [yy, xx] = [Math.floor((at % (4 * cells)) / (2 * width)), at % (2 * width)];
    return v + mixed[(4 * c + 2 * (yy % 2) + (xx % 2)) * cells + (yy >> 1) * width + (xx >> 1)]!;
  });
}

describe('the network that ships', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createNodeBackend('auto', 1);
  });
  afterAll(() => backend.dispose());

  it('computes its formula, on every backend here', async () => {
    const image = pattern(12, 9);
    const planes = new Float32Array(3 * 12 * 9).map((_, i) => image.rgba[4 * (i % 108) + Math.floor(i / 108)]! / 255);
    const wanted = evaluate(planes, 12, 9);
    const found = await findUpscaler(SHIPPED, { readAsset });
    if (found.kind !== 'model') throw new Error('no network');
    for (const one of [backend, createReferenceBackend()]) {
      const runner = new BackendRunner(one);
      const { rgba, widthPx } = await runUpscaler(runner, found.part, image, undefined);
      expect(widthPx).toBe(24);
      const worst = Math.max(
        ...Array.from(wanted, (v, at) => {
          const byte = Math.floor(255 * Math.min(Math.max(v, 0), 1));
          return Math.abs(byte - rgba[4 * (at % 432) + Math.floor(at / 432)]!);
        }),
      );
      expect(worst).toBeLessThanOrEqual(1);
      await runner.dispose();
    }
  });

  it('comes nearer to a picture that was made smaller than filters do', async () => {
    const large = pattern(128, 128);
    const edge = {
      ...large,
      rgba: large.rgba.map((v, i) => (i % 4 === 3 ? 255 : ((i >> 2) % 128) + ((i >> 9) % 128) * 0.7 > 110 ? 230 : 30)),
    };
    const runner = new BackendRunner(backend);
    const job = (upscaler: string, image = edge, scale = 2) =>
      runUpscale(
        runner,
        { image, upscaler, scale, widthPx: 0, heightPx: 0 },
        { onEvent: () => undefined, readAsset, onPicture: (picture) => (made = picture) },
      );
    let made = edge;
    const planes = new Float32Array(4 * 128 * 128).map((_, i) => edge.rgba[4 * (i % 16384) + Math.floor(i / 16384)]!);
    const half = resample(planes, { height: 128, width: 128 }, { height: 64, width: 64 }, 'bicubic-antialias');
    const small = {
      widthPx: 64,
      heightPx: 64,
      rgba: Uint8ClampedArray.from({ length: 16384 }, (_, i) => half[(i % 4) * 4096 + (i >> 2)]!),
    };
    const error = async (upscaler: string) => {
      await job(upscaler, small);
      return made.rgba.reduce((sum, v, i) => sum + (v - edge.rgba[i]!) ** 2, 0);
    };
    const network = await error(SHIPPED);
    expect(network).toBeLessThan(await error('Lanczos'));
    expect(network).toBeLessThan(await error('Nearest'));
    await runner.dispose();
  });

  it('gives the same in tiles as at once, at any size, and keeps the parameters', { timeout: 60_000 }, async () => {
    const image = pattern(201, 35);
    const runner = new BackendRunner(backend);
    const request: UpscaleRequest = {
      image,
      upscaler: SHIPPED,
      scale: 2,
      widthPx: 0,
      heightPx: 0,
      infotext: 'a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5',
      save: { format: 'webp', quality: 100 },
    };
    const { images } = await runUpscale(runner, request, { onEvent: () => undefined, encodePicture, readAsset });
    expect([images[0]!.widthPx, images[0]!.heightPx, images[0]!.seed]).toEqual([402, 70, 5]);
    const bytes = new Uint8Array(await images[0]!.file.arrayBuffer());
    const { parameters } = await readPicture(bytes);
    expect(parameters?.prompt).toBe('a cat');
    expect(parameters?.extra.get('Postprocess upscaler')).toBe(SHIPPED);
    expect(readParameters(images[0]!.infotext).steps).toBe(20);
    const planes = new Float32Array(3 * 201 * 35).map(
      (_, i) => image.rgba[4 * (i % 7035) + Math.floor(i / 7035)]! / 255,
    );
    const wanted = evaluate(planes, 201, 35);
    const { rgba } = await decodePicture(bytes, 'again');
    const differences = Array.from(wanted, (v, at) =>
      Math.abs(Math.floor(255 * Math.min(Math.max(v, 0), 1)) - rgba[4 * (at % 28140) + Math.floor(at / 28140)]!),
    );
    // Seams lie 8 pixels inside a tile, the network sees 7: nothing of the border is left.
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
    await runner.dispose();
  });

  it('refuses sizes and names that make no sense, and offers every name it takes', async () => {
    const runner = new BackendRunner(backend);
    const request: UpscaleRequest = { image: pattern(8, 8), upscaler: 'Lanczos', scale: 2, widthPx: 0, heightPx: 0 };
    const run = (over: Partial<UpscaleRequest>) =>
      runUpscale(runner, { ...request, ...over }, { onEvent: () => undefined, readAsset });
    for (const over of [
      { scale: 0.5 },
      { scale: NaN },
      { widthPx: 20_000 },
      { upscaler: 'Latent' },
      { upscaler: 'no such' },
      { second: { upscaler: 'Nearest', visibility: 2 } },
    ]) {
      await expect(run(over), JSON.stringify(over)).rejects.toMatchObject({ code: 'argument/invalid' });
    }
    const cropped = await run({ widthPx: 16, heightPx: 10, crop: true });
    expect([cropped.images[0]!.widthPx, cropped.images[0]!.heightPx]).toEqual([16, 10]);
    const names = upscalerSummaries(['mine']).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining([...Object.keys(PIXEL_UPSCALERS), SHIPPED, 'Latent', 'mine']));
    for (const name of names.filter((one) => one !== 'mine'))
      expect(await findUpscaler(name, { readAsset })).toBeDefined();
  });
});
