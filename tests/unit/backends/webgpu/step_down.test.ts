/** What a backend gives up after wrong numbers, and that it can be taken back. */
import { expect, it } from 'vitest';
import { WebgpuBackend } from '../../../../src/lib/backends/webgpu/backend';
import { DEFAULT_TILE, plainTuning, type Tuning } from '../../../../src/lib/backends/webgpu/tuning';
import { diskKernels } from '../../../kernels/node_kernels';
import { defineGpuConstants, NullGpu } from './null_gpu';

defineGpuConstants();
const shape = { m: 64, n: 64, k: 64 };
const heads = { queries: 64, keys: 64, width: 8, heads: 1 };
const rounding: Tuning = {
  gemm: () => ({ kernel: 'half', tile: DEFAULT_TILE, scratch: 'f16' }),
  attention: () => ({ kernel: 'flash', half: true }),
};

it('gives up half precision, then every fast kernel, then nothing; and takes it back', async () => {
  const device = new NullGpu(['shader-f16']);
  const backend = await WebgpuBackend.create({ gpu: device.gpu, sources: diskKernels(), tuning: rounding });
  expect(backend.stepDown()).toBe('kernels in f32 only');
  expect(backend.tuning.gemm(shape)).toEqual({ kernel: 'tiled', tile: DEFAULT_TILE, scratch: 'f32' });
  expect(backend.tuning.attention(heads)).toEqual({ kernel: 'flash', half: false });
  expect(backend.info['steppedDown']).toBe('kernels in f32 only');
  expect(backend.stepDown()).toBe('plain kernels only');
  expect(backend.tuning).toBe(plainTuning);
  expect(backend.stepDown()).toBeUndefined();
  backend.stepUp();
  expect(backend.tuning).toBe(rounding);
  expect(backend.info['steppedDown']).toBeUndefined();
  await backend.dispose();
});

it('skips half precision where the device has none', async () => {
  const backend = await WebgpuBackend.create({ gpu: new NullGpu().gpu, sources: diskKernels(), tuning: rounding });
  expect(backend.stepDown()).toBe('plain kernels only');
  await backend.dispose();
});
