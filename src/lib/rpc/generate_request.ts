/** One generation, with everything that decides the picture. */
import type { ModelOptionValues } from '../options/model_options';
import type { InpaintRequest } from './inpaint_request';
import type { PixelImage } from './pixel_image';

export const RESIZE_MODES = ['just', 'crop', 'fill', 'latent'] as const;
export type ResizeMode = (typeof RESIZE_MODES)[number];

export interface InitRequest {
  readonly image: PixelImage;
  /** Denoising strength, 0..1. */
  readonly strength: number;
  readonly resizeMode: ResizeMode;
  /** Runs as many steps as asked instead of strength · steps. */
  readonly exactSteps?: boolean;
  readonly inpaint?: InpaintRequest;
  /** Scales the start noise; default 1. */
  readonly noiseMultiplier?: number;
  /** The result takes the colour distribution of the start picture. */
  readonly colorCorrection?: boolean;
}

export const LOOPBACK_CURVES = ['Linear', 'Aggressive', 'Lazy'] as const;

/** img2img again and again: each result is the next start picture, with the next seed. */
export interface LoopbackRequest {
  /** 1..32. */
  readonly loops: number;
  /** Denoising strength of the last loop, 0..1; the first has the request's. */
  readonly finalStrength: number;
  /** How the strength moves between them. */
  readonly curve: (typeof LOOPBACK_CURVES)[number];
}

/** One axis of a plot: what varies, and its values in the web UIs' syntax. Ids are those of `src/lib/plot/axes.ts`. */
export interface PlotAxisRequest {
  readonly axis: string;
  /** Lists `1, 2, 3`, ranges `1-10 (+3)`, counts `1-10 [4]`; names as a list, quoted where they hold commas. */
  readonly values: string;
}

/** A style that an axis can add to the prompts; `{prompt}` in a text stands for the prompt. */
export interface PlotStyle {
  readonly name: string;
  readonly prompt: string;
  readonly negative: string;
}

/** An X/Y/Z plot: one picture for every combination, on one labelled sheet (one sheet for each value of z). */
export interface PlotRequest {
  readonly x?: PlotAxisRequest;
  readonly y?: PlotAxisRequest;
  readonly z?: PlotAxisRequest;
  /** Labels of the values at the edges. */
  readonly legend: boolean;
  /** The single pictures are kept as well, not only the sheets. */
  readonly keepPictures: boolean;
  /** Between cells, 0..500. */
  readonly marginPx: number;
  /** Seed -1 draws a new seed for every cell; else one for all. */
  readonly keepRandomSeeds?: boolean;
  /** Those that the axis "Styles" may name: the engine knows none. */
  readonly styles?: readonly PlotStyle[];
}

export const PICTURE_FORMATS = ['png', 'jpeg', 'webp'] as const;
export type PictureFormat = (typeof PICTURE_FORMATS)[number];

/** How pictures are written. Parameters go into every format: PNG text, or EXIF UserComment. */
export interface SaveRequest {
  readonly format: PictureFormat;
  /** JPEG and WebP, 1..100; default 90. WebP at 100 is lossless where the encoder can. */
  readonly quality?: number;
  /** PNG and lossless WebP: the parameters once more in the lowest bits of the alpha channel. */
  readonly stealth?: boolean;
}

export interface HiresRequest {
  /** A latent or pixel upscaler by label, or the id of an upscaler model that the engine's host can open. */
  readonly upscaler: string;
  /** Either a factor or a target size; 0 leaves a side to the other. */
  readonly scale: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** 0: as many as the first pass. */
  readonly steps: number;
  readonly strength: number;
  /** Empty strings and undefined mean "as in the first pass". */
  readonly sampler: string;
  readonly schedule: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly cfgScale?: number;
}

export interface RefinerRequest {
  readonly modelId: string;
  /** Share of the steps after which the second model takes over, 0..1. */
  readonly switchAt: number;
  /** Which sampling it joins when there is a hires pass; default the second. */
  readonly pass?: 'first' | 'second' | 'both';
}

/** The choices of `pass` as the web UIs write them ("Hires refiner"). */
export const REFINER_PASS_NAMES = { first: 'first pass', second: 'second pass', both: 'both passes' } as const;

/** The user's noise range and schedule parameters; 0 or absent: the model's own. */
export interface SigmaOptions {
  readonly min?: number;
  readonly max?: number;
  readonly rho?: number;
  readonly betaAlpha?: number;
  readonly betaBeta?: number;
  /** One more level is made and the next-to-last dropped, whatever the sampler says. */
  readonly discardPenultimate?: boolean;
}

/** Rules that change guidance during a run. */
export interface GuidanceRequest {
  /** Share of the run without guidance at its start, 0..1. */
  readonly skipEarly?: number;
  /** Below this noise level the unconditional run is left out ("NGMS"). */
  readonly minUncondSigma?: number;
  /** `minUncondSigma` acts on every call, not only on odd ones. */
  readonly minUncondAll?: boolean;
  /** Models that change a picture by words (instruct-pix2pix): guidance towards the start picture, 0..3; default 1.5. */
  readonly imageScale?: number;
}

/** Whose word counts more: `prompt` weakens the unit layer by layer, `control` acts on the prompt's half only. */
export const CONTROL_MODES = ['balanced', 'prompt', 'control'] as const;
export type ControlMode = (typeof CONTROL_MODES)[number];

/** One unit of ControlNet, T2I-Adapter or IP-Adapter; which of them it is, the file tells. */
export interface ControlRequest {
  /** `NetworkSummary.id` of kind `control`. */
  readonly modelId: string;
  /** As the network reads it (edges, depth, a reference picture); resized to the picture as `resizeMode` says. */
  readonly image: PixelImage;
  /** 0..2. */
  readonly weight: number;
  /** Share of the steps where it begins and ends, 0..1. */
  readonly start: number;
  readonly end: number;
  readonly mode: ControlMode;
  /** Default `crop`. IP-Adapters look at the whole picture and ignore it. */
  readonly resizeMode?: Exclude<ResizeMode, 'latent'>;
  /** Name of what made `image`, for the infotext; for example `canny`. */
  readonly preprocessor?: string;
}

/**
 * What `(word:1.2)` does. `ComfyUI` is more than that: brackets, chunks and weights as there, and `[a:b:0.5]`, AND, BREAK
 * and `#` are text.
 */
export const EMPHASIS_MODES = ['Original', 'No norm', 'Ignore', 'None', 'ComfyUI'] as const;
export type EmphasisMode = (typeof EMPHASIS_MODES)[number];

/** One generation, with everything that decides the picture. */
export interface GenerateRequest {
  readonly modelId: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly steps: number;
  readonly cfgScale: number;
  readonly sampler: string;
  readonly schedule: string;
  /** -1 draws one; the real value is reported with the picture. Up to 2^53 - 1. */
  readonly seed: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly batchSize: number;
  readonly batchCount: number;
  readonly clipSkip: number;
  /** `NV` equals the noise of CUDA cards everywhere, `CPU` that of torch and ComfyUI. */
  readonly noiseSource: 'NV' | 'CPU';
  readonly variation?: { readonly seed: number; readonly strength: number };
  readonly seedResize?: { readonly widthPx: number; readonly heightPx: number };
  /** Options of the sampler by name, as its registry entry lists them. */
  readonly samplerOptions?: Readonly<Record<string, number | string | boolean>>;
  /** 0..1: share of guidance rescale. */
  readonly cfgRescale?: number;
  readonly guidance?: GuidanceRequest;
  /** How predictions with and without the prompt are combined, by id or label; absent: CFG. */
  readonly guidanceMethod?: string;
  /** Options of that method by name, as its table lists them. */
  readonly guidanceOptions?: Readonly<Record<string, number | string | boolean>>;
  readonly sigmas?: SigmaOptions;
  /** Eta noise seed delta: noise after the first draw comes from seed + delta. */
  readonly ensd?: number;
  /** The start noise is scaled to the variance of training, sqrt(1 + sigma²). */
  readonly sgmNoiseMultiplier?: boolean;
  /** Noise added again at the start of img2img and hires, 0..1. */
  readonly extraNoise?: number;
  /** Guidance as a model input, FLUX.1 dev's "distilled CFG". */
  readonly distilledGuidance?: number;
  readonly emphasis?: EmphasisMode;
  /** Model time of a noise level: the nearest trained step (Forge, ComfyUI; default) or in between (A1111). */
  readonly timestepRule?: 'nearest' | 'interpolate';
  readonly tiling?: boolean;
  /** Autoencoder in tiles: `auto` (default) when the whole picture does not fit. */
  readonly tiledVae?: 'auto' | 'always' | 'never';
  readonly init?: InitRequest;
  readonly hires?: HiresRequest;
  readonly refiner?: RefinerRequest;
  /** In any number; their effects add up. */
  readonly control?: readonly ControlRequest[];
  /** `NetworkSummary.id` of another autoencoder; absent: the model's own. */
  readonly vaeId?: string;
  /** Switches that the model has, see `ModelSummary.options`. */
  readonly modelOptions?: ModelOptionValues;
  /** All pictures of the job in one more picture, when there are several. */
  readonly grid?: boolean;
  /** Needs `init`. */
  readonly loopback?: LoopbackRequest;
  readonly plot?: PlotRequest;
  /** Default: PNG. */
  readonly save?: SaveRequest;
  /** Steps between previews; 0 for none. */
  readonly previewEvery: number;
}
