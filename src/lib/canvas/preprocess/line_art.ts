/** Line art by difference of gaussians. */
import { gaussianBlur } from '../document/blur';
import { greyImage, lumaPlane, valueOf, type Preprocessor } from './preprocessor';

/** Ratio of the two gaussians that comes close to a Laplacian of gaussian (Marr and Hildreth 1980). */
const SIGMA_RATIO = 1.6;

/**
 * White lines on black (the polarity control networks for line art expect) where the picture is darker than its surroundings.
 * Source: Winnemöller, Kyprianidis, Olsen, "XDoG", 2012: D = (1+p)·G(σ) − p·G(1.6σ); soft threshold
 * 1 for D ≥ ε, 1 + tanh(φ·(D − ε)) below, on 0..1 values.
 */
export const lineArt = {
  id: 'line-art',
  parameters: [
    { name: 'sigma', min: 0.3, max: 8, step: 0.1, default: 1 },
    { name: 'sharpness', min: 0, max: 100, step: 1, default: 20 },
    { name: 'threshold', min: 0, max: 1, step: 0.01, default: 0.6 },
    { name: 'softness', min: 0.1, max: 50, step: 0.1, default: 8 },
  ],
  run(image, values) {
    const { width, height } = image;
    const luma = lumaPlane(image);
    const sigma = valueOf(values, 'sigma');
    const p = valueOf(values, 'sharpness');
    const threshold = valueOf(values, 'threshold');
    const softness = valueOf(values, 'softness');
    const fine = gaussianBlur(luma, width, height, sigma);
    const coarse = gaussianBlur(luma, width, height, sigma * SIGMA_RATIO);
    const out = new Float32Array(luma.length);
    for (let i = 0; i < out.length; i++) {
      const base = (coarse[i] as number) / 255;
      // Relative to the surroundings, so that a flat dark area is no line: the difference is added to full white.
      const d = 1 + ((1 + p) * ((fine[i] as number) - (coarse[i] as number))) / 255 / Math.max(0.25, base);
      const ink = d >= threshold ? 0 : -Math.tanh(softness * (d - threshold));
      out[i] = 255 * ink;
    }
    return greyImage(out, width, height);
  },
} as const satisfies Preprocessor;
