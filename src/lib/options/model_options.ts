/**
 * Every switch of FLUX-class models (FLUX.1, Chroma, FLUX.2, and other families where a row says so) in one table: canonical name, type, range, default, what it drives, and the names that other programs use. Requests,
 * pipeline, interface, infotext, command line and documentation derive from it. Facts on old names: Forge's settings
 * and API fields, diffusers' pipeline arguments, stable-diffusion.cpp's command line.
 */
import { FAMILY_IDS, type FamilyId } from './family_ids';

/** Where an old name occurs. */
export type LegacySource = 'forge option' | 'forge api' | 'infotext' | 'diffusers' | 'sd.cpp' | 'comfyui';

export interface LegacyName {
  readonly source: LegacySource;
  readonly name: string;
  /** How its values map, where they are not the same; of an ignored name: why. */
  readonly note?: string;
  /** Old value → ours. Absent: the value is taken as it is. */
  readonly values?: Readonly<Record<string, string | number | boolean>>;
  /** The old switch has no effect any more. */
  readonly ignored?: true;
}

interface OptionBase {
  readonly id: string;
  /** English; interfaces translate by id. */
  readonly label: string;
  /** What it changes in the computation, one line. */
  readonly drives: string;
  readonly families: readonly FamilyId[];
  /** `request`: a field of the generation request by this name; `source`: chosen when the model is opened. */
  readonly place?: 'request' | 'source';
  /** Infotext key that we write; absent: not written, because it does not change the picture. */
  readonly infotext?: string;
  readonly legacy: readonly LegacyName[];
}

export type ModelOption =
  | (OptionBase & {
      readonly type: 'number';
      readonly default: number;
      readonly min: number;
      readonly max: number;
      readonly step: number;
    })
  | (OptionBase & { readonly type: 'choice'; readonly default: string; readonly choices: readonly string[] })
  | (OptionBase & { readonly type: 'boolean'; readonly default: boolean })
  /** Ids of files in the model store. */
  | (OptionBase & { readonly type: 'files' });

const FLUX = ['flux1', 'flux2'] as const satisfies readonly FamilyId[];
const FLOW = ['flux1', 'chroma', 'flux2', 'sd3', 'z-image'] as const satisfies readonly FamilyId[];

export const MODEL_OPTIONS = [
  {
    id: 'distilledGuidance',
    place: 'request',
    label: 'Distilled guidance',
    type: 'number',
    default: 3.5,
    min: 0,
    max: 30,
    step: 0.1,
    drives: 'the guidance embedding of the transformer; no second pass. Absent on schnell and klein',
    families: FLUX,
    infotext: 'Distilled CFG Scale',
    legacy: [
      { source: 'forge api', name: 'distilled_cfg_scale' },
      { source: 'infotext', name: 'Distilled CFG Scale' },
      { source: 'diffusers', name: 'guidance_scale', note: 'of FluxPipeline; the real CFG is true_cfg_scale there' },
      { source: 'sd.cpp', name: '--guidance' },
      { source: 'comfyui', name: 'FluxGuidance.guidance' },
    ],
  },
  {
    id: 'hiresDistilledGuidance',
    label: 'Distilled guidance, second pass',
    type: 'number',
    default: 3.5,
    min: 0,
    max: 30,
    step: 0.1,
    drives: 'the same in the hires pass',
    families: FLUX,
    infotext: 'Hires Distilled CFG Scale',
    legacy: [
      { source: 'forge api', name: 'hr_distilled_cfg' },
      { source: 'infotext', name: 'Hires Distilled CFG Scale' },
    ],
  },
  {
    id: 'cfgScale',
    place: 'request',
    label: 'CFG scale',
    type: 'number',
    default: 1,
    min: 1,
    max: 30,
    step: 0.1,
    drives: 'classifier-free guidance with the negative prompt: two passes per step above 1',
    families: FLOW,
    infotext: 'CFG scale',
    legacy: [
      { source: 'forge api', name: 'cfg_scale' },
      { source: 'infotext', name: 'CFG scale' },
      { source: 'diffusers', name: 'true_cfg_scale' },
      { source: 'sd.cpp', name: '--cfg-scale' },
    ],
  },
  {
    id: 'shiftRule',
    label: 'Schedule shift',
    type: 'choice',
    default: 'model',
    choices: ['model', 'none', 'linear', 'exponential'],
    drives: 'how flow sigmas move towards noise; "model" takes the rule of the family and size',
    families: FLOW,
    infotext: 'Shift rule',
    legacy: [
      { source: 'diffusers', name: 'use_dynamic_shifting', values: { true: 'exponential', false: 'linear' } },
      { source: 'comfyui', name: 'ModelSamplingFlux', note: 'its node means the exponential rule' },
    ],
  },
  {
    id: 'shift',
    label: 'Shift',
    type: 'number',
    default: 3,
    min: 0.1,
    max: 100,
    step: 0.05,
    drives: 's of the linear rule, or mu of the exponential one',
    families: FLOW,
    infotext: 'Shift',
    legacy: [
      { source: 'infotext', name: 'Shift' },
      { source: 'diffusers', name: 'shift' },
      { source: 'sd.cpp', name: '--flow-shift' },
      { source: 'comfyui', name: 'ModelSamplingSD3.shift' },
    ],
  },
  {
    id: 'textTokens',
    label: 'Text tokens',
    type: 'choice',
    default: 'model',
    choices: ['model', '128', '256', '512'],
    drives: 'length of the T5 or Qwen sequence: longer prompts against memory and time',
    families: FLOW,
    legacy: [{ source: 'diffusers', name: 'max_sequence_length' }],
  },
  {
    id: 'modules',
    place: 'source',
    label: 'Text encoders and autoencoder',
    type: 'files',
    drives: 'which files complete a transformer-only checkpoint; they replace its own parts',
    families: FLOW,
    infotext: 'Module',
    legacy: [
      { source: 'forge option', name: 'forge_additional_modules' },
      { source: 'infotext', name: 'Module 1' },
      { source: 'forge option', name: 'sd_vae', ignored: true, note: 'choose the autoencoder among the modules' },
      { source: 'forge option', name: 'sd3_enable_t5', ignored: true, note: 'add or leave out the T5 file instead' },
      { source: 'sd.cpp', name: '--clip_l' },
      { source: 'sd.cpp', name: '--t5xxl' },
      { source: 'sd.cpp', name: '--vae' },
    ],
  },
  {
    id: 'vaePrecision',
    label: 'Autoencoder precision',
    type: 'choice',
    default: 'auto',
    choices: ['auto', 'f32', 'f16'],
    drives: 'number format of decoding; "auto" takes f16 and repeats in f32 when values overflow',
    families: FAMILY_IDS,
    legacy: [
      { source: 'forge option', name: 'no_half_vae', values: { true: 'f32', false: 'auto' } },
      { source: 'diffusers', name: 'force_upcast', values: { true: 'f32', false: 'auto' } },
    ],
  },
  {
    id: 'textCache',
    label: 'Keep encoded prompts',
    type: 'boolean',
    default: true,
    drives: 'reuse of text encoder outputs; distilled guidance, adapters and token length are part of the key',
    families: FAMILY_IDS,
    legacy: [
      { source: 'forge option', name: 'persistent_cond_cache' },
      { source: 'forge option', name: 'sd_checkpoints_limit', ignored: true, note: 'models stay in the store' },
    ],
  },
  {
    id: 'freeTextEncoders',
    label: 'Free text encoders while denoising',
    type: 'choice',
    default: 'auto',
    choices: ['auto', 'keep', 'free'],
    drives: 'whether encoder weights leave memory after the prompt is encoded; "auto" goes by the planned peak',
    families: FAMILY_IDS,
    legacy: [
      {
        source: 'forge option',
        name: 'forge_inference_memory',
        note: 'replaced by the exact memory plan',
        ignored: true,
      },
      { source: 'forge option', name: 'forge_async_loading', note: 'no counterpart in a browser', ignored: true },
      { source: 'forge option', name: 'forge_pin_shared_memory', note: 'no counterpart in a browser', ignored: true },
      { source: 'diffusers', name: 'enable_model_cpu_offload', values: { true: 'free', false: 'keep' } },
    ],
  },
  {
    id: 'loraMode',
    label: 'Adapter mode',
    type: 'choice',
    default: 'auto',
    choices: ['auto', 'merge', 'side-path'],
    drives: 'adapters beside the weights (instant strength changes) or merged into them',
    families: FAMILY_IDS,
    legacy: [
      {
        source: 'sd.cpp',
        name: '--lora-apply-mode',
        values: { auto: 'auto', immediately: 'merge', at_runtime: 'side-path' },
      },
      { source: 'forge option', name: 'cache_fp16_weight', ignored: true, note: 'weights are never rewritten' },
    ],
  },
] as const satisfies readonly ModelOption[];

type Row = (typeof MODEL_OPTIONS)[number];
export type ModelOptionId = Row['id'];

type ValueOf<Option> = Option extends { readonly type: 'number' }
  ? number
  : Option extends { readonly type: 'boolean' }
    ? boolean
    : Option extends { readonly choices: readonly (infer Choice)[] }
      ? Choice
      : never;

/** Switches of one generation; absent ones are the model's own. */
export type ModelOptionValues = {
  readonly [Option in Exclude<Row, { readonly place: string }> as Option['id']]?: ValueOf<Option>;
};
