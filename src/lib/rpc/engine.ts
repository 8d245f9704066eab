/**
 * What the page and the engine worker say to each other. Plain data only; large buffers are transferred.
 * The page knows the engine by these types alone.
 */
import type { PlainError } from '../base/errors';
import type { ModelOption, ModelOptionId } from '../options/model_options';
import type { GenerateRequest } from './generate_request';
import type { JobEvent, JobResult, JobTelemetry, StageTime, UpscaleRequest, UpscalerSummary } from './job_result';

export * from './generate_request';
export * from './inpaint_request';
export * from './job_result';
export type { PixelImage } from './pixel_image';

/** Where a model's files are. */
export type ModelSource =
  /** Shipped with the app; `id` names a folder entry of `static/models/index.json`. */
  | { readonly kind: 'builtin'; readonly id: string; readonly modules?: readonly string[] }
  /** In the model store (IndexedDB). `modules`: store ids of text encoders and an autoencoder that complete it. */
  | { readonly kind: 'stored'; readonly id: string; readonly modules?: readonly string[] }
  /** Chosen by the user and used in place. */
  | { readonly kind: 'files'; readonly files: readonly File[] };

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

/**
 * Why a backend computes: the user chose it; a graphics adapter is there; the only one is software; WebGPU cannot be
 * used; WebGPU failed in a job and no safer way of its own was left; in Node, the fastest that is installed, or the one
 * named at the start.
 */
type BackendReason = 'chosen' | 'adapter' | 'software' | 'fallback' | 'failed' | 'fastest' | 'start';

/** What computes, and why. */
export interface ChosenBackend<Backend> {
  readonly backend: Backend;
  readonly reason: BackendReason;
  readonly reasonDetail?: string;
}

export interface EngineStatus {
  readonly backend: string;
  readonly backendLabel: string;
  /** Why this backend: measured, asked for, or what is missing. */
  readonly reason: BackendReason;
  /** What a backend that was wanted says of why it cannot be used, in English. */
  readonly reasonDetail?: string;
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
  /**
   * Makes the programs that pictures of these settings need, so that the first one need not wait for them. Does nothing
   * while jobs run or for models above 1 GiB; never fails, and is never seen as a job.
   */
  prepare(request: GenerateRequest): Promise<void>;
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
