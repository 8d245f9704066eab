/** Stable Diffusion XL base and its distilled variants (Turbo, Lightning), and the refiner. Source: Podell et al. 2023. */
import type { DenoiserSpec, DetectedModel, ModelFamily, TextEncoderSlot } from '../family';
import { joinLast } from '../host_array';
import type { BuiltGraph, ModelPart } from '../part';
import type { ClipConfig } from '../clip/config';
import { buildUNet } from '../unet/build';
import { discretePrediction, needOutput, unetPart } from './unet_family';

/** Width of the pooled text vector: what the G encoder projects to, 1280 in published models. */
function pooledWidth(model: DetectedModel): number {
  const encoder = model.textEncoders.get('openclip-bigg') as ModelPart<ClipConfig> | undefined;
  return encoder ? encoder.config.projection || encoder.config.width : 1280;
}

function build(ids: number) {
  return (model: DetectedModel, spec: DenoiserSpec): BuiltGraph =>
    buildUNet(unetPart(model), { ...spec, vector: { pooledWidth: pooledWidth(model), ids } });
}

const bigG: TextEncoderSlot = {
  id: 'openclip-bigg',
  label: 'OpenCLIP ViT-bigG',
  tokenizer: 'clip',
  pad: 0,
  chunkTokens: 77,
  maxTokens: 77,
  hidden: true,
  pooled: true,
  clip: { finalNorm: false, baseSkip: 1, project: true },
};

const latent = { channels: 4, stride: 8, multiple: 8, evenMultiple: 32, scale: 0.13025, shift: 0 } as const;

export const sdxl: ModelFamily = {
  id: 'sdxl',
  label: 'Stable Diffusion XL',
  latent,
  prediction: discretePrediction('eps'),
  defaults: {
    widthPx: 1024,
    heightPx: 1024,
    steps: 25,
    cfgScale: 5,
    sampler: 'euler_a',
    schedule: 'automatic',
    clipSkip: 1,
  },
  // Source: Podell et al. 2023, appendix I, the buckets that interfaces offer.
  sizes: [
    [1152, 896],
    [1216, 832],
    [1344, 768],
    [1536, 640],
  ],
  encoders: [
    {
      id: 'clip-l',
      label: 'CLIP-L',
      tokenizer: 'clip',
      pad: 'end',
      chunkTokens: 77,
      maxTokens: 77,
      hidden: true,
      pooled: false,
      clip: { finalNorm: false, baseSkip: 1, project: false },
    },
    bigG,
  ],
  licence: 'CreativeML OpenRAIL++-M',
  zeroNegative: true,
  conditioning: (outputs) => ({
    context: joinLast([
      needOutput(outputs, 'clip-l', 'hidden', 'sdxl'),
      needOutput(outputs, 'openclip-bigg', 'hidden', 'sdxl'),
    ]),
    pooled: needOutput(outputs, 'openclip-bigg', 'pooled', 'sdxl'),
  }),
  sizeIds: (s) => [s.originalHeightPx, s.originalWidthPx, s.cropTopPx, s.cropLeftPx, s.targetHeightPx, s.targetWidthPx],
  buildDenoiser: build(6),
};

export const sdxlRefiner: ModelFamily = {
  ...sdxl,
  id: 'sdxl-refiner',
  label: 'Stable Diffusion XL refiner',
  encoders: [bigG],
  conditioning: (outputs) => ({
    context: needOutput(outputs, 'openclip-bigg', 'hidden', 'sdxl-refiner'),
    pooled: needOutput(outputs, 'openclip-bigg', 'pooled', 'sdxl-refiner'),
  }),
  sizeIds: (s) => [s.originalHeightPx, s.originalWidthPx, s.cropTopPx, s.cropLeftPx, s.aestheticScore],
  buildDenoiser: build(5),
};
