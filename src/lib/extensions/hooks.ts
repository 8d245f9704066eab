/**
 * Hook points of a job: names, order and payloads. Extensions get plain data and may change what a payload holds as a
 * mutable field; they know nothing of models, backends or samplers.
 */
import type { GeneratedImage, GenerateRequest, PixelImage } from '../rpc/engine';

/** A latent in host memory, `[batch, C, h, w]`. */
export interface HookLatent {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What a model call is told of the prompts: encoded text (`context`, `pooled`, …) by the name of the model's input. */
export interface HookConditions {
  /** Parts of the prompt with their weights; several where it holds AND. */
  readonly positive: readonly { readonly weight: number; readonly inputs: Readonly<Record<string, HookLatent>> }[];
  readonly negative: Readonly<Record<string, HookLatent>>;
}

export interface BatchPayload {
  readonly batch: number;
  readonly prompts: readonly string[];
  readonly seeds: readonly number[];
  readonly subseeds: readonly number[];
}

export interface StepPayload {
  /** Noise level of the call. */
  readonly sigma: number;
  /** Model calls before this one in its sampling. */
  readonly step: number;
  readonly steps: number;
  /** Reads the latent in question back from the device: costs time, so only on demand. */
  readonly read: () => Promise<HookLatent>;
}

/** Payload of every hook. Fields without `readonly` may be replaced by a hook. */
export interface HookPayloads {
  setup: { readonly request: GenerateRequest };
  beforeProcess: { readonly request: GenerateRequest };
  process: { readonly request: GenerateRequest; readonly seed: number };
  beforeInitImages: { readonly crop: CropBox | undefined; mask: PixelImage };
  beforeBatch: BatchPayload & { prompt: string; negativePrompt: string };
  afterNetworks: BatchPayload & { readonly names: readonly string[] };
  batch: BatchPayload;
  beforeSampling: {
    readonly pass: SamplingPass;
    readonly noise: HookLatent;
    /** Of the first model call. */
    readonly conditions: HookConditions;
    start: HookLatent;
  };
  /** `init`: the clean picture that the noise goes onto. */
  extraNoise: { readonly noise: HookLatent; readonly init: HookLatent; readonly start: HookLatent };
  denoiserInput: StepPayload & { readonly conditions: HookConditions; cfgScale: number };
  maskBlend: {
    readonly step: number;
    readonly sigma: number;
    /** The blend of the finished latent, after the last call. */
    readonly final: boolean;
    /** Share to repaint per latent cell, `[h, w]`, 0..1. */
    readonly mask: HookLatent;
    readonly init: HookLatent;
    /** The blended latent. */
    readonly read: () => Promise<HookLatent>;
  };
  denoised: StepPayload;
  afterGuidance: StepPayload;
  beforeHires: { readonly batch: number; readonly widthPx: number; readonly heightPx: number };
  afterSampling: { readonly batch: number; latents: HookLatent };
  afterBatch: { readonly batch: number; readonly images: readonly PixelImage[] };
  afterBatchList: { readonly batch: number; images: PixelImage[] };
  image: { readonly index: number; image: PixelImage };
  maskOverlay: { readonly index: number; overlay: PixelImage | undefined };
  imageComposited: { readonly index: number; image: PixelImage };
  /** As many rows as the columns leave. */
  grid: { readonly images: readonly PixelImage[]; columns: number };
  beforeSave: { image: PixelImage; infotext: string };
  saved: { readonly file: Blob; readonly infotext: string };
  done: { readonly images: readonly GeneratedImage[]; readonly interrupted: boolean };
}

export type SamplingPass = 'txt2img' | 'img2img' | 'hires';

export interface CropBox {
  readonly leftPx: number;
  readonly topPx: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

export type HookName = keyof HookPayloads;

/** Where an extension finds what the web UIs hand over: a field of the payload, the job, or words on what replaces it. */
type ArgumentPlaces<K extends HookName> = Readonly<
  Record<string, keyof HookPayloads[K] | 'job' | { readonly instead: string }>
>;

function hook<const K extends HookName>(name: K, upstream: string, args: ArgumentPlaces<K> = {}) {
  return { name, upstream, args };
}

const BATCH = { batch_number: 'batch', prompts: 'prompts', seeds: 'seeds', subseeds: 'subseeds' } as const;
const MODEL = { instead: 'models are closed to extensions; `cfgScale` and the conditions are in the payload' };
const STEP = { x: 'read', sampling_step: 'step', total_sampling_steps: 'steps' } as const;

/** Every hook in the order in which a job reaches it, with the name and the arguments that A1111 and Forge give it. */
export const HOOKS = [
  hook('setup', 'setup'),
  hook('beforeProcess', 'before_process'),
  hook('process', 'process'),
  hook('beforeInitImages', 'before_process_init_images', { crop_region: 'crop', image_mask: 'mask' }),
  hook('beforeBatch', 'before_process_batch', BATCH),
  hook('afterNetworks', 'after_extra_networks_activate', { ...BATCH, extra_network_data: 'names' }),
  hook('batch', 'process_batch', BATCH),
  hook('beforeHires', 'before_hr'),
  hook('beforeSampling', 'process_before_every_sampling', {
    x: 'start',
    noise: 'noise',
    c: 'conditions',
    uc: 'conditions',
  }),
  hook('extraNoise', 'extra_noise', { noise: 'noise', x: 'init', xi: 'start' }),
  hook('denoiserInput', 'cfg_denoiser', {
    ...STEP,
    image_cond: { instead: 'mask and picture of inpainting models follow from the request' },
    sigma: 'sigma',
    text_cond: 'conditions',
    text_uncond: 'conditions',
    denoiser: MODEL,
  }),
  hook('denoised', 'cfg_denoised', { ...STEP, inner_model: MODEL }),
  hook('maskBlend', 'on_mask_blend', {
    current_latent: 'read',
    nmask: 'mask',
    init_latent: 'init',
    mask: 'mask',
    blended_latent: 'read',
    denoiser: MODEL,
    sigma: 'sigma',
    is_final_blend: 'final',
  }),
  hook('afterGuidance', 'cfg_after_cfg', STEP),
  hook('afterSampling', 'post_sample', { samples: 'latents' }),
  hook('afterBatch', 'postprocess_batch', { images: 'images', batch_number: 'batch' }),
  hook('afterBatchList', 'postprocess_batch_list', { images: 'images', batch_number: 'batch' }),
  hook('image', 'postprocess_image', { image: 'image', index: 'index' }),
  hook('maskOverlay', 'postprocess_maskoverlay', {
    index: 'index',
    mask_for_overlay: 'overlay',
    overlay_image: { instead: 'the start picture is in the request; what is pasted back is where the overlay is dark' },
  }),
  hook('imageComposited', 'postprocess_image_after_composite', { image: 'image', index: 'index' }),
  hook('grid', 'image_grid', {
    imgs: 'images',
    cols: 'columns',
    rows: { instead: 'as many as the columns leave' },
  }),
  hook('beforeSave', 'before_image_saved', {
    image: 'image',
    filename: { instead: 'pictures are named where they are kept, after the job' },
    pnginfo: 'infotext',
  }),
  hook('saved', 'image_saved', {
    image: 'file',
    filename: { instead: 'pictures are named where they are kept, after the job' },
    pnginfo: 'infotext',
  }),
  hook('done', 'postprocess', { processed: 'images' }),
] as const;

/** The web UIs' other callbacks, and what an extension does in their place. */
export const OTHER_CALLBACKS: Readonly<Record<string, { readonly instead: string; readonly reversed?: true }>> = {
  run: { instead: 'plots and loopback are part of a request; whole jobs are started through the companion' },
  title: { instead: '`label`' },
  show: { instead: 'extensions have no panel; the request tells the kind of job' },
  ui: { instead: 'extensions have no panel' },
  app_started: { instead: 'code of the module itself, which runs when it is loaded' },
  on_reload: { instead: 'extensions hold no state between pages' },
  model_loaded: { instead: '`setup`, whose request names the model' },
  ui_tabs: { instead: 'extensions have no panel' },
  ui_train_tabs: { instead: 'there is no training' },
  ui_settings: { instead: 'extensions have no panel' },
  before_component: { instead: 'extensions have no panel' },
  after_component: { instead: 'extensions have no panel' },
  on_before_component: { instead: 'extensions have no panel' },
  on_after_component: { instead: 'extensions have no panel' },
  infotext_pasted: { instead: '`setup`: the request holds what was pasted' },
  script_unloaded: { instead: 'nothing is patched, so nothing has to be undone', reversed: true },
  before_ui: { instead: 'extensions have no panel', reversed: true },
  list_optimizers: { instead: 'backends choose their own kernels' },
  list_unets: { instead: 'a model family, see codex/guides' },
  before_token_counter: { instead: '`beforeBatch` changes the prompt; the counter shows what is typed' },
};
