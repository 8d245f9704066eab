/** Target size of the second pass. */
import { AppError } from '../../base/errors';

export interface HiresRequest {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Used when both resize sides are 0. */
  readonly scale: number;
  readonly resizeWidthPx: number;
  readonly resizeHeightPx: number;
  /** Pixels per latent element. */
  readonly latentStride?: number;
}

export interface HiresSize {
  readonly widthPx: number;
  readonly heightPx: number;
  /** What is cut off, centred, in latent elements, when both sides were given and the ratios differ. */
  readonly truncateX: number;
  readonly truncateY: number;
}

/**
 * Scale, one side (the other follows by ratio) or both sides (the picture covers the target and the excess is cut).
 * @throws AppError 'argument/invalid' for sizes or a scale that are not positive
 * Source: web UI calculate_target_resolution
 */
export function hiresSize(request: HiresRequest): HiresSize {
  const { widthPx, heightPx, scale, resizeWidthPx: toWidth, resizeHeightPx: toHeight, latentStride = 8 } = request;
  const needsScale = toWidth === 0 && toHeight === 0;
  const whole = [widthPx, heightPx].every((v) => Number.isInteger(v) && v >= 1);
  if (!whole || toWidth < 0 || toHeight < 0 || (needsScale && !(scale > 0 && Number.isFinite(scale)))) {
    throw new AppError(
      'argument/invalid',
      `hires: needs a positive size and scale, got ${widthPx}x${heightPx}, scale ${scale}, resize ${toWidth}x${toHeight}.`,
    );
  }
  const plain = { truncateX: 0, truncateY: 0 };
  if (needsScale) return { widthPx: Math.trunc(widthPx * scale), heightPx: Math.trunc(heightPx * scale), ...plain };
  const byWidth = { widthPx: toWidth, heightPx: Math.floor((toWidth * heightPx) / widthPx) };
  const byHeight = { widthPx: Math.floor((toHeight * widthPx) / heightPx), heightPx: toHeight };
  if (toHeight === 0) return { ...byWidth, ...plain };
  if (toWidth === 0) return { ...byHeight, ...plain };
  const cover = widthPx / heightPx < toWidth / toHeight ? byWidth : byHeight;
  return {
    ...cover,
    truncateX: Math.floor((cover.widthPx - toWidth) / latentStride),
    truncateY: Math.floor((cover.heightPx - toHeight) / latentStride),
  };
}
