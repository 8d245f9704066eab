/** Options of `npm run generate`. */
import { LIMITS } from '../../lib/pipeline/job_settings';
import { PIXEL_UPSCALERS, SHIPPED_UPSCALERS } from '../../lib/pipeline/upscalers';
import { EMPHASIS_MODES, INPAINT_FILLS, RESIZE_MODES } from '../../lib/rpc/engine';
import { GUIDANCE_METHODS } from '../../lib/sampling/guidance/methods';
import { LATENT_UPSCALERS } from '../../lib/sampling/img2img/resample';
import { samplers } from '../../lib/sampling/registry';
import { schedules } from '../../lib/sampling/schedule_registry';
import type { Flags, Parsed } from '../command_line';
import { networkFlags } from '../network_flags';
import { NODE_BACKENDS } from '../node_backend';
import { seriesFlags } from './series';

export const flags = {
  prompt: { kind: 'text', required: true, about: 'what to draw' },
  negative: { kind: 'text', default: '', about: 'what not to draw' },
  out: {
    kind: 'text',
    required: true,
    value: 'FILE.png',
    about: 'where the picture goes; more pictures get -2, -3, …',
  },
  model: {
    kind: 'list',
    value: 'FILE',
    about: 'model file; repeat it for parts in files of their own [the built-in model]',
  },
  steps: { kind: 'number', ...LIMITS.steps, integer: true, about: "sampling steps [the model's own]" },
  cfg: { kind: 'number', ...LIMITS.cfgScale, about: "guidance scale [the model's own]" },
  sampler: { kind: 'text', value: samplers.map((s) => s.label).join(' | '), about: "sampler [the model's own]" },
  schedule: {
    kind: 'text',
    value: ['Automatic', ...schedules.map((s) => s.label)].join(' | '),
    about: 'noise schedule [Automatic]',
  },
  seed: {
    kind: 'number',
    default: -1,
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    integer: true,
    about: 'seed; -1 draws one',
  },
  width: { kind: 'number', ...LIMITS.sidePx, integer: true, about: "width in pixels [the model's own]" },
  height: { kind: 'number', ...LIMITS.sidePx, integer: true, about: "height in pixels [the model's own]" },
  'batch-size': { kind: 'number', default: 1, ...LIMITS.batchSize, integer: true, about: 'pictures at once' },
  'batch-count': { kind: 'number', default: 1, ...LIMITS.batchCount, integer: true, about: 'how often' },
  'clip-skip': { kind: 'number', ...LIMITS.clipSkip, integer: true, about: 'last CLIP layers to skip, plus 1' },
  rng: { kind: 'choice', default: 'NV', choices: ['NV', 'CPU'], about: 'noise of CUDA cards, or of torch on the CPU' },
  emphasis: { kind: 'choice', default: 'Original', choices: EMPHASIS_MODES, about: 'what (word:1.2) does' },
  timesteps: {
    kind: 'choice',
    default: 'nearest',
    choices: ['nearest', 'interpolate'],
    about: 'rounding of model time: Forge, or A1111',
  },
  eta: { kind: 'number', min: 0, max: 10, about: 'share of fresh noise of ancestral and SDE samplers' },
  init: { kind: 'text', value: 'FILE.png', about: 'picture to start from (img2img)' },
  strength: { kind: 'number', default: 0.75, min: 0, max: 1, about: 'how much of the start picture is redrawn' },
  resize: { kind: 'choice', default: 'crop', choices: RESIZE_MODES, about: 'how the start picture is fitted' },
  mask: { kind: 'text', value: 'FILE.png', about: 'white is repainted (inpainting; needs --init)' },
  'mask-invert': { kind: 'switch', about: 'repaints what is not masked' },
  'mask-blur': { kind: 'number', default: 4, min: 0, max: 64, about: 'softness of the mask, pixels' },
  'mask-fill': {
    kind: 'choice',
    default: 'original',
    choices: INPAINT_FILLS,
    about: 'what the masked area starts from',
  },
  'mask-area': {
    kind: 'choice',
    default: 'whole',
    choices: ['whole', 'masked'],
    about: 'what is painted at full size',
  },
  'mask-padding': { kind: 'number', default: 32, min: 0, max: 256, integer: true, about: 'pixels around the mask' },
  'hires-scale': { kind: 'number', min: 1, max: 8, about: 'draws a second pass, so many times larger' },
  'hires-width': { kind: 'number', min: 64, max: 8192, integer: true, about: 'width of the second pass' },
  'hires-height': { kind: 'number', min: 64, max: 8192, integer: true, about: 'height of the second pass' },
  'hires-upscaler': {
    kind: 'text',
    default: 'Latent',
    value: [
      ...Object.keys(LATENT_UPSCALERS),
      ...Object.keys(PIXEL_UPSCALERS),
      ...SHIPPED_UPSCALERS.map(({ name }) => name),
    ].join(' | '),
    about: 'how the first pass is enlarged, or the name of an --upscaler file',
  },
  'hires-steps': { kind: 'number', default: 0, min: 0, max: 150, integer: true, about: '0: as the first pass' },
  'hires-strength': { kind: 'number', default: 0.6, min: 0, max: 1, about: 'how much the second pass redraws' },
  'hires-sampler': { kind: 'text', default: '', about: 'sampler of the second pass' },
  'hires-schedule': { kind: 'text', default: '', about: 'schedule of the second pass' },
  'hires-prompt': { kind: 'text', default: '', about: 'prompt of the second pass' },
  'hires-negative': { kind: 'text', default: '', about: 'negative prompt of the second pass' },
  'hires-cfg': { kind: 'number', ...LIMITS.cfgScale, about: 'guidance scale of the second pass' },
  ...networkFlags,
  refiner: { kind: 'list', value: 'FILE', about: 'second model that takes over' },
  'refiner-at': { kind: 'number', default: 0.8, min: 0.01, max: 1, about: 'share of the steps before it does' },
  tokenizer: { kind: 'list', value: 'FILE.json', about: 'tokenizer.json of a T5 or Qwen text encoder' },
  'distilled-cfg': { kind: 'number', min: 0, max: 100, about: 'guidance as an input of the model (FLUX.1 dev)' },
  guidance: {
    kind: 'choice',
    default: 'CFG',
    choices: GUIDANCE_METHODS.map(({ label }) => label),
    about: 'how predictions with and without the prompt are combined',
  },
  'guidance-option': {
    kind: 'list',
    value: 'NAME=VALUE',
    about: `option of that method: ${GUIDANCE_METHODS.flatMap(({ options }) => Object.keys(options)).join(', ')}`,
  },
  'cfg-rescale': { kind: 'number', default: 0, min: 0, max: 1, about: 'share of guidance rescale' },
  'image-cfg': { kind: 'number', min: 0, max: 3, about: 'guidance towards the start picture (instruct-pix2pix) [1.5]' },
  'skip-early-cfg': {
    kind: 'number',
    default: 0,
    min: 0,
    max: 1,
    about: 'share of the run without guidance at its start',
  },
  ngms: { kind: 'number', default: 0, min: 0, max: 1000, about: 'noise level below which the negative prompt rests' },
  ensd: { kind: 'number', default: 0, min: -1e9, max: 1e9, integer: true, about: 'eta noise seed delta' },
  'variation-seed': {
    kind: 'number',
    default: 0,
    min: 0,
    max: 4294967295,
    integer: true,
    about: 'seed of a variation',
  },
  'variation-strength': { kind: 'number', default: 0, min: 0, max: 1, about: 'how far the variation goes' },
  'extra-noise': { kind: 'number', default: 0, min: 0, max: 1, about: 'noise added again in img2img and hires' },
  tiling: { kind: 'switch', about: 'pictures that repeat without a seam' },
  ...seriesFlags,
  latents: {
    kind: 'text',
    value: 'FILE.safetensors',
    about: "start noise in place of the seed's: first tensor, [batch, C, h, w]",
  },
  'save-latents': { kind: 'text', value: 'FILE.safetensors', about: 'writes the final latents as "latents"' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
  threads: { kind: 'number', default: 0, min: 0, max: 256, integer: true, about: 'threads; 0: all cores' },
  json: { kind: 'text', value: 'FILE', about: 'writes times, memory and parameters' },
  quiet: { kind: 'switch', about: 'no progress bar' },
} as const satisfies Flags;

export type GenerateOptions = Parsed<typeof flags>;
