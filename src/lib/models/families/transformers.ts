/** Flow-matching families: FLUX.1, Chroma, FLUX.2, SD3, Z-Image. */
import type { ModelFamily, TextEncoderSlot } from '../family';
import { buildFlux1, flux1Inputs, flux1PictureChannels } from '../flux1/build';
import type { Flux1Config } from '../flux1/config';
import type { Flux2Config } from '../flux2/flux2';
import { buildFlux2 } from '../flux2/network';
import { joinLast, joinTokens, padLast, zeros } from '../host_array';
import type { ModelPart } from '../part';
import { buildSd3 } from '../sd3/network';
import type { Sd3Config } from '../sd3/sd3';
import { buildZImage } from '../z_image/network';
import type { ZImageConfig } from '../z_image/z_image';
import { needOutput } from './unet_family';

const FLUX_LATENT = { channels: 16, stride: 8, multiple: 16, evenMultiple: 16, scale: 0.3611, shift: 0.1159 } as const;

const clipPooled: TextEncoderSlot = {
  id: 'clip-l',
  label: 'CLIP-L',
  tokenizer: 'clip',
  pad: 'end',
  chunkTokens: 77,
  maxTokens: 77,
  hidden: false,
  pooled: true,
  clip: { finalNorm: true, baseSkip: 0, project: false },
};

const t5 = (minTokens: number, maxTokens: number, optional = false): TextEncoderSlot => ({
  id: 't5',
  label: 'T5-XXL',
  tokenizer: 't5',
  pad: 0,
  minTokens,
  maxTokens,
  hidden: true,
  pooled: false,
  optional,
});

/** Trained on many shapes of about a megapixel. */
const MEGAPIXEL = [
  [1152, 896],
  [1216, 832],
  [1344, 768],
  [1536, 640],
] as const;

const flowDefaults = { widthPx: 1024, heightPx: 1024, sampler: 'euler', schedule: 'simple', clipSkip: 1 } as const;

export const flux1: ModelFamily = {
  id: 'flux1',
  label: 'FLUX.1',
  latent: FLUX_LATENT,
  prediction: {
    kind: 'flow',
    shift: { kind: 'exponential', baseTokens: 256, baseMu: 0.5, maxTokens: 4096, maxMu: 1.15 },
  },
  defaults: { ...flowDefaults, steps: 20, cfgScale: 1, distilledGuidance: 3.5 },
  sizes: MEGAPIXEL,
  encoders: [clipPooled, t5(256, 512)],
  licence: 'FLUX.1 [dev] non-commercial, or Apache-2.0 for schnell',
  zeroNegative: false,
  inputs: (denoiser) => flux1Inputs(denoiser.config as Flux1Config),
  adjust(denoiser) {
    const config = denoiser.config as Flux1Config;
    const concatChannels = flux1PictureChannels(config);
    if (!config.guidance) {
      return { defaults: { steps: 4 }, prediction: { kind: 'flow', shift: { kind: 'none' } }, concatChannels };
    }
    if (concatChannels === 0) return {};
    // Model cards: Fill 30, Canny 30, Depth 10; shapes do not tell the last two apart.
    const distilledGuidance = concatChannels > FLUX_LATENT.channels ? 30 : 10;
    return { defaults: { distilledGuidance }, concatChannels };
  },
  conditioning: (outputs) => ({
    context: needOutput(outputs, 't5', 'hidden', 'flux1'),
    pooled: needOutput(outputs, 'clip-l', 'pooled', 'flux1'),
  }),
  buildDenoiser: (model, spec) => buildFlux1(model.denoiser as ModelPart<Flux1Config>, spec),
};

export const chroma: ModelFamily = {
  ...flux1,
  id: 'chroma',
  label: 'Chroma',
  prediction: { kind: 'flow', shift: { kind: 'none' } },
  defaults: { ...flowDefaults, steps: 26, cfgScale: 4 },
  // The mask lets one padding token take part; the pipeline fills `contextMask` accordingly.
  encoders: [t5(1, 512)],
  licence: 'Apache-2.0',
  conditioning: (outputs) => ({ context: needOutput(outputs, 't5', 'hidden', 'chroma') }),
};

export const flux2: ModelFamily = {
  id: 'flux2',
  label: 'FLUX.2',
  latent: { channels: 128, stride: 16, multiple: 16, evenMultiple: 16, scale: 1, shift: 0 },
  prediction: { kind: 'flow', shift: { kind: 'flux2' } },
  defaults: { ...flowDefaults, steps: 4, cfgScale: 1 },
  sizes: MEGAPIXEL,
  encoders: [
    {
      id: 'qwen3',
      label: 'Qwen3',
      tokenizer: 'qwen',
      pad: 'end',
      minTokens: 512,
      maxTokens: 512,
      template: '<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n',
      hidden: true,
      pooled: false,
      qwen: { states: [9, 18, 27] },
      masked: true,
    },
  ],
  licence: 'Apache-2.0 for klein 4B; others non-commercial',
  zeroNegative: false,
  inputs: (denoiser) => ((denoiser.config as Flux2Config).guidance ? ['guidance'] : []),
  conditioning: (outputs) => ({ context: needOutput(outputs, 'qwen3', 'hidden', 'flux2') }),
  buildDenoiser: (model, spec) => buildFlux2(model.denoiser as ModelPart<Flux2Config>, spec),
};

export const sd3: ModelFamily = {
  id: 'sd3',
  label: 'Stable Diffusion 3',
  latent: { channels: 16, stride: 8, multiple: 16, evenMultiple: 16, scale: 1.5305, shift: 0.0609 },
  prediction: { kind: 'flow', shift: { kind: 'linear', shift: 3 } },
  defaults: { ...flowDefaults, steps: 28, cfgScale: 4.5 },
  sizes: MEGAPIXEL,
  encoders: [
    { ...clipPooled, hidden: true, clip: { finalNorm: false, baseSkip: 1, project: true } },
    {
      ...clipPooled,
      id: 'openclip-bigg',
      label: 'OpenCLIP ViT-bigG',
      pad: 0,
      hidden: true,
      clip: { finalNorm: false, baseSkip: 1, project: true },
    },
    t5(256, 256, true),
  ],
  licence: 'Stability Community',
  zeroNegative: false,
  inputs: () => ['pooled'],
  adjust(denoiser) {
    // The stored table of positions ends there: 192 patches for published models, less for cut ones.
    const mostPx = (denoiser.config as Sd3Config).positionSide * 16;
    return mostPx < flowDefaults.widthPx ? { defaults: { widthPx: mostPx, heightPx: mostPx } } : {};
  },
  conditioning(outputs, model) {
    const width = (model.denoiser.config as Sd3Config).contextWidth;
    const clip = joinLast([
      needOutput(outputs, 'clip-l', 'hidden', 'sd3'),
      needOutput(outputs, 'openclip-bigg', 'hidden', 'sd3'),
    ]);
    const batch = clip.shape[0] ?? 1;
    const long = outputs.t5?.hidden ?? zeros([batch, 256, width]);
    return {
      context: joinTokens([padLast(clip, width), long]),
      pooled: joinLast([
        needOutput(outputs, 'clip-l', 'pooled', 'sd3'),
        needOutput(outputs, 'openclip-bigg', 'pooled', 'sd3'),
      ]),
    };
  },
  buildDenoiser: (model, spec) => buildSd3(model.denoiser as ModelPart<Sd3Config>, spec),
};

export const zImage: ModelFamily = {
  id: 'z-image',
  label: 'Z-Image',
  latent: FLUX_LATENT,
  prediction: { kind: 'flow', shift: { kind: 'linear', shift: 3 } },
  defaults: { ...flowDefaults, steps: 8, cfgScale: 1 },
  sizes: MEGAPIXEL,
  encoders: [
    {
      id: 'qwen3',
      label: 'Qwen3-4B',
      tokenizer: 'qwen',
      pad: 'none',
      maxTokens: 512,
      template: '<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n',
      hidden: true,
      pooled: false,
      qwen: { states: 'last-but-one' },
    },
  ],
  licence: 'Apache-2.0',
  zeroNegative: false,
  conditioning: (outputs) => ({ context: needOutput(outputs, 'qwen3', 'hidden', 'z-image') }),
  buildDenoiser: (model, spec) => buildZImage(model.denoiser as ModelPart<ZImageConfig>, spec),
};
