/**
 * What the page and the engine worker say to each other. Plain data only; large buffers are transferred.
 * The page knows the engine by these types alone.
 */
import type { PlainError } from '../base/errors';
import type { ModelOption, ModelOptionId, ModelOptionValues } from '../options/model_options';

/** Where a model's files are. */
export type ModelSource =
  /** Shipped with the app; `id` names a folder entry of `static/models/index.json`. */
  | { readonly kind: 'builtin'; readonly id: string; readonly modules?: readonly string[] }
  /** In the model store (IndexedDB). `modules`: store ids of text encoders and an autoencoder that complete it. */
  | { readonly kind: 'stored'; readonly id: string; readonly modules?: readonly string[] }
  /** Chosen by the user and used in place. */
  | { readonly kind: 'files'; readonly files: readonly File[] };

/** Pixels for the engine, not premultiplied. */
export interface PixelImage {
  readonly widthPx: number;
  readonly heightPx: number;
  /** RGBA, 4 bytes a pixel. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

export const RESIZE_MODES = ['just', 'crop', 'fill', 'latent'] as const;
export type ResizeMode = (typeof RESIZE_MODES)[number];

export const INPAINT_FILLS = ['fill', 'original', 'latentNoise', 'latentNothing'] as const;
export type InpaintFill = (typeof INPAINT_FILLS)[number];

export interface InpaintRequest {
  /** White (by red channel times alpha) is repainted. Any size; resized with the picture. */
  readonly mask: PixelImage;
  readonly invert: boolean;
  /** Gaussian sigma in pixels, 0..64. */
  readonly blurPx: number;
  readonly fill: InpaintFill;
  /** `masked` paints the mask's surroundings at full size and pastes them back. */
  readonly area: 'whole' | 'masked';
  readonly paddingPx: number;
  /** The latent mask is rounded to 0 or 1, as the web UIs do; default true. Soft inpainting never rounds. */
  readonly round?: boolean;
  /** Models trained to inpaint: how much of the masked area's own picture they are not shown, 0..1; default 1. */
  readonly conditioningWeight?: number;
  /** Soft inpainting: transitions follow how far the picture moved, in place of a hard mask. */
  readonly soft?: SoftInpaintRequest;
}

/** Settings of soft inpainting, as the web UIs name them. */
export interface SoftInpaintRequest {
  /** Power of the noise level in the blend, 0..8; high values keep the start picture mostly in early steps. */
  readonly scheduleBias: number;
  /** How strongly partly masked areas are kept, 0..8. */
  readonly preservationStrength: number;
  /** Contrast lost by blending is put back, 1..32. */
  readonly transitionContrast: number;
  /** Share of the mask in the final composite, 0..1. */
  readonly maskInfluence: number;
  /** Latent distance at which half of the new picture shows, 0..8. */
  readonly differenceThreshold: number;
  /** Steepness around that distance, 0..8. */
  readonly differenceContrast: number;
}

/** The web UIs' defaults. */
export const SOFT_INPAINT_DEFAULTS: SoftInpaintRequest = {
  scheduleBias: 1,
  preservationStrength: 0.5,
  transitionContrast: 4,
  maskInfluence: 0,
  differenceThreshold: 0.5,
  differenceContrast: 2,
};

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

export const JOB_STAGES = ['load', 'encode', 'denoise', 'upscale', 'decode', 'save'] as const;
export type JobStage = (typeof JOB_STAGES)[number];

export interface StageTime {
  readonly stage: JobStage;
  readonly ms: number;
}

export interface GeneratedImage {
  /** Position in the whole job, over batches. */
  readonly index: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly seed: number;
  readonly infotext: string;
  /** In the format asked for (its type says which), with the infotext inside. */
  readonly file: Blob;
}

/** Enlarges a picture without drawing it anew. */
export interface UpscaleRequest {
  readonly image: PixelImage;
  /** Label of a pixel upscaler, or the name of an upscaler model. */
  readonly upscaler: string;
  /** A factor in 1..8, or a target size; 0 leaves a side to the other. Both sides given: the target is covered. */
  readonly scale: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** What stands out of the target size is cut off. */
  readonly crop?: boolean;
  /** A second upscaler, mixed in with this share, 0..1. */
  readonly second?: { readonly upscaler: string; readonly visibility: number };
  /** Parameters that the picture came with: they are kept, the upscaling is added. */
  readonly infotext?: string;
  readonly save?: SaveRequest;
}

/** What enlarges pictures: shipped, or a file of the user's. */
export interface UpscalerSummary {
  /** What requests name. */
  readonly name: string;
  readonly kind: 'latent' | 'filter' | 'network';
  /** A network's own factor. */
  readonly scale?: number;
}

export type JobEvent =
  | { readonly kind: 'queued'; readonly position: number }
  | { readonly kind: 'loading'; readonly what: string; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly kind: 'stage'; readonly stage: JobStage; readonly batch: number; readonly batches: number }
  | {
      readonly kind: 'step';
      readonly step: number;
      readonly steps: number;
      readonly batch: number;
      readonly batches: number;
      readonly elapsedMs: number;
      /** Estimated from the steps so far; undefined before the first one. */
      readonly remainingMs?: number;
      readonly preview?: PixelImage;
    }
  /** A plot or loopback begins its next picture; steps count anew for each. */
  | { readonly kind: 'cell'; readonly cell: number; readonly cells: number; readonly labels: readonly string[] }
  | {
      readonly kind: 'notice';
      readonly code: string;
      readonly message: string;
      /** The whole list behind the message, for example every tensor of an adapter that fits nothing. */
      readonly details?: readonly string[];
    }
  | { readonly kind: 'image'; readonly image: GeneratedImage };

/**
 * Where times per operator come from: GPU timestamps, the host's clock around each operator, or nowhere (then a stage
 * has no `operators`).
 */
export type OperatorClock = 'timestamps' | 'host' | 'none';

/** One operator of a stage, over all its layers and runs. */
export interface OperatorTime {
  readonly op: string;
  /** Layers times runs. */
  readonly calls: number;
  /** Measured on some runs and scaled to all. */
  readonly ms: number;
  /** Operations of all calls; a multiply-add counts as two. */
  readonly flops: number;
  /** The slowest layers, at most eight of them. */
  readonly layers: readonly { readonly scope: string; readonly ms: number }[];
}

export interface StageTelemetry {
  readonly stage: JobStage;
  /** Wall time. */
  readonly ms: number;
  /** Program runs. */
  readonly runs: number;
  /** Runs whose operators were timed; 0 where times of a moment ago served. */
  readonly timedRuns: number;
  readonly dispatches: number;
  /** CPU time of recording and handing over commands. */
  readonly encodeMs: number;
  /** Sum over `operators`; absent where the backend cannot tell. */
  readonly operatorMs?: number;
  /** Slowest first. */
  readonly operators: readonly OperatorTime[];
  /** Weights that passed through the device for lack of room: bytes, time to read them, and how much of it was waited for. */
  readonly streamed?: { readonly bytes: number; readonly loadMs: number; readonly waitMs: number };
}

/** Bytes, each at its own highest moment. */
export interface JobMemory {
  readonly weightsBytes: number;
  readonly arenaBytes: number;
  readonly tensorBytes: number;
  readonly stagingBytes: number;
  /** Copied from the device to the host in all, where those are two places. */
  readonly readBytes?: number;
  /** Most held at one moment. */
  readonly peakBytes: number;
  /** What the plans said that moment would be. */
  readonly plannedPeakBytes: number;
  /** Without plans: every weight and every intermediate of every program that ran, at once. */
  readonly naiveBytes: number;
}

/** What a job cost. */
export interface JobTelemetry {
  readonly backend: string;
  readonly clock: OperatorClock;
  /** Smallest step of the clock that was seen; times of one operator are multiples of it. */
  readonly clockStepMs?: number;
  readonly stages: readonly StageTelemetry[];
  readonly memory: JobMemory;
  /** What was done to fit the memory or to survive a failure, in order, for people. */
  readonly measures: readonly string[];
}

export interface JobResult {
  readonly images: readonly GeneratedImage[];
  /** Every picture on one sheet, where the request asked for it: a grid, a plot, the loops of a loopback. */
  readonly grid?: GeneratedImage;
  /** Sheets of a plot with a z axis, one for each value; `grid` has them all. */
  readonly subGrids?: readonly GeneratedImage[];
  readonly times: readonly StageTime[];
  readonly peakBytes: number;
  /** True when the user stopped the job; `images` holds what existed. */
  readonly interrupted: boolean;
  readonly telemetry?: JobTelemetry;
}

export interface ModelSummary {
  readonly id: string;
  readonly name: string;
  readonly family: string;
  readonly familyLabel: string;
  readonly hash: string;
  readonly sizeBytes: number;
  readonly nativeWidthPx: number;
  readonly nativeHeightPx: number;
  /** Width and height must be multiples of this. */
  readonly sizeStepPx: number;
  readonly weightTypes: readonly string[];
  readonly prediction: string;
  readonly defaults: {
    readonly steps: number;
    readonly cfgScale: number;
    readonly sampler: string;
    readonly schedule: string;
    /** Absent on models without a guidance input. */
    readonly distilledGuidance?: number;
    readonly clipSkip: number;
  };
  /** Sizes that the family was trained for, the native one first. */
  readonly sizes: readonly { readonly widthPx: number; readonly heightPx: number }[];
  /** Few-step variant by what the file declares, for example `Turbo`; `defaults` follow it. */
  readonly variant?: string;
  /** Which controls have an effect. */
  readonly controls: ModelControls;
  readonly notes: readonly string[];
}

export interface ModelControls {
  readonly clipSkip: boolean;
  /** ControlNet, T2I-Adapter and IP-Adapter units. */
  readonly control: boolean;
  /** The network takes mask and masked picture as inputs: made for inpainting. */
  readonly inpaintModel: boolean;
  /** The network takes a start picture as input: instruct-pix2pix and the like. */
  readonly imageCondition: boolean;
  /** Guidance has a second scale for that picture, `GuidanceRequest.imageScale`. */
  readonly imageGuidance: boolean;
  readonly tiling: boolean;
  /** Switches of the model, with their ranges and this model's defaults. */
  readonly options: readonly (ModelOption & { readonly id: ModelOptionId })[];
}

export const NETWORK_KINDS = ['lora', 'embedding', 'control', 'upscaler', 'vae'] as const;
export type NetworkKind = (typeof NETWORK_KINDS)[number];

/** A file beside the model that generations may use. */
export interface NetworkSummary {
  readonly id: string;
  /** As prompts name it: `<lora:name:1>`, an embedding's word. */
  readonly name: string;
  readonly kind: NetworkKind;
  /** Detected kind within `control`: `controlnet`, `t2i-adapter`, `ip-adapter`. */
  readonly variant?: string;
  readonly family?: string;
  /** Made for the current model's family; undefined when the file does not tell. */
  readonly fits?: boolean;
  readonly triggerWords: readonly string[];
  readonly sizeBytes: number;
  /** As it stands in an infotext: the first 12 digits for adapters and embeddings, 10 for others. */
  readonly hash: string;
}

export const BACKEND_CHOICES = ['auto', 'webgpu', 'wasm'] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];

export interface EngineOptions {
  readonly backend: BackendChoice;
  /** WASM threads; 0 chooses by the machine. */
  readonly threads: number;
  /** Absolute URL of the app's base path, where models and runtime files are fetched. */
  readonly baseUrl: string;
  /** Device memory that models may take; absent: as much as there is. */
  readonly memoryLimitBytes?: number;
  /** WebGPU may round activations to 8 bits where its kernels for that pass their test: faster, slightly other pictures. */
  readonly roundActivations?: boolean;
}

/** One fast kernel of the WebGPU engine on this device. */
export interface KernelStatus {
  readonly variant: string;
  readonly label: string;
  /** used; ready: works and waits for a measurement or a setting; off: failed; absent: the device lacks a feature; untested: left alone. */
  readonly state: 'used' | 'ready' | 'off' | 'absent' | 'untested';
  readonly reason: string;
  /** Whether it is used is the user's choice: it changes results. */
  readonly choice?: 'roundActivations';
}

export interface EngineStatus {
  readonly backend: string;
  readonly backendLabel: string;
  /** Why this backend: measured, asked for, or what is missing. */
  readonly reason: string;
  readonly info: Readonly<Record<string, string>>;
  /** Fast kernels and what became of them; absent where the engine has only one of a kind. */
  readonly kernels?: readonly KernelStatus[];
  readonly isolated: boolean;
  /** What models may take now: given, the backend's own, or learned from failed allocations; absent: unknown. */
  readonly memoryLimitBytes?: number;
  readonly weightsBytes: number;
  readonly arenaBytes: number;
  readonly model?: ModelSummary;
  readonly lastTimes: readonly StageTime[];
  /** The last finished job. */
  readonly lastJob?: JobTelemetry;
}

/** The engine worker. Every rejection is an AppError on both sides. */
export interface EngineContract {
  start(options: EngineOptions): Promise<EngineStatus>;
  status(): Promise<EngineStatus>;
  /** Opens a model and makes it current; cancels nothing that runs. */
  openModel(source: ModelSource, onEvent: (event: JobEvent) => void): Promise<ModelSummary>;
  /** Runs one job; a second call waits. `latest` jobs replace waiting `latest` jobs, and stop a running one. */
  generate(
    jobId: string,
    request: GenerateRequest,
    onEvent: (event: JobEvent) => void,
    policy: 'queue' | 'latest',
  ): Promise<JobResult>;
  /** Enlarges a picture; needs no open model. */
  upscale(jobId: string, request: UpscaleRequest, onEvent: (event: JobEvent) => void): Promise<JobResult>;
  /** What `UpscaleRequest.upscaler` and `HiresRequest.upscaler` may name, in the menu's order. */
  upscalers(): Promise<readonly UpscalerSummary[]>;
  /** Stops a job within a step; its `generate` resolves with what exists, interrupted. */
  interrupt(jobId: string): Promise<void>;
  /**
   * While held, a running job rests between its steps, so that the page has the processor to itself (a pen is down).
   * It is never starved: a step is taken at least once a second.
   */
  hold(held: boolean): Promise<void>;
  /** What the model store holds beside models, judged against the current one. */
  networks(): Promise<readonly NetworkSummary[]>;
  /** CLIP tokens of a prompt, and the limit of the chunk they end in. */
  countTokens(prompt: string): Promise<{ count: number; limit: number }>;
  dispose(): Promise<void>;
}

/** A failure as the page stores and shows it. */
export interface JobFailure {
  readonly jobId: string;
  readonly error: PlainError;
}
