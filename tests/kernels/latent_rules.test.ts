/** Rules over whole latents on the device against the same in double precision on the host. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { hostLatentRules } from '../../src/lib/pipeline/latents';
import { createTestBackend } from './test_backend';

let backend: WebgpuBackend;
beforeAll(async () => {
  backend = await createTestBackend();
});
afterAll(() => backend.dispose());

const NOTHING = { weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 };

/** Values of ±1 around a mean that repeat nowhere. */
function wave(count: number, step: number, mean = 0): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => mean + Math.sin(step * (i + 1)));
}

type Rule = 'rescaleGuidance' | 'softBlend';

/** The rule on the device and on the host; only the host's reads back. */
async function both<R extends Rule>(
  rule: R,
  arrays: Readonly<Record<string, readonly [readonly number[], Float32Array<ArrayBuffer>]>>,
  options: Parameters<WebgpuBackend['latentRules'][R]>[1],
): Promise<{ found: Float32Array; wanted: Float32Array }> {
  const tensors = Object.fromEntries(
    Object.entries(arrays).map(([name, [shape, data]]) => [name, backend.upload({ shape, data })]),
  );
  const before = backend.readBytes;
  const run = (rules: object) =>
    (rules as Record<Rule, (...args: unknown[]) => ReturnType<WebgpuBackend['latentRules'][R]>>)[rule](
      tensors,
      options,
    );
  const result = await run(backend.latentRules);
  expect(backend.readBytes, 'read back').toBe(before);
  const reference = await run(hostLatentRules(backend));
  const [found, wanted] = await Promise.all([result, reference].map(async (one) => (await backend.download(one)).data));
  for (const tensor of [result, reference, ...Object.values(tensors)]) tensor.dispose();
  expect(backend.memory()).toEqual(NOTHING);
  return { found: found as Float32Array, wanted: wanted as Float32Array };
}

/** Largest difference over the largest wanted value of the same picture. */
function worst({ found, wanted }: { found: Float32Array; wanted: Float32Array }, batch: number): number {
  const each = wanted.length / batch;
  let error = 0;
  for (let n = 0; n < batch; n++) {
    const own = wanted.subarray(n * each, (n + 1) * each);
    const largest = own.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    for (const [i, v] of own.entries()) {
      const difference = Math.abs(v - (found[n * each + i] ?? NaN));
      error = Math.max(error, largest > 0 ? difference / largest : difference);
      if (Number.isNaN(difference)) return NaN;
    }
  }
  return error;
}

describe('guidance rescale', () => {
  const rescale = (shape: readonly number[], parts: readonly Float32Array<ArrayBuffer>[], share: number, phi = 0.7) => {
    const [x = new Float32Array(), cond = x, guided = x] = parts;
    return both('rescaleGuidance', { x: [shape, x], cond: [shape, cond], guided: [shape, guided] }, { share, phi });
  };

  it.each([
    ['one cell', [1, 4, 1, 1]],
    ['a batch of odd sizes', [3, 4, 7, 5]],
    ['chunks, the last one shorter', [2, 4, 61, 67]],
    ['sixteen channels', [1, 16, 64, 64]],
  ])('of %s', async (_, shape) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const parts = [wave(count, 0.37), wave(count, 0.73, 0.2), wave(count, 0.11, -0.4).map((v) => 7 * v)];
    for (const share of [1 / (14.6 ** 2 + 1), 0.999]) {
      for (const phi of [0.3, 1]) {
        expect(worst(await rescale(shape, parts, share, phi), shape[0] ?? 1), `${share} ${phi}`).toBeLessThan(2e-6);
      }
    }
  });

  it.each([1e-25, 1e-12, 1e12, 1e30])('at magnitudes of %d', async (unit) => {
    const shape = [2, 4, 33, 32];
    const count = 2 * 4 * 33 * 32;
    const parts = [wave(count, 0.37), wave(count, 0.73), wave(count, 0.11)].map((part) => part.map((v) => unit * v));
    expect(worst(await rescale(shape, parts, 0.5), 2)).toBeLessThan(2e-6);
  });

  it('where pictures of one batch lie 20 orders of magnitude apart', async () => {
    const shape = [2, 4, 32, 32];
    const [x, cond, guided] = [0.37, 0.73, 0.11].map((step) =>
      wave(2 * 4096, step).map((v, i) => v * (i < 4096 ? 1e10 : 1e-10)),
    );
    expect(worst(await rescale(shape, [x!, cond!, guided!], 0.5), 2)).toBeLessThan(2e-6);
  });

  it('where one chunk holds a spike that the others do not', async () => {
    const count = 4 * 64 * 64;
    const guided = wave(count, 0.11);
    guided[12_345] = 1e6;
    expect(worst(await rescale([1, 4, 64, 64], [wave(count, 0.37), wave(count, 0.73), guided], 0.5), 1)).toBeLessThan(
      2e-6,
    );
  });

  it('where the mean is a thousand times the deviation', async () => {
    const count = 4 * 64 * 64;
    const parts = [wave(count, 0.37, 1000), wave(count, 0.73, -500), wave(count, 0.11, 2000)];
    expect(worst(await rescale([1, 4, 64, 64], parts, 0.5), 1)).toBeLessThan(2e-6);
  });

  it('leaves a prediction alone that does not deviate, and flattens towards one that does not', async () => {
    const shape = [1, 4, 16, 16];
    const flat = new Float32Array(1024).fill(0.5);
    const zero = new Float32Array(1024);
    const alone = await rescale(shape, [zero, wave(1024, 0.3), flat], 0.5);
    expect(alone.found).toEqual(flat);
    expect(alone.wanted).toEqual(flat);
    const half = await rescale(shape, [zero, flat, wave(1024, 0.3)], 0.5, 0.5);
    expect(worst(half, 1)).toBeLessThan(2e-6);
    expect(half.found[0]).toBeCloseTo(0.5 * Math.sin(0.3), 6);
    const nothing = await rescale(shape, [zero, zero, zero], 0.5);
    expect(nothing.found).toEqual(zero);
  });

  it('takes one tensor in several places, and refuses other shapes', async () => {
    const x = backend.upload({ shape: [1, 4, 4, 4], data: wave(64, 0.3) });
    const other = backend.upload({ shape: [1, 4, 8, 2], data: wave(64, 0.3) });
    const same = await backend.latentRules.rescaleGuidance({ x, cond: x, guided: x }, { share: 0.1, phi: 1 });
    expect(
      worst({ found: (await backend.download(same)).data as Float32Array, wanted: wave(64, 0.3) }, 1),
    ).toBeLessThan(2e-6);
    await expect(
      backend.latentRules.rescaleGuidance({ x, cond: other, guided: x }, { share: 0.1, phi: 1 }),
    ).rejects.toMatchObject({ code: 'graph/shape' });
    for (const tensor of [x, other, same]) tensor.dispose();
    expect(backend.memory()).toEqual(NOTHING);
  });
});

describe('soft blend', () => {
  const [height, width] = [9, 7];
  const cells = height * width;
  /** 0 and 1 exactly, tiny, nearly 1, and everything between. */
  const mask = Float32Array.from({ length: cells }, (_, i) => [0, 1, 1e-6, 1 - 1e-6][i] ?? i / (cells - 1));

  it.each([
    ['one picture', 1, 1],
    ['a batch with one start', 3, 1],
    ['a batch with starts of its own', 3, 3],
  ])('%s, at every noise level and contrast', async (_, batch, starts) => {
    const init = wave(starts * 4 * cells, 0.37).map((v) => 2 * v);
    const painted = wave(batch * 4 * cells, 0.73);
    for (const exponent of [0, 1e-4, 0.5, 7, 200, 1e12]) {
      for (const power of [1, 4, 32]) {
        const arrays = {
          init: [[starts, 4, height, width], init],
          painted: [[batch, 4, height, width], painted],
          mask: [[height, width], mask],
        } as const;
        expect(worst(await both('softBlend', arrays, { exponent, power }), batch), `${exponent} ${power}`).toBeLessThan(
          2e-5,
        );
      }
    }
  });

  it.each([1e-20, 1e-3, 1e6, 1e15])('at lengths of %d, and where start or picture is nothing', async (unit) => {
    const some = wave(4 * cells, 0.37).map((v) => unit * v);
    const nothing = new Float32Array(4 * cells);
    const shape = [1, 4, height, width];
    for (const [init, painted] of [
      [some, wave(4 * cells, 0.73).map((v) => 3 * unit * v)],
      [some, nothing],
      [nothing, some],
      [nothing, nothing],
    ] as const) {
      const arrays = { init: [shape, init], painted: [shape, painted], mask: [[height, width], mask] } as const;
      const { found, wanted } = await both('softBlend', arrays, { exponent: 0.5, power: 32 });
      // Lengths that no f32 square holds count as none: both ends are then below any latent that matters.
      for (const [i, v] of wanted.entries()) {
        expect(Math.abs(v - (found[i] ?? NaN))).toBeLessThanOrEqual(2e-5 * 3 * unit + 1e-30);
      }
    }
  });

  it('refuses a mask of another size', async () => {
    const latent = backend.upload({ shape: [1, 4, 4, 4], data: wave(64, 0.3) });
    const wrong = backend.upload({ shape: [2, 8], data: new Float32Array(16) });
    await expect(
      backend.latentRules.softBlend({ init: latent, painted: latent, mask: wrong }, { exponent: 1, power: 4 }),
    ).rejects.toMatchObject({ code: 'graph/shape' });
    for (const tensor of [latent, wrong]) tensor.dispose();
    expect(backend.memory()).toEqual(NOTHING);
  });
});
