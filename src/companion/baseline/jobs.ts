/** The reference jobs: small, and together over guidance, samplers, img2img, inpainting and the second pass. */
import type { GenerationDefaults } from '../../lib/models/family';
import type { GenerateRequest, InpaintFill, PixelImage } from '../../lib/rpc/engine';

export interface BaselineJob {
  readonly name: string;
  readonly about: string;
  readonly request: (defaults: GenerationDefaults) => GenerateRequest;
}

/** Colour ramps with a disc, the same everywhere. */
function startPicture(widthPx: number, heightPx: number): PixelImage {
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      const inside = (x - widthPx / 2) ** 2 + (y - heightPx / 2) ** 2 < (heightPx / 4) ** 2;
      const colour = inside ? [220, 40, 30] : [(x * 255) / widthPx, (y * 255) / heightPx, 160];
      rgba.set([...colour, 255], 4 * (y * widthPx + x));
    }
  }
  return { widthPx, heightPx, rgba };
}

function maskPicture(widthPx: number, heightPx: number): PixelImage {
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx);
  for (let i = 0; i < widthPx * heightPx; i++) {
    const [x, y] = [i % widthPx, Math.floor(i / widthPx)];
    const v = Math.abs(x - widthPx / 2) < widthPx / 4 && Math.abs(y - heightPx / 2) < heightPx / 4 ? 255 : 0;
    rgba.set([v, v, v, 255], 4 * i);
  }
  return { widthPx, heightPx, rgba };
}

type Change = (base: GenerateRequest) => Partial<GenerateRequest>;

function job(name: string, about: string, change: Change): BaselineJob {
  return {
    name,
    about,
    request: (defaults) => {
      const base: GenerateRequest = {
        modelId: 'baseline',
        prompt: 'a red apple, 3d',
        negativePrompt: 'blurry',
        steps: 10,
        cfgScale: defaults.cfgScale,
        sampler: 'Euler',
        schedule: 'Normal',
        seed: 1234,
        widthPx: defaults.widthPx,
        heightPx: defaults.heightPx,
        batchSize: 1,
        batchCount: 1,
        clipSkip: defaults.clipSkip,
        noiseSource: 'NV',
        previewEvery: 0,
      };
      return { ...base, ...change(base) };
    },
  };
}

const inpaint =
  (fill: InpaintFill, area: 'whole' | 'masked'): Change =>
  ({ widthPx, heightPx }) => ({
    init: {
      image: startPicture(widthPx, heightPx),
      strength: 0.8,
      resizeMode: 'just',
      inpaint: { mask: maskPicture(widthPx, heightPx), invert: false, blurPx: 4, fill, area, paddingPx: 16 },
    },
  });

const hires =
  (upscaler: string): Change =>
  () => ({
    hires: {
      upscaler,
      scale: 1.5,
      widthPx: 0,
      heightPx: 0,
      steps: 6,
      strength: 0.6,
      sampler: '',
      schedule: '',
      prompt: '',
      negativePrompt: '',
    },
  });

const img2img =
  (strength: number): Change =>
  ({ widthPx, heightPx }) => ({
    init: { image: startPicture(widthPx, heightPx), strength, resizeMode: 'just' },
  });

export const BASELINE_JOBS: readonly BaselineJob[] = [
  job('cfg-1', 'no guidance', () => ({ cfgScale: 1 })),
  job('cfg-default', "the model's own guidance", () => ({})),
  job('cfg-12', 'strong guidance', () => ({ cfgScale: 12 })),
  job('cfg-rescale', 'strong guidance, rescaled', () => ({ cfgScale: 12, cfgRescale: 0.7 })),
  job('ancestral', 'Euler a', () => ({ sampler: 'Euler a' })),
  job('multistep', 'DPM++ 2M on Karras', () => ({ sampler: 'DPM++ 2M', schedule: 'Karras' })),
  job('brownian', 'DPM++ SDE on Karras', () => ({ sampler: 'DPM++ SDE', schedule: 'Karras' })),
  job('timesteps', 'DDIM', () => ({ sampler: 'DDIM' })),
  job('and', 'two prompts joined by AND', () => ({ prompt: 'a red apple AND a green leaf :0.6' })),
  job('img2img-0.4', 'start picture, little redrawn', img2img(0.4)),
  job('img2img-0.8', 'start picture, much redrawn', img2img(0.8)),
  job('inpaint-original', 'inpainting, whole picture', inpaint('original', 'whole')),
  job('inpaint-fill', 'inpainting, filled', inpaint('fill', 'whole')),
  job('inpaint-noise', 'inpainting, latent noise', inpaint('latentNoise', 'whole')),
  job('inpaint-masked', 'inpainting, only the masked area', inpaint('original', 'masked')),
  job('hires-latent', 'second pass from latents', hires('Latent')),
  job('hires-lanczos', 'second pass from pixels', hires('Lanczos')),
];
