/** Stable Diffusion 2.x and SD-Turbo. Whether the file predicts noise or velocity is not visible in it; see `detect`. */
import type { ModelFamily } from '../family';
import { buildPlainUNet, discretePrediction, needOutput } from './unet_family';

export const sd2: ModelFamily = {
  id: 'sd2',
  label: 'Stable Diffusion 2.x',
  latent: { channels: 4, stride: 8, multiple: 8, evenMultiple: 64, scale: 0.18215, shift: 0 },
  prediction: discretePrediction('v'),
  defaults: {
    widthPx: 768,
    heightPx: 768,
    steps: 20,
    cfgScale: 7,
    sampler: 'dpmpp_2m',
    schedule: 'karras',
    clipSkip: 1,
  },
  sizes: [
    [896, 704],
    [1024, 576],
    [960, 640],
  ],
  encoders: [
    {
      id: 'openclip-h',
      label: 'OpenCLIP ViT-H',
      tokenizer: 'clip',
      pad: 0,
      chunkTokens: 77,
      maxTokens: 77,
      hidden: true,
      pooled: false,
      clip: { finalNorm: true, baseSkip: 0, project: false },
    },
  ],
  licence: 'CreativeML OpenRAIL++-M',
  zeroNegative: false,
  conditioning: (outputs) => ({ context: needOutput(outputs, 'openclip-h', 'hidden', 'sd2') }),
  buildDenoiser: buildPlainUNet,
};
