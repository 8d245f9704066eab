/** What jobs report while they run, what they give, and what they cost. */
import type { SaveRequest } from './generate_request';
import type { PixelImage } from './pixel_image';

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
