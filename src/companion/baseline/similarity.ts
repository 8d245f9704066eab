/** How alike two pictures are. */
import { AppError } from '../../lib/base/errors';
import type { PixelImage } from '../../lib/rpc/engine';

function assertSameSize(a: PixelImage, b: PixelImage): void {
  if (a.widthPx === b.widthPx && a.heightPx === b.heightPx) return;
  throw new AppError(
    'image/invalid',
    `compare: pictures must be of one size, got ${a.widthPx}x${a.heightPx} and ${b.widthPx}x${b.heightPx}; capture again.`,
  );
}

/** Peak signal-to-noise ratio of RGB, dB; 100 stands for equal pictures. @throws AppError 'image/invalid' */
export function psnr(a: PixelImage, b: PixelImage): number {
  assertSameSize(a, b);
  let sum = 0;
  for (let i = 0; i < a.rgba.length; i++) if (i % 4 !== 3) sum += ((a.rgba[i] ?? 0) - (b.rgba[i] ?? 0)) ** 2;
  const mean = sum / (3 * a.widthPx * a.heightPx);
  return mean === 0 ? 100 : Math.min(100, 10 * Math.log10(255 ** 2 / mean));
}

const WINDOW_PX = 8;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

/**
 * Structural similarity of luma, 1 for equal pictures: mean over 8x8 windows with half overlap.
 * Source: Wang et al. 2004, equation 13, with a uniform window.
 */
export function ssim(a: PixelImage, b: PixelImage): number {
  assertSameSize(a, b);
  const [x, y] = [luma(a), luma(b)];
  let [sum, count] = [0, 0];
  for (let top = 0; top + WINDOW_PX <= a.heightPx; top += WINDOW_PX / 2) {
    for (let left = 0; left + WINDOW_PX <= a.widthPx; left += WINDOW_PX / 2) {
      sum += windowSsim(x, y, top * a.widthPx + left, a.widthPx);
      count += 1;
    }
  }
  return count === 0 ? 1 : sum / count;
}

function windowSsim(x: Float64Array, y: Float64Array, start: number, stride: number): number {
  let [sx, sy, xx, yy, xy] = [0, 0, 0, 0, 0];
  for (let r = 0; r < WINDOW_PX; r++) {
    for (let c = 0; c < WINDOW_PX; c++) {
      const at = start + r * stride + c;
      const [p, q] = [x[at] ?? 0, y[at] ?? 0];
      sx += p;
      sy += q;
      xx += p * p;
      yy += q * q;
      xy += p * q;
    }
  }
  const n = WINDOW_PX * WINDOW_PX;
  const [mx, my] = [sx / n, sy / n];
  const [vx, vy, cov] = [xx / n - mx * mx, yy / n - my * my, xy / n - mx * my];
  return ((2 * mx * my + C1) * (2 * cov + C2)) / ((mx * mx + my * my + C1) * (vx + vy + C2));
}

function luma({ rgba }: PixelImage): Float64Array {
  return Float64Array.from({ length: rgba.length / 4 }, (_, i) => {
    const [r, g, b] = [rgba[4 * i] ?? 0, rgba[4 * i + 1] ?? 0, rgba[4 * i + 2] ?? 0];
    return 0.299 * r + 0.587 * g + 0.114 * b;
  });
}
