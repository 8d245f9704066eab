import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostTensor } from '../../../src/lib/backends/backend';
import { memorySource } from '../../../src/lib/base/byte_source';
import { EXTENSION_API_VERSION, type Extension } from '../../../src/lib/extensions/api';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { writeSafetensors } from '../../../src/lib/formats/safetensors_write';
import { buildControlNet, type ControlNetConfig } from '../../../src/lib/models/controlnet/controlnet';
import { detectFile } from '../../../src/lib/models/detect';
import type { ModelPart } from '../../../src/lib/models/part';
import { buildUNet } from '../../../src/lib/models/unet/build';
import type { UNetConfig } from '../../../src/lib/models/unet/config';
import { runOnce } from '../../../src/lib/pipeline/control/vision';
import { encodePrompts } from '../../../src/lib/pipeline/encode_prompt';
import { modelSampling } from '../../../src/lib/pipeline/model_sampling';
import { NetworkLibrary } from '../../../src/lib/pipeline/network_library';
import { pixelsToTensor } from '../../../src/lib/pipeline/pixels';
import type { ControlRequest, GenerateRequest } from '../../../src/lib/rpc/engine';
import { difference } from '../../golden/models/compare';
import { controlNetBytes, memoryNetworks } from './control_model';
import { BASE } from './base_request';
import { openDefault, pattern, run, type Opened } from './harness';

let opened: Opened;
let library: NetworkLibrary;
const files = {
  edges: { kind: 'control', bytes: await controlNetBytes(1) },
  depth: { kind: 'control', bytes: await controlNetBytes(2) },
} as const;

beforeAll(async () => {
  opened = await openDefault();
  library = new NetworkLibrary(memoryNetworks(files));
});
afterAll(() => opened.close());

const unit = (change: Partial<ControlRequest> = {}): ControlRequest => ({
  modelId: 'edges',
  image: pattern(64, 64),
  weight: 1,
  start: 0,
  end: 1,
  mode: 'balanced',
  ...change,
});

async function latentsOf(control: readonly ControlRequest[], change: Partial<GenerateRequest> = {}) {
  const parts = await library.partsFor([]);
  const { latents } = await run(opened.model, { control, ...change }, parts);
  return latents[0]!;
}

const nmse = (a: HostTensor, b: HostTensor) => difference(a, b).nmse;

describe('control units', () => {
  it('add the residuals of the ControlNet to the denoiser', async () => {
    // One Euler step with a guidance scale of 1 ends at the denoised estimate, computed here from the two graphs.
    const { model, backend } = opened;
    const latents = await latentsOf([unit({ weight: 0.8 })], { steps: 1, cfgScale: 1 });
    const sampling = modelSampling(model.detected, { tokens: 16, steps: 1, timestepRule: 'nearest' });
    const sigma = sampling.sigmas.at(-1)!;
    const { noise } = await startOf();
    const x = Float32Array.from(noise.data, (value) => value * sampling.startCoefficients(sigma).noise);
    const texts = [[{ text: BASE.prompt, count: 1 }]];
    const [encoded] = await encodePrompts(model, texts, { clipSkip: 1, emphasis: 'Original' });
    const context = encoded![0]!['context']!;
    const spec = { batch: 1, height: 8, width: 8, tokens: context.shape[1]! };
    const inputs = {
      x: { shape: noise.shape, data: x.map((value) => value * sampling.inputScale(sigma)) },
      timestep: { shape: [1], data: Float32Array.of(sampling.timestep(sigma)) },
      context,
    };
    const part = detectFile(await openTensorIndex(memorySource('c.safetensors', files.edges.bytes))).parts[0];
    const built = buildControlNet(part as ModelPart<ControlNetConfig>, spec);
    const hint = pixelsToTensor(pattern(64, 64));
    const residuals = await runOnce(backend, built, { ...inputs, hint }, undefined);
    const weighted = Object.fromEntries(
      Object.entries(residuals).map(([name, { shape, data }]) => [
        name,
        { shape, data: Float32Array.from(data, (value) => 0.8 * value) },
      ]),
    );
    const denoiser = buildUNet(model.detected.denoiser as ModelPart<UNetConfig>, { ...spec, controlResiduals: true });
    const { prediction } = await runOnce(backend, denoiser, { ...inputs, ...weighted }, undefined);
    const { x: cx, output } = sampling.denoisedCoefficients(sigma);
    const expected = Float32Array.from(x, (value, i) => cx * value + output * prediction!.data[i]!);
    expect(nmse(latents, { shape: latents.shape, data: expected })).toBeLessThan(1e-9);
  });

  it('do nothing at weight 0 and outside their range', async () => {
    const plain = await latentsOf([]);
    expect(await latentsOf([unit({ weight: 0 })])).toEqual(plain);
    // The second of two steps begins at half the run: a unit from 0.6 on meets no step.
    expect(nmse(await latentsOf([unit({ start: 0.6 })]), plain)).toBeLessThan(1e-9);
    const first = await latentsOf([unit({ end: 0.4 })]);
    expect(nmse(first, plain)).toBeGreaterThan(1e-5);
    expect(nmse(first, await latentsOf([unit()]))).toBeGreaterThan(1e-5);
  });

  it('add up, each with its own file', async () => {
    const whole = await latentsOf([unit()]);
    const halves = await latentsOf([unit({ weight: 0.5 }), unit({ weight: 0.5 })]);
    expect(nmse(halves, whole)).toBeLessThan(1e-9);
    const both = await latentsOf([unit(), unit({ modelId: 'depth' })]);
    expect(nmse(both, whole)).toBeGreaterThan(1e-5);
    expect(nmse(both, await latentsOf([unit({ modelId: 'depth' }), unit()]))).toBeLessThan(1e-9);
  });

  it('weigh prompt and control by their mode', async () => {
    const [balanced, prompt, control] = await Promise.all(
      (['balanced', 'prompt', 'control'] as const).map((mode) => latentsOf([unit({ mode })])),
    );
    const plain = await latentsOf([]);
    // The soft weights leave less of the control.
    expect(nmse(prompt!, plain)).toBeLessThan(nmse(balanced!, plain));
    expect(nmse(control!, prompt!)).toBeGreaterThan(1e-6);
    // Without a negative side the two soft modes are the same.
    const alone = { cfgScale: 1 };
    const [a, b] = [
      await latentsOf([unit({ mode: 'prompt' })], alone),
      await latentsOf([unit({ mode: 'control' })], alone),
    ];
    expect(nmse(a, b)).toBeLessThan(1e-10);
  });

  it('serve every picture of a batch and the second pass', async () => {
    const batch = await latentsOf([unit()], { batchSize: 2 });
    const second = await latentsOf([unit()], { seed: BASE.seed + 1 });
    const half = batch.data.length / 2;
    expect(nmse({ shape: second.shape, data: batch.data.slice(half) }, second)).toBeLessThan(1e-9);
    const hires = {
      upscaler: 'Latent',
      scale: 2,
      widthPx: 0,
      heightPx: 0,
      steps: 2,
      strength: 0.6,
      sampler: '',
      schedule: '',
      prompt: '',
      negativePrompt: '',
    };
    const large = await latentsOf([unit({ start: 0 })], { hires });
    expect(large.shape).toEqual([1, 4, 16, 16]);
    expect(nmse(large, await latentsOf([], { hires }))).toBeGreaterThan(1e-5);
  });

  it('leave no bytes behind but programs', async () => {
    await latentsOf([unit(), unit({ modelId: 'depth' })]);
    expect(opened.backend.memory().tensorBytes).toBe(0);
    await latentsOf([]);
    const without = opened.backend.memory().weightsBytes;
    await latentsOf([unit()]);
    expect(opened.backend.memory().weightsBytes).toBeGreaterThan(without);
  });

  it('refuse wrong numbers, unknown files and files of another family', async () => {
    const refused = (control: ControlRequest) =>
      latentsOf([control]).then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(await refused(unit({ weight: 3 }))).toMatchObject({ code: 'argument/invalid' });
    expect(await refused(unit({ start: 0.8, end: 0.2 }))).toMatchObject({ code: 'argument/invalid' });
    expect(await refused(unit({ modelId: 'none' }))).toMatchObject({ code: 'model/missing-part' });
    const wide = await widerContext(files.edges.bytes);
    const parts = await new NetworkLibrary(memoryNetworks({ wide: { kind: 'control', bytes: wide } })).partsFor([]);
    await expect(run(opened.model, { control: [unit({ modelId: 'wide' })] }, parts)).rejects.toMatchObject({
      code: 'model/unsupported',
      message: expect.stringMatching(/context width 128 where the model has 96/) as string,
    });
  });
});

/** The start noise of a one-step run, from its hook. */
async function startOf(): Promise<{ noise: HostTensor }> {
  let noise: HostTensor | undefined;
  const hooks = { beforeSampling: (value: { noise: HostTensor }) => void (noise = value.noise) };
  const extension: Extension = { id: 'test', label: 'Test', apiVersion: EXTENSION_API_VERSION, hooks };
  await run(opened.model, { steps: 1, cfgScale: 1 }, { extensions: [extension] });
  return { noise: noise! };
}

/** The same ControlNet with cross-attention to vectors of 128 numbers. */
async function widerContext(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const { tensors, metadata } = await openTensorIndex(memorySource('c.safetensors', bytes));
  const wider = [...tensors.values()].map(({ name, shape }) => {
    const grown = /attn2\.to_[kv]/.test(name) ? [shape[0]!, 128] : shape;
    return { name, shape: grown, data: new Float32Array(grown.reduce((a, b) => a * b, 1)) };
  });
  return writeSafetensors(wider, new Map([['tiny.config', String(metadata.get('tiny.config'))]]));
}
