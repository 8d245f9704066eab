/**
 * Rules of a generation over whole latents that no sum expresses. A backend may have kernels for them, so that a model call
 * reads nothing back; where it has none, the pipeline computes them on the host.
 */
import type { DeviceTensor } from './backend';

/** Estimates of the clean latent, all `[N, C, H, W]`. */
export interface GuidanceRescale {
  /** The noisy latent that the estimates were made for. */
  readonly x: DeviceTensor;
  readonly cond: DeviceTensor;
  readonly guided: DeviceTensor;
}

export interface GuidanceRescaleOptions {
  /** What x carries of an estimate: a prediction is share · x − estimate, up to a factor. */
  readonly share: number;
  /** Share of the rescaled result, 0..1. */
  readonly phi: number;
}

export interface SoftBlend {
  /** `[1, C, H, W]` or `[N, C, H, W]`. */
  readonly init: DeviceTensor;
  /** `[N, C, H, W]`. */
  readonly painted: DeviceTensor;
  /** Share to repaint per cell, 0..1, `[H, W]`. */
  readonly mask: DeviceTensor;
}

export interface SoftBlendOptions {
  /** Of the mask, 0 or more. */
  readonly exponent: number;
  /** Of the mean of the two lengths, 1 or more. */
  readonly power: number;
}

/** Results are new tensors, owned by the caller. */
export interface LatentRules {
  /**
   * Brings the deviation of each picture's guided prediction back to that of `cond`, by the share `phi`; leaves one alone
   * that does not deviate. @throws AppError 'graph/shape', 'backend/…'
   */
  rescaleGuidance(tensors: GuidanceRescale, options: GuidanceRescaleOptions): Promise<DeviceTensor>;
  /**
   * Blends two latents by mask ^ exponent; the length over the channels is the power mean of the two lengths.
   * @throws AppError 'graph/shape', 'backend/…'
   */
  softBlend(tensors: SoftBlend, options: SoftBlendOptions): Promise<DeviceTensor>;
}
