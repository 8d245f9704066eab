/**
 * Soft inpainting: start picture and new picture are blended in the latent by noise level instead of a hard mask, and
 * composited by how far the result moved from the start. Pure.
 * Source of the rules: "soft-inpainting", an extension that ships with the web UIs.
 */
import type { SoftBlendOptions } from '../backends/latent_rules';
import { AppError } from '../base/errors';
import type { SoftInpaintRequest } from '../rpc/engine';
import { blurMask, resizeMask, type Mask } from './mask_image';

const RANGES: Readonly<Record<keyof SoftInpaintRequest, readonly [number, number]>> = {
  scheduleBias: [0, 8],
  preservationStrength: [0, 8],
  transitionContrast: [1, 32],
  maskInfluence: [0, 1],
  differenceThreshold: [0, 8],
  differenceContrast: [0, 8],
};

/** @throws AppError 'argument/invalid' naming the setting */
export function checkSoft(soft: SoftInpaintRequest): void {
  for (const [name, [min, max]] of Object.entries(RANGES)) {
    const value = soft[name as keyof SoftInpaintRequest];
    if (value >= min && value <= max) continue;
    throw new AppError(
      'argument/invalid',
      `soft inpainting ${name}: must be a number in ${min}..${max}, got ${value}.`,
    );
  }
}

/** How the blend of a model call follows from the settings. */
export function softBlendOptions(sigma: number, soft: SoftInpaintRequest): SoftBlendOptions {
  return { exponent: sigma ** soft.scheduleBias * soft.preservationStrength, power: soft.transitionContrast };
}

/**
 * Start and new latent blended per cell; a blend is shorter than what it blends, so its length over the channels is put
 * back to a power mean of the two lengths.
 * @param mask  share to repaint per cell, 0..1
 * @param init, painted  `[batch or 1, C, h, w]` and `[batch, C, h, w]`
 */
export function softBlend(
  { init, painted, mask }: { init: ArrayLike<number>; painted: ArrayLike<number>; mask: ArrayLike<number> },
  channels: number,
  { exponent, power }: SoftBlendOptions,
): Float32Array<ArrayBuffer> {
  const cells = mask.length;
  const out = new Float32Array(painted.length);
  for (let first = 0; first < painted.length; first += channels * cells) {
    for (let cell = 0; cell < cells; cell++) {
      const m = mask[cell] ?? 0;
      const t = m ** exponent;
      // To the last digits: under a high power even a tiny rest of the start counts.
      const keep = exponent > 0 ? -Math.expm1(exponent * Math.log(m)) : 0;
      let [a2, b2, mix2] = [0, 0, 0];
      for (let c = 0; c < channels; c++) {
        const at = first + c * cells + cell;
        const [a, b] = [init[at % init.length] ?? 0, painted[at] ?? 0];
        const mixed = a * keep + b * t;
        out[at] = mixed;
        a2 += a * a;
        b2 += b * b;
        mix2 += mixed * mixed;
      }
      // In units of the longer one that counts no power overflows, and none gets lost.
      const [a, b] = [keep > 0 ? Math.sqrt(a2) : 0, t > 0 ? Math.sqrt(b2) : 0];
      const unit = Math.max(a, b) || 1;
      const mean = (a / unit) ** power * keep + (b / unit) ** power * t;
      const scale = (unit * mean ** (1 / power)) / (Math.sqrt(mix2) + 1e-5);
      for (let c = 0; c < channels; c++) {
        const at = first + c * cells + cell;
        out[at] = scale * (out[at] ?? 0);
      }
    }
  }
  return out;
}

/** Distance over the channels between the latents of one picture, per cell. */
function distances(init: ArrayLike<number>, painted: ArrayLike<number>, cells: number): Float64Array {
  const out = new Float64Array(cells);
  for (let i = 0; i < painted.length; i++) {
    const cell = i % cells;
    out[cell] = (out[cell] ?? 0) + ((painted[i] ?? 0) - (init[i % init.length] ?? 0)) ** 2;
  }
  return out.map(Math.sqrt);
}

const KERNEL_RADIUS = 2;
const KERNEL_SIGMA = 1.5;

/** Gaussian weights of a 5x5 window, shifted so that they end at 0 one cell outside; the middle weighs 1. */
function windowWeights(): { dx: number; dy: number; weight: number }[] {
  const gauss = (d2: number) => Math.exp(-d2 / KERNEL_SIGMA ** 2);
  const edge = gauss((KERNEL_RADIUS + 1) ** 2);
  const weights: { dx: number; dy: number; weight: number }[] = [];
  for (let dy = -KERNEL_RADIUS; dy <= KERNEL_RADIUS; dy++) {
    for (let dx = -KERNEL_RADIUS; dx <= KERNEL_RADIUS; dx++) {
      const weight = (gauss(dx * dx + dy * dy) - edge) / (1 - edge);
      if (weight > 0) weights.push({ dx, dy, weight });
    }
  }
  return weights;
}

/**
 * Mean of the values around each cell between two percentiles of their weight; at least one weight wide.
 */
export function percentileFilter(
  values: Float64Array,
  { width, height }: { width: number; height: number },
  [low, high]: readonly [number, number],
): Float64Array {
  const weights = windowWeights();
  return values.map((_, cell) => {
    const [x, y] = [cell % width, Math.floor(cell / width)];
    const near = weights
      .filter(({ dx, dy }) => x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height)
      .map(({ dx, dy, weight }) => ({ weight, value: values[(y + dy) * width + x + dx] ?? 0 }))
      .sort((a, b) => a.value - b.value);
    const total = near.reduce((sum, { weight }) => sum + weight, 0);
    let [from, to] = [total * low, total * high];
    if (to - from < 1) {
      const middle = (from + to) / 2;
      [from, to] = [middle - 0.5, middle + 0.5];
      const shift = from < 0 ? -from : to > total ? total - to : 0;
      [from, to] = [Math.max(0, from + shift), Math.min(total, to + shift)];
    }
    let [sum, width2, at] = [0, 0, 0];
    for (const { value, weight } of near) {
      const share = Math.min(at + weight, to) - Math.max(at, from);
      if (share > 0) {
        sum += share * value;
        width2 += share;
      }
      at += weight;
    }
    return width2 > 0 ? sum / width2 : 0;
  });
}

/**
 * Where the new picture shows in the final composite, from the latents of one picture.
 * @param mask  share to repaint per cell
 * @returns the overlay at the size of the picture, 255 = new
 */
export function softOverlay(
  latents: { init: ArrayLike<number>; painted: ArrayLike<number>; mask: ArrayLike<number> },
  cells: { width: number; height: number },
  size: { widthPx: number; heightPx: number },
  soft: SoftInpaintRequest,
): Mask {
  const moved = distances(latents.init, latents.painted, cells.width * cells.height);
  const spread = percentileFilter(percentileFilter(moved, cells, [0.9, 1]), cells, [0.25, 0.75]);
  const data = Uint8ClampedArray.from(spread, (distance, cell) => {
    const kept = 1 - Math.min(Math.max(latents.mask[cell] ?? 0, 0), 1) ** (soft.preservationStrength / 2);
    const bias = 0.5 * (1 - soft.maskInfluence) + kept * soft.maskInfluence;
    const half = soft.differenceThreshold * (bias / (1.00001 - bias));
    // Nothing may move: whatever did is new.
    const ratio = half > 0 ? distance / half : distance > 0 ? Infinity : 0;
    const opacity = smootherStep(1 / (1 + ratio ** soft.differenceContrast));
    return Math.floor(255 * (1 - opacity));
  });
  const small: Mask = { widthPx: cells.width, heightPx: cells.height, data };
  return blurMask(resizeMask(small, size.widthPx, size.heightPx), 4);
}

function smootherStep(x: number): number {
  return x * x * x * (x * (6 * x - 15) + 10);
}

/** A mask of the painted part inside a mask of the whole picture; outside everything stays. */
export function placeMask(
  mask: Mask,
  box: { leftPx: number; topPx: number; widthPx: number; heightPx: number },
  whole: { widthPx: number; heightPx: number },
): Mask {
  const fitted = resizeMask(mask, box.widthPx, box.heightPx);
  const data = new Uint8ClampedArray(whole.widthPx * whole.heightPx);
  for (let y = 0; y < box.heightPx; y++) {
    const row = fitted.data.subarray(y * box.widthPx, (y + 1) * box.widthPx);
    data.set(row, (box.topPx + y) * whole.widthPx + box.leftPx);
  }
  return { widthPx: whole.widthPx, heightPx: whole.heightPx, data };
}
