import { afterAll, describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { checkModel } from '../../../src/lib/models/check_model';
import { syntheticModel } from '../../../src/lib/models/synthetic';
import { NetworkLibrary } from '../../../src/lib/pipeline/network_library';
import { NetworkStacks } from '../../../src/lib/pipeline/networks';
import type { ControlRequest, GenerateRequest } from '../../../src/lib/rpc/engine';
import {
  converted,
  TINY,
  tinyControlNet,
  tinyIpAdapter,
  tinyLora,
  tinyModel,
  tinyT2iAdapter,
  type TinyFile,
} from '../../tools/tiny_models';
import { memoryNetworks } from './control_model';
import { BASE } from './base_request';
import { pattern, run } from './harness';
import { failure } from './tiny_model';
import { closeTiny, latentsOf, modelOf, nmse, openTiny, PLAIN, SLOW } from './tiny_set';

const files = {
  sd1: tinyModel(TINY.sd1),
  sdxl: tinyModel(TINY.sdxl),
  flux: tinyModel(TINY.flux),
};
afterAll(closeTiny);

describe('LoRAs on a quantized FLUX from a GGUF', () => {
  const model = () =>
    modelOf('flux q8', async () => {
      const [denoiser, ...rest] = files.flux;
      return [await converted(denoiser!, 'q8_0', 'gguf', 'flux'), ...rest];
    });
  const loras = {
    ink: tinyLora(TINY.flux, { name: 'ink', seed: 1 }),
    foreign: tinyLora(TINY.sdxl, { name: 'xl', seed: 2 }),
  };
  const networks = new NetworkStacks();
  const host = {
    networks,
    resolveLora: async (name: string) => {
      const file = loras[name as keyof typeof loras];
      return { id: name, index: await openTensorIndex(memorySource(file.name, file.bytes)), shortHash: `${name}-hash` };
    },
  };
  const draw = async (tags: string) =>
    run(await model(), { ...PLAIN, schedule: 'Simple', prompt: `a lighthouse${tags}` }, host);

  it('change their strength over the run', { timeout: SLOW }, async () => {
    const [plain, whole, constant, fading] = [
      await draw(''),
      await draw('<lora:ink:0.7>'),
      await draw('<lora:ink:0.7@0>'),
      await draw('<lora:ink:0.7@0,0@0.5>'),
    ].map(({ latents }) => latents[0]!);
    expect(nmse(whole!, plain!)).toBeGreaterThan(1e-7);
    expect(nmse(constant!, whole!)).toBeLessThan(1e-12);
    expect(nmse(fading!, whole!)).toBeGreaterThan(1e-9);
    expect(nmse(fading!, plain!)).toBeGreaterThan(1e-9);
  });

  it('weigh blocks apart', { timeout: SLOW }, async () => {
    // The base, 19 double blocks, 38 single ones: this model has the first of each kind.
    const weights = (double: number, single: number) =>
      [1, ...Array.from({ length: 19 }, () => double), ...Array.from({ length: 38 }, () => single)].join();
    const plain = (await draw('')).latents[0]!;
    const whole = (await draw('<lora:ink:1>')).latents[0]!;
    const lbw = async (double: number, single: number) =>
      (await draw(`<lora:ink:1:lbw=${weights(double, single)}>`)).latents[0]!;
    expect(nmse(await lbw(1, 1), whole)).toBeLessThan(1e-12);
    expect(nmse(await lbw(0, 0), plain)).toBeLessThan(1e-12);
    const half = await lbw(1, 0);
    expect(nmse(half, plain)).toBeGreaterThan(1e-9);
    expect(nmse(half, whole)).toBeGreaterThan(1e-9);
  });

  it(
    'made for another family are named with what was expected and found, and left out',
    { timeout: SLOW },
    async () => {
      const plain = await draw('');
      const refused = await draw('<lora:foreign:1>');
      expect(refused.latents[0]!.data).toEqual(plain.latents[0]!.data);
      expect(refused.infotexts[0]).not.toContain('Lora hashes');
      const notice = refused.events.find((event) => event.kind === 'notice' && event.code === 'lora');
      expect(notice).toMatchObject({
        message: expect.stringMatching(/<lora:foreign>: was made for .*FLUX\.1/) as string,
      });
      // Every tensor is in the list.
      const { tensors } = await openTensorIndex(memorySource('xl', loras.foreign.bytes));
      expect((notice as { details?: readonly string[] }).details!.length).toBeGreaterThanOrEqual(tensors.size / 2);
      expect((await draw('')).latents[0]!.data).toEqual(plain.latents[0]!.data);
    },
  );
});

describe('control of every kind', () => {
  const unit = (modelId: string, weight = 1): ControlRequest => ({
    modelId,
    image: pattern(64, 64),
    weight,
    start: 0,
    end: 1,
    mode: 'balanced',
  });
  const parts = (tiny: 'sd1' | 'sdxl') => {
    const { adapter, vision } = tinyIpAdapter(TINY[tiny], 3);
    const library = new NetworkLibrary(
      memoryNetworks({
        net: { kind: 'control', bytes: tinyControlNet(TINY[tiny], 1).bytes },
        t2i: { kind: 'control', bytes: tinyT2iAdapter(TINY[tiny], 2).bytes },
        ip: { kind: 'control', bytes: adapter.bytes },
        vision: { kind: 'clip-vision', bytes: vision.bytes },
      }),
    );
    return library.partsFor([]);
  };

  it.each(['sd1', 'sdxl'] as const)('%s: ControlNet, T2I-Adapter and IP-Adapter', { timeout: SLOW }, async (tiny) => {
    const model = await modelOf(tiny, () => files[tiny]);
    const host = await parts(tiny);
    const draw = (control: readonly ControlRequest[], change: Partial<GenerateRequest> = {}) =>
      latentsOf(model, { control, cfgScale: 3, steps: 1, ...change }, host);
    const plain = await draw([]);
    for (const id of ['net', 't2i', 'ip']) {
      const full = await draw([unit(id)]);
      expect(nmse(full, plain), id).toBeGreaterThan(1e-7);
      expect(nmse(await draw([unit(id, 0)]), plain), id).toBeLessThan(1e-9);
    }
    const all = await draw([unit('net'), unit('t2i'), unit('ip')], { batchSize: 2 });
    const second = await draw([unit('net'), unit('t2i'), unit('ip')], { seed: BASE.seed + 1 });
    const half = all.data.length / 2;
    expect(nmse({ shape: second.shape, data: all.data.slice(half) }, second)).toBeLessThan(1e-8);
    expect(model.backend.memory().tensorBytes).toBe(0);
  });

  it('an IP-Adapter without its vision model says which one it needs', { timeout: SLOW }, async () => {
    const model = await modelOf('sd1', () => files.sd1);
    const { adapter } = tinyIpAdapter(TINY.sd1, 3);
    const host = await new NetworkLibrary(memoryNetworks({ ip: { kind: 'control', bytes: adapter.bytes } })).partsFor(
      [],
    );
    const error = await failure(latentsOf(model, { control: [unit('ip')] }, host));
    expect(error).toMatchObject({ code: 'model/missing-part', message: expect.stringContaining('width 32') as string });
  });
});

describe('variants of a family, from their files alone', () => {
  it.each([
    ['inpaint', 'sd1'],
    ['lcm', 'sd1'],
    ['sd35', 'sd3'],
  ] as const)('%s is opened as %s and draws', { timeout: SLOW }, async (id, family) => {
    const model = await modelOf(id, () => tinyModel(TINY[id]));
    expect(model.detected.family.id).toBe(family);
    const { data } = await latentsOf(model, { steps: 1, widthPx: 64, heightPx: 64 });
    expect(data.every((value) => Number.isFinite(value))).toBe(true);
    expect(new Set(data).size).toBeGreaterThan(data.length / 2);
  });
});

describe('parts of different models', () => {
  const swap = (base: readonly TinyFile[], part: RegExp, other: TinyFile | undefined) =>
    base.flatMap((file) => (part.test(file.name) ? (other ? [other] : []) : [file]));
  const find = (all: readonly TinyFile[], part: RegExp) => all.find(({ name }) => part.test(name))!;

  it('text encoders of another width are named with both numbers', { timeout: SLOW }, async () => {
    const mixed = swap(files.flux, /clip-l/, find(files.sdxl, /bigg/));
    const error = await failure(openTiny(mixed));
    expect(error.code).toBe('model/wrong-shape');
    expect(error.message).toMatch(/parts of different models.*bigg.*128.*"pooled".*takes 64/);
  });

  it('an autoencoder of other latents is named as what it is', async () => {
    const mixed = swap(files.flux, /vae/, find(files.sd1, /vae/));
    const error = await failure(openTiny(mixed));
    expect(error).toMatchObject({
      code: 'model/missing-part',
      message: expect.stringMatching(/tiny-sd1-vae.*4 latent channels, 16 are needed/) as string,
    });
  });

  it('a stored type that nothing decodes is refused before anything is computed', () => {
    const model = syntheticModel(TINY.sd1);
    const [name, weight] = [...model.denoiser.weights].find(([key]) => key.includes('attn1.to_q'))!;
    const unread = { ...weight, tensor: { ...weight.tensor, type: 'F4' as const } };
    const denoiser = { ...model.denoiser, weights: new Map([...model.denoiser.weights, [name, unread]]) };
    expect(() => {
      checkModel({ ...model, denoiser });
    }).toThrow(
      expect.objectContaining({ code: 'quant/no-decoder', message: expect.stringMatching(/stored as F4/) as string }),
    );
  });

  it('a missing text encoder is named', async () => {
    const error = await failure(openTiny(swap(files.flux, /t5/, undefined)));
    expect(error).toMatchObject({ code: 'model/missing-part', message: expect.stringContaining('T5-XXL') as string });
  });
});
