/** What a job on WebGPU reads back: more steps read no more. On a device that computes nothing and counts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultModelFiles, loadNodeModel } from '../../../src/companion/node_model';
import { WebgpuBackend } from '../../../src/lib/backends/webgpu/backend';
import type { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import { SOFT_INPAINT_DEFAULTS, type GenerateRequest, type InpaintRequest } from '../../../src/lib/rpc/engine';
import { samplers } from '../../../src/lib/sampling/registry';
import { diskKernels } from '../../kernels/node_kernels';
import { defineGpuConstants, NullGpu } from '../backends/webgpu/null_gpu';
import { HIRES } from './base_request';
import { boxMask, pattern, run } from './harness';

const INPAINT: InpaintRequest = {
  mask: boxMask(64, 64, [16, 16, 48, 48]),
  blurPx: 4,
  invert: false,
  fill: 'original',
  area: 'whole',
  paddingPx: 32,
};

defineGpuConstants();
const device = new NullGpu();
// 0.75 as a number and 63 as a colour: neither counts as broken.
device.readByte = 0x3f;

let model: LoadedModel;
let close: () => Promise<void>;
beforeAll(async () => {
  const backend = await WebgpuBackend.create({
    gpu: device.gpu,
    sources: diskKernels(),
    pack: () => Promise.resolve(),
  });
  const opened = await loadNodeModel(await defaultModelFiles(), backend);
  ({ model } = opened);
  close = async () => {
    await model.dispose();
    await backend.dispose();
    await opened.close();
  };
});
afterAll(() => close());

async function readsOf(request: Partial<GenerateRequest>): Promise<{ reads: number; steps: number }> {
  const before = device.reads;
  const { events } = await run(model, request);
  return { reads: device.reads - before, steps: events.filter(({ kind }) => kind === 'step').length };
}

/** Read-backs that four steps more cost. */
async function added(request: Partial<GenerateRequest>): Promise<number> {
  // Texts are encoded and kept by then.
  for (const steps of [4, 8]) await readsOf({ ...request, steps });
  const few = await readsOf({ ...request, steps: 4 });
  const many = await readsOf({ ...request, steps: 8 });
  expect(few.reads, 'latents and picture').toBeGreaterThan(0);
  expect(many.steps, 'steps').toBeGreaterThan(few.steps);
  return many.reads - few.reads;
}

describe('steps read nothing back', () => {
  // Its next step hangs on the error of the last: a number that the processor must know.
  const ruled = samplers.filter(({ id }) => id !== 'dpm_adaptive');
  it.each(ruled.map(({ id, label }) => [label, id] as const))('%s', async (sampler) => {
    expect(await added({ sampler })).toBe(0);
  });

  const init: NonNullable<GenerateRequest['init']> = {
    image: pattern(64, 64),
    resizeMode: 'just',
    strength: 1,
    exactSteps: true,
  };
  const cases: readonly (readonly [string, Partial<GenerateRequest>])[] = [
    ['prompts joined by AND', { prompt: 'a red apple AND a green pear :0.5' }],
    ['prompts that alternate', { prompt: 'a red [apple|pear]' }],
    ['a second pass', { hires: { ...HIRES, steps: 0 } }],
    ['img2img', { init }],
    ['inpainting', { init: { ...init, inpaint: INPAINT } }],
    ['soft inpainting', { init: { ...init, inpaint: { ...INPAINT, soft: SOFT_INPAINT_DEFAULTS } } }],
    ['guidance rescale', { cfgRescale: 0.7 }],
    ['guidance that rests at times', { guidance: { skipEarly: 0.2, minUncondSigma: 3, minUncondAll: true } }],
  ];
  it.each(cases)('%s', async (_, request) => {
    expect(await added(request)).toBe(0);
  });

  it('but one per picture of the way, where such pictures are asked for', async () => {
    expect(await added({ previewEvery: 1 })).toBeGreaterThanOrEqual(4);
  });
});
