/** Pictures become tensors and tensors pictures on the device exactly as on the host, and only bytes cross the border. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { brokenPixel, pixelsToTensor, tensorToPixels } from '../../src/lib/pipeline/pixels';
import { latentToRgb, PREVIEW_FACTORS, rgbToBytes, type PreviewFamily } from '../../src/lib/sampling/preview';
import { createTestBackend } from './test_backend';

let backend: WebgpuBackend;
beforeAll(async () => {
  backend = await createTestBackend();
});
afterAll(() => backend.dispose());

const NOTHING = { weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 };

/** Numbers of 0..1 by a linear congruential generator. */
function* uniform(seed: number): Generator<number> {
  for (let state = seed >>> 0; ; state = (Math.imul(state, 1664525) + 1013904223) >>> 0) yield state / 2 ** 32;
}

async function downloaded(shape: number[], data: Float32Array<ArrayBuffer>, index = 0) {
  const tensor = backend.upload({ shape, data });
  const picture = await backend.pictures.download(tensor, index);
  tensor.dispose();
  return picture;
}

/** The bit pattern one up or down. */
function neighbour(value: number, step: number): number {
  const bits = new Int32Array(Float32Array.of(value).buffer);
  bits[0] = (bits[0] ?? 0) + step;
  return new Float32Array(bits.buffer)[0] ?? 0;
}

describe('bytes to a tensor', () => {
  it('gives the bits that the host gives, for every byte and every alpha', async () => {
    const rgba = new Uint8ClampedArray(4 * 256 * 256);
    for (let i = 0; i < 256 * 256; i++) rgba.set([i & 255, 255 - (i & 255), (7 * i) & 255, i >> 8], 4 * i);
    const image = { widthPx: 256, heightPx: 256, rgba };
    const tensor = await backend.pictures.upload(image);
    const found = await backend.download(tensor);
    const wanted = pixelsToTensor(image);
    expect(found.shape).toEqual(wanted.shape);
    expect(bitsOf(found.data)).toEqual(bitsOf(wanted.data));
    tensor.dispose();
    expect(backend.memory()).toEqual(NOTHING);
  });
});

describe('a tensor to bytes', () => {
  it('floors as the host does, at every threshold and beside it', async () => {
    const thresholds = Array.from({ length: 256 }, (_, k) => [-1, 0, 1].map((step) => neighbour(k / 255, step))).flat();
    const rest = [-0, 0, -1, 2, 1e-45, 3e-39, 1e30, -1e30, 0.5, neighbour(1, -1)];
    const values = [...thresholds, ...rest];
    while (values.length % 3 !== 0) values.push(0.25);
    const shape = [1, 3, 1, values.length / 3];
    const data = Float32Array.from(values);
    expect(await downloaded(shape, data)).toEqual(tensorToPixels({ shape, data }));
  });

  it('takes one picture of a batch, of three channels or one', async () => {
    const random = uniform(1);
    for (const channels of [3, 1]) {
      const shape = [2, channels, 5, 7];
      const data = Float32Array.from({ length: 2 * channels * 35 }, () => random.next().value * 1.2 - 0.1);
      expect(await downloaded(shape, data, 1)).toEqual(tensorToPixels({ shape, data }, 1));
    }
  });

  it.each([NaN, Infinity, -Infinity])('marks a pixel of %d, and no other', async (value) => {
    const data = new Float32Array(3 * 20).fill(0.5);
    data[20 + 13] = value;
    const found = await downloaded([1, 3, 4, 5], data);
    expect(found).toEqual(tensorToPixels({ shape: [1, 3, 4, 5], data }));
    expect(brokenPixel(found)).toBe(13);
  });

  it('reads back four bytes a pixel', async () => {
    const before = backend.readBytes;
    await downloaded([1, 3, 8, 8], new Float32Array(192));
    expect(backend.readBytes - before).toBe(4 * 64);
  });

  it('refuses what is no picture', async () => {
    const tensor = backend.upload({ shape: [3, 4], data: new Float32Array(12) });
    await expect(backend.pictures.download(tensor)).rejects.toMatchObject({ code: 'graph/shape' });
    tensor.dispose();
    expect(backend.memory()).toEqual(NOTHING);
  });
});

describe('preview of a latent', () => {
  it.each(Object.keys(PREVIEW_FACTORS) as PreviewFamily[])('%s: the colours of the host', async (family) => {
    const factors = PREVIEW_FACTORS[family];
    const random = uniform(family.length);
    const count = 31 * 17;
    const data = Float32Array.from({ length: 2 * factors.factors.length * count }, () => 8 * random.next().value - 4);
    const tensor = backend.upload({ shape: [2, factors.factors.length, 31, 17], data });
    const { rgba } = await backend.pictures.download(tensor, 1, factors);
    tensor.dispose();
    const rgb = latentToRgb(data.subarray(data.length / 2), factors);
    const wanted = rgbToBytes(rgb);
    for (let i = 0; i < 3 * count; i++) {
      const found = rgba[4 * Math.floor(i / 3) + (i % 3)];
      if (found === wanted[i]) continue;
      // Sums in f32 and f64 may fall on two sides of a half, and nowhere else.
      const exact = ((rgb[i] ?? 0) + 1) * 127.5;
      expect(Math.abs(exact - Math.floor(exact) - 0.5), `${exact} became ${found}`).toBeLessThan(2e-4);
    }
    expect(backend.memory()).toEqual(NOTHING);
  });

  it('rounds as the host does, at every half and beside it', async () => {
    const halves = Array.from({ length: 255 }, (_, k) =>
      [-1, 0, 1].map((step) => neighbour((k + 0.5) / 127.5 - 1, step)),
    );
    const values = [...halves.flat(), 1, -1, 0, 2, -2, 0.3, -0.3, 1e9, -1e9];
    const shape = [1, 3, 1, values.length / 3];
    const data = Float32Array.from(values);
    const tensor = backend.upload({ shape, data });
    const same = {
      factors: [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      bias: [0, 0, 0],
    } as const;
    const { rgba } = await backend.pictures.download(tensor, 0, same);
    tensor.dispose();
    const wanted = rgbToBytes(latentToRgb(data, same));
    expect(Array.from(rgba).filter((_, i) => i % 4 < 3)).toEqual(Array.from(wanted));
  });
});

function bitsOf({ buffer, byteOffset, length }: Float32Array | Int32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}
