/** The reference jobs: small, and together over guidance, samplers, prompts, adapters, img2img, inpainting, hires fix, refiner. */
import type { GenerationDefaults } from '../../lib/models/family';
import type { GenerateRequest, InpaintFill, PixelImage } from '../../lib/rpc/engine';
import { SOFT_INPAINT_DEFAULTS } from '../../lib/rpc/engine';
import { BASELINE_ADAPTERS } from './adapters';

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
  (fill: InpaintFill, area: 'whole' | 'masked', soft?: typeof SOFT_INPAINT_DEFAULTS): Change =>
  ({ widthPx, heightPx }) => ({
    init: {
      image: startPicture(widthPx, heightPx),
      strength: 0.8,
      resizeMode: 'just',
      inpaint: {
        mask: maskPicture(widthPx, heightPx),
        invert: false,
        blurPx: 4,
        fill,
        area,
        paddingPx: 16,
        ...(soft ? { soft } : {}),
      },
    },
  });

const HIRES = {
  scale: 1.5,
  widthPx: 0,
  heightPx: 0,
  steps: 6,
  strength: 0.6,
  sampler: '',
  schedule: '',
  prompt: '',
  negativePrompt: '',
} as const;
const hires =
  (upscaler: string): Change =>
  () => ({ hires: { ...HIRES, upscaler } });

const img2img =
  (strength: number): Change =>
  ({ widthPx, heightPx }) => ({
    init: { image: startPicture(widthPx, heightPx), strength, resizeMode: 'just' },
  });

const [LOOK = '', SHAPE = ''] = BASELINE_ADAPTERS;
const tagged =
  (...tags: readonly string[]): Change =>
  ({ prompt }) => ({ prompt: `${prompt} ${tags.join(' ')}` });

/** The id under which a comparison opens its second model. */
const BASELINE_REFINER = 'refiner';

export const BASELINE_JOBS: readonly BaselineJob[] = [
  job('cfg-1', 'no guidance', () => ({ cfgScale: 1 })),
  job('cfg-default', "the model's own guidance", () => ({})),
  job('cfg-12', 'strong guidance', () => ({ cfgScale: 12 })),
  job('cfg-rescale', 'strong guidance, rescaled', () => ({ cfgScale: 12, cfgRescale: 0.7 })),
  job('cfg-skip', 'no guidance at the start and below a noise level', () => ({
    guidance: { skipEarly: 0.2, minUncondSigma: 1 },
  })),
  job('ancestral', 'Euler a', () => ({ sampler: 'Euler a' })),
  job('multistep', 'DPM++ 2M on Karras', () => ({ sampler: 'DPM++ 2M', schedule: 'Karras' })),
  job('brownian', 'DPM++ SDE on Karras', () => ({ sampler: 'DPM++ SDE', schedule: 'Karras' })),
  job('timesteps', 'DDIM', () => ({ sampler: 'DDIM' })),
  job('variation', 'variation seed at 0.3', () => ({ variation: { seed: 99, strength: 0.3 } })),
  job('weights', 'emphasis and editing', () => ({ prompt: 'a (red:1.3) [apple:pear:0.5], 3d' })),
  job('weights-comfyui', "the same words in ComfyUI's reading", () => ({
    prompt: 'a (red:1.3) apple, 3d',
    emphasis: 'ComfyUI',
  })),
  job('and', 'two prompts joined by AND', () => ({ prompt: 'a red apple AND a green leaf :0.6' })),
  job('lora', 'one adapter', tagged(`<lora:${LOOK}:0.8>`)),
  job(
    'lora-stack',
    'two adapters, the second on the denoiser alone',
    tagged(`<lora:${LOOK}:0.6>`, `<lora:${SHAPE}:0:1>`),
  ),
  job('img2img-0.4', 'start picture, little redrawn', img2img(0.4)),
  job('img2img-0.8', 'start picture, much redrawn', img2img(0.8)),
  job('inpaint-original', 'inpainting, whole picture', inpaint('original', 'whole')),
  job('inpaint-fill', 'inpainting, filled', inpaint('fill', 'whole')),
  job('inpaint-noise', 'inpainting, latent noise', inpaint('latentNoise', 'whole')),
  job('inpaint-masked', 'inpainting, only the masked area', inpaint('original', 'masked')),
  job('inpaint-soft', 'soft inpainting', inpaint('original', 'whole', SOFT_INPAINT_DEFAULTS)),
  job('hires-latent', 'second pass from latents', hires('Latent')),
  job('hires-lanczos', 'second pass from pixels', hires('Lanczos')),
  job('hires-own', 'second pass with its own sampler, schedule, prompt and guidance', (base) => ({
    hires: {
      ...HIRES,
      upscaler: 'Latent (bicubic)',
      sampler: 'DPM++ 2M',
      schedule: 'Karras',
      prompt: 'a green apple, 3d',
      cfgScale: Math.max(1, base.cfgScale - 2),
    },
  })),
  job('refiner', 'a second model from 0.6 of the steps on', () => ({
    refiner: { modelId: BASELINE_REFINER, switchAt: 0.6 },
  })),
];
