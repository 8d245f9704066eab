/** Canny edges. */
import { gaussianBlur } from '../document/blur';
import { greyImage, lumaPlane, sobel, valueOf, type Preprocessor } from './preprocessor';

const TAN_22_5 = Math.SQRT2 - 1;

/**
 * White one-pixel edges on black.
 * Source: Canny, "A Computational Approach to Edge Detection", 1986; Sobel 3 × 3, L1 magnitude, thresholds in the same
 * units as OpenCV's `Canny` (defaults 100 and 200 are the field's), no smoothing unless asked for.
 */
export const canny = {
  id: 'canny',
  parameters: [
    { name: 'low', min: 1, max: 1020, step: 1, default: 100 },
    { name: 'high', min: 1, max: 1020, step: 1, default: 200 },
    { name: 'sigma', min: 0, max: 8, step: 0.1, default: 0 },
  ],
  run(image, values) {
    const { width, height } = image;
    const plane = gaussianBlur(lumaPlane(image), width, height, valueOf(values, 'sigma'));
    const { gx, gy } = sobel(plane, width, height);
    const low = Math.min(valueOf(values, 'low'), valueOf(values, 'high'));
    const high = Math.max(valueOf(values, 'low'), valueOf(values, 'high'));
    const peaks = suppressNonMaxima(gx, gy, width, height);
    return greyImage(hysteresis(peaks, width, height, low, high), width, height);
  },
} as const satisfies Preprocessor;

/** Magnitude where it is the largest across the edge, else 0; the picture's border counts as 0. */
function suppressNonMaxima(gx: Float32Array, gy: Float32Array, width: number, height: number): Float32Array {
  const magnitude = new Float32Array(gx.length);
  for (let i = 0; i < gx.length; i++) magnitude[i] = Math.abs(gx[i] as number) + Math.abs(gy[i] as number);
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= width || y >= height ? 0 : (magnitude[y * width + x] as number);
  const out = new Float32Array(gx.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const m = magnitude[i] as number;
      if (m === 0) continue;
      const dx = gx[i] as number;
      const dy = gy[i] as number;
      let stepX = 1;
      let stepY = 0;
      if (Math.abs(dx) < TAN_22_5 * Math.abs(dy)) [stepX, stepY] = [0, 1];
      else if (Math.abs(dy) >= TAN_22_5 * Math.abs(dx)) [stepX, stepY] = [1, dx * dy > 0 ? 1 : -1];
      // Strict on one side, so that a plateau two pixels wide keeps exactly one.
      if (m > at(x - stepX, y - stepY) && m >= at(x + stepX, y + stepY)) out[i] = m;
    }
  }
  return out;
}

function hysteresis(peaks: Float32Array, width: number, height: number, low: number, high: number): Uint8Array {
  const out = new Uint8Array(peaks.length);
  const stack: number[] = [];
  for (let i = 0; i < peaks.length; i++) {
    if ((peaks[i] as number) <= high || out[i]) continue;
    out[i] = 255;
    stack.push(i);
    while (stack.length > 0) {
      const j = stack.pop() as number;
      const x = j % width;
      const y = (j - x) / width;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const n = ny * width + nx;
          if (out[n] || (peaks[n] as number) <= low) continue;
          out[n] = 255;
          stack.push(n);
        }
      }
    }
  }
  return out;
}
