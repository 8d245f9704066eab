/** Stable Diffusion 1.x, its inpainting and consistency variants, and small models of the same layout. */
import type { ModelFamily } from '../family';
import { buildPlainUNet, discretePrediction, needOutput } from './unet_family';

export const sd1: ModelFamily = {
  id: 'sd1',
  label: 'Stable Diffusion 1.x',
  latent: { channels: 4, stride: 8, multiple: 8, evenMultiple: 64, scale: 0.18215, shift: 0 },
  prediction: discretePrediction('eps'),
  defaults: {
    widthPx: 512,
    heightPx: 512,
    steps: 20,
    cfgScale: 7,
    sampler: 'dpmpp_2m',
    schedule: 'karras',
    clipSkip: 1,
  },
  // Published for 512 x 512 only; fine-tunes are trained on these buckets.
  sizes: [
    [640, 512],
    [704, 512],
    [768, 512],
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
      clip: { finalNorm: true, baseSkip: 0, project: false },
    },
  ],
  licence: 'CreativeML OpenRAIL-M',
  zeroNegative: false,
  conditioning: (outputs) => ({ context: needOutput(outputs, 'clip-l', 'hidden', 'sd1') }),
  buildDenoiser: buildPlainUNet,
};
