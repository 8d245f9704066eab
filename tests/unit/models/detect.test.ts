import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import { detectModel } from '../../../src/lib/models/assemble';
import { detectFile } from '../../../src/lib/models/detect';
import {
  CLIP_L,
  clipFile,
  FLUX_DEV,
  fluxFile,
  REFINER,
  SD15,
  sd15Checkpoint,
  SD15_INPAINT,
  SD21,
  SD_VAE,
  SDXL,
  T5_XXL,
  t5File,
  unetFile,
  vaeFile,
} from './published';
import { joined, stored } from './synthetic';

const CLIP_G = {
  ...CLIP_L,
  width: 1280,
  layers: 32,
  heads: 20,
  mlpWidth: 5120,
  activation: 'gelu',
  projection: 1280,
} as const;
const CLIP_H = {
  ...CLIP_L,
  width: 1024,
  layers: 24,
  heads: 16,
  mlpWidth: 4096,
  activation: 'gelu',
  projection: 1024,
} as const;

const models: readonly (readonly [label: string, family: string, index: TensorIndex])[] = [
  ['SD 1.5, original', 'sd1', unetFile(SD15, 'original', 'model.diffusion_model.')],
  ['SD 1.5, diffusers', 'sd1', unetFile(SD15, 'diffusers')],
  ['SD 1.5 inpainting', 'sd1', unetFile(SD15_INPAINT, 'original', 'model.diffusion_model.')],
  ['SD 2.1, original', 'sd2', unetFile(SD21, 'original', 'model.diffusion_model.')],
  ['SDXL, original', 'sdxl', unetFile(SDXL, 'original', 'model.diffusion_model.')],
  ['SDXL, diffusers', 'sdxl', unetFile(SDXL, 'diffusers')],
  ['SDXL refiner', 'sdxl-refiner', unetFile(REFINER, 'original', 'model.diffusion_model.')],
  ['FLUX.1 dev, BFL', 'flux1', fluxFile(FLUX_DEV, 'bfl')],
  ['FLUX.1 dev, diffusers', 'flux1', fluxFile(FLUX_DEV, 'diffusers')],
  ['FLUX.1 schnell, prefixed', 'flux1', fluxFile({ ...FLUX_DEV, guidance: false }, 'bfl', 'model.diffusion_model.')],
];

describe('detection of published models from names and shapes', () => {
  it.each(models)('%s', (_label, family, index) => {
    expect(detectFile(index).family).toBe(family);
  });

  it('reads back the configuration it was built from, in both layouts', () => {
    for (const [config, file] of [
      [SDXL, unetFile(SDXL, 'original')],
      [SDXL, unetFile(SDXL, 'diffusers')],
      [REFINER, unetFile(REFINER, 'original')],
      [FLUX_DEV, fluxFile(FLUX_DEV, 'bfl')],
      [FLUX_DEV, fluxFile(FLUX_DEV, 'diffusers')],
    ] as const) {
      const { heads: _found, ...found } = detectFile(file).parts[0]?.config as { heads: unknown };
      const { heads: _wanted, ...wanted } = config;
      expect(found).toEqual(wanted);
    }
  });

  it('finds heads by the family rule: 8 in SD1, 64 wide in SD2 and SDXL', () => {
    const heads = (index: TensorIndex) => (detectFile(index).parts[0]?.config as { heads: readonly number[] }).heads;
    expect(heads(unetFile(SD15, 'original'))).toEqual([8, 8, 8, 8]);
    expect(heads(unetFile(SD21, 'original'))).toEqual([5, 10, 20, 20]);
    expect(heads(unetFile(SDXL, 'original'))).toEqual([5, 10, 20]);
  });

  it('never takes a damaged header for another family', () => {
    let random = 12345;
    const next = (n: number) => (random = (random * 1103515245 + 12345) % 2 ** 31) % n;
    for (let round = 0; round < 200; round += 1) {
      const [, family, index] = models[next(models.length)] ?? models[0]!;
      const names = [...index.tensors.keys()];
      const tensors = new Map(index.tensors);
      for (let i = 0; i < 1 + next(20); i += 1) {
        const name = names[next(names.length)] ?? '';
        if (next(2) === 0) tensors.delete(name);
        else tensors.set(name, stored(name, [1 + next(4096), 1 + next(4096)]));
      }
      const found = detectFile({ ...index, tensors }).family;
      expect([family, undefined, ...alsoPlausible(family)]).toContain(found);
    }
  });

  it('refuses what it cannot run with a code and the file name', () => {
    const empty: TensorIndex = {
      format: 'safetensors',
      name: 'notes.safetensors',
      tensors: new Map(),
      metadata: new Map(),
    };
    expect(() => detectModel(empty)).toThrow(AppError);
    expect(() => detectModel(empty)).toThrow(/notes\.safetensors/);
  });
});

/** A header whose telling tensor itself was damaged may name a sister of the family; building then lists what is missing. */
function alsoPlausible(family: string): readonly string[] {
  return ['sd1', 'sd2', 'sdxl', 'sdxl-refiner'].includes(family) ? ['sd1', 'sd2', 'sdxl', 'sdxl-refiner'] : [];
}

describe('assembly of models', () => {
  const clipL = clipFile(CLIP_L, 'transformers');

  it('takes a single-file SD 1.5 checkpoint apart', () => {
    const model = detectModel(sd15Checkpoint());
    expect(model.missing).toEqual([]);
    expect(model.latent).toMatchObject({ channels: 4, stride: 8, multiple: 8, evenMultiple: 64, scale: 0.18215 });
    expect(model.residuals).toBe(12);
    expect(model.inputs).toEqual([]);
  });

  it('takes SDXL with both encoders and says what its network needs', () => {
    const model = detectModel(
      joined(
        'sdxl.safetensors',
        unetFile(SDXL, 'original', 'model.diffusion_model.'),
        clipFile(CLIP_L, 'transformers', 'conditioner.embedders.0.transformer.'),
        clipFile(CLIP_G, 'open_clip', 'conditioner.embedders.1.model.'),
        vaeFile(SD_VAE, 'original', 'first_stage_model.'),
      ),
    );
    expect(model.missing).toEqual([]);
    expect(model.inputs).toEqual(['pooled', 'timeIds']);
    expect([...model.textEncoders.keys()]).toEqual(['clip-l', 'openclip-bigg']);
  });

  it('completes a FLUX transformer with files of its encoders', () => {
    const parts = [fluxFile(FLUX_DEV, 'bfl'), clipL, t5File(T5_XXL, 'transformers')];
    const model = detectModel(parts);
    expect(model.missing.map(({ role }) => role)).toEqual(['vae']);
    expect(model.inputs).toEqual(['pooled', 'guidance']);
    expect(model.prediction).toMatchObject({ kind: 'flow', shift: { kind: 'exponential' } });
  });

  it('gives schnell its four steps and no shift', () => {
    const model = detectModel(fluxFile({ ...FLUX_DEV, guidance: false }, 'bfl'));
    expect(model.defaults.steps).toBe(4);
    expect(model.prediction).toEqual({ kind: 'flow', shift: { kind: 'none' } });
  });

  it.each([
    ['Chroma Radiance', 'nerf_blocks.0.norm.scale'],
    ['AuraFlow', 'model.diffusion_model.double_layers.0.attn.w1q.weight'],
    ['Qwen-Image', 'transformer.txt_in.text_norm.weight'],
    ['Lumina 2', 'cap_embedder.0.weight'],
  ])('names %s, which it does not run', (family, mark) => {
    const index = joined('new.safetensors', vaeFile(SD_VAE, 'original', 'vae.'), {
      ...vaeFile(SD_VAE, 'diffusers'),
      tensors: new Map([[mark, stored(mark, [8])]]),
    });
    expect(detectFile(index).foreign).toBe(family);
    expect(() => detectModel(index)).toThrow(
      expect.objectContaining({ code: 'model/unsupported', message: expect.stringContaining(family) as string }),
    );
  });

  it('names Kolors, a U-Net of SDXL with conditions of its own', () => {
    const kolors = unetFile({ ...SDXL, vectorWidth: 5632 }, 'original', 'model.diffusion_model.');
    expect(() => detectModel(kolors)).toThrow(/this is Kolors, which does not run here/);
  });

  it('names every missing part', () => {
    const model = detectModel(unetFile(SD21, 'original'));
    expect(model.missing).toEqual([
      { role: 'text-encoder', encoder: 'openclip-h', label: 'OpenCLIP ViT-H' },
      { role: 'vae', label: 'autoencoder' },
    ]);
  });

  it('prefers a separate autoencoder over the one in the checkpoint', () => {
    const bundled = sd15Checkpoint('a.safetensors');
    const separate = { ...vaeFile(SD_VAE, 'diffusers'), name: 'better.safetensors' };
    expect(detectModel([bundled, separate]).vae?.file).toBe('better.safetensors');
  });

  it('reads prediction type and marker tensors', () => {
    const base = unetFile(SD15, 'original', 'model.diffusion_model.');
    const declared = { ...base, metadata: new Map([['modelspec.prediction_type', 'v']]) };
    expect(detectModel(declared).prediction).toMatchObject({ kind: 'v' });
    const marked = {
      ...base,
      tensors: new Map([...base.tensors, ['v_pred', stored('v_pred', [])], ['ztsnr', stored('ztsnr', [])]]),
    };
    expect(detectModel(marked).prediction).toMatchObject({ kind: 'v', zeroTerminalSnr: true });
  });

  it('recognises OpenCLIP H by its width', () => {
    expect(detectFile(clipFile(CLIP_H, 'transformers')).parts[0]?.encoder).toBe('openclip-h');
    expect(detectFile(clipFile(CLIP_G, 'transformers')).parts[0]?.encoder).toBe('openclip-bigg');
    expect(detectFile(clipL).parts[0]?.encoder).toBe('clip-l');
  });
});
