/**
 * Hook points of a job: names, order and payloads. Extensions get plain data and may change what a payload holds as a
 * mutable field; they know nothing of models, backends or samplers.
 */
import type { GenerateRequest, PixelImage } from '../rpc/engine';

/** A latent in host memory, `[batch, C, h, w]`. */
export interface HookLatent {
  readonly shape: readonly number[];
  readonly data: Float32Array;
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
  beforeSampling: { readonly pass: SamplingPass; readonly noise: HookLatent; start: HookLatent };
  extraNoise: { readonly noise: HookLatent; readonly start: HookLatent };
  denoiserInput: StepPayload & { cfgScale: number };
  maskBlend: { readonly step: number; readonly sigma: number; readonly final: boolean };
  denoised: StepPayload;
  afterGuidance: StepPayload;
  beforeHires: { readonly batch: number; readonly widthPx: number; readonly heightPx: number };
  afterSampling: { readonly batch: number; latents: HookLatent };
  afterBatch: { readonly batch: number; readonly images: readonly PixelImage[] };
  afterBatchList: { readonly batch: number; images: PixelImage[] };
  image: { readonly index: number; image: PixelImage };
  maskOverlay: { readonly index: number; overlay: PixelImage | undefined };
  imageComposited: { readonly index: number; image: PixelImage };
  grid: { readonly images: readonly PixelImage[]; columns: number };
  beforeSave: { image: PixelImage; infotext: string };
  saved: { readonly file: Blob; readonly infotext: string };
  done: { readonly images: number; readonly interrupted: boolean };
}

export type SamplingPass = 'txt2img' | 'img2img' | 'hires';

export interface CropBox {
  readonly leftPx: number;
  readonly topPx: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

export type HookName = keyof HookPayloads;

/** Every hook in the order in which a job reaches it, with the name that A1111 and Forge give it. */
export const HOOKS = [
  { name: 'setup', upstream: 'setup' },
  { name: 'beforeProcess', upstream: 'before_process' },
  { name: 'process', upstream: 'process' },
  { name: 'beforeInitImages', upstream: 'before_process_init_images' },
  { name: 'beforeBatch', upstream: 'before_process_batch' },
  { name: 'afterNetworks', upstream: 'after_extra_networks_activate' },
  { name: 'batch', upstream: 'process_batch' },
  { name: 'beforeHires', upstream: 'before_hr' },
  { name: 'beforeSampling', upstream: 'process_before_every_sampling' },
  { name: 'extraNoise', upstream: 'extra_noise' },
  { name: 'denoiserInput', upstream: 'cfg_denoiser' },
  { name: 'denoised', upstream: 'cfg_denoised' },
  { name: 'maskBlend', upstream: 'on_mask_blend' },
  { name: 'afterGuidance', upstream: 'cfg_after_cfg' },
  { name: 'afterSampling', upstream: 'post_sample' },
  { name: 'afterBatch', upstream: 'postprocess_batch' },
  { name: 'afterBatchList', upstream: 'postprocess_batch_list' },
  { name: 'image', upstream: 'postprocess_image' },
  { name: 'maskOverlay', upstream: 'postprocess_maskoverlay' },
  { name: 'imageComposited', upstream: 'postprocess_image_after_composite' },
  { name: 'grid', upstream: 'image_grid' },
  { name: 'beforeSave', upstream: 'before_image_saved' },
  { name: 'saved', upstream: 'image_saved' },
  { name: 'done', upstream: 'postprocess' },
] as const satisfies readonly { readonly name: HookName; readonly upstream: string }[];
