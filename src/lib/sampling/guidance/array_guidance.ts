/**
 * Guidance rules that need sums over a latent (norms, deviations, quantiles), on plain arrays. Inputs and results are
 * denoised predictions, [N, C, H, W] flattened. WebGPU has a kernel for the rescale.
 */
import { AppError } from '../../base/errors';

export type Values = Float32Array | Float64Array;

export interface GuidanceInputs {
  readonly cond: Values;
  readonly uncond: Values;
  /** Images in the batch; statistics are per image. */
  readonly batch: number;
  readonly scale: number;
}

interface WithInput {
  /** The noisy latent the predictions were made for. */
  readonly x: Values;
}

type Out = Float32Array<ArrayBuffer>;

/** uncond + scale * (cond - uncond), element by element. */
export function plainCfg({ cond, uncond, scale }: Pick<GuidanceInputs, 'cond' | 'uncond' | 'scale'>): Float64Array {
  return Float64Array.from(cond, (c, i) => (uncond[i] as number) + scale * (c - (uncond[i] as number)));
}

/**
 * Guidance rescale: the deviation of the guided prediction is brought back to that of cond, by the share phi; a picture
 * whose guided prediction does not deviate is left alone.
 * @param share  what x carries of an estimate: a prediction is share · x − estimate, up to a factor
 * Source: Lin et al. 2023, "Common diffusion noise schedules and sample steps are flawed", equations 14-16.
 */
export function rescaleGuided(
  { x, cond, guided, batch }: WithInput & { readonly cond: Values; readonly guided: Values; readonly batch: number },
  { phi, share }: { readonly phi: number; readonly share: number },
): Out {
  const toPrediction = (d: Values): Float64Array => Float64Array.from(d, (v, i) => share * (x[i] as number) - v);
  const [wanted, found] = [toPrediction(cond), toPrediction(guided)];
  return perImage(found.length, batch, (from, to) => {
    const spread = deviation(found.subarray(from, to));
    const factor = spread > 0 ? (phi * deviation(wanted.subarray(from, to))) / spread + 1 - phi : 1;
    return (i) => share * (x[i] as number) - factor * (found[i] as number);
  });
}

/** The share of `rescaleGuided` where the deviation is that of v (ComfyUI) or of eps (diffusers on eps models). */
export function rescaleShare(sigma: number, space: 'v' | 'eps'): number {
  return space === 'v' ? 1 / (sigma * sigma + 1) : 1;
}

/** Classifier-free guidance with rescale. */
export function rescaleCfg(
  inputs: GuidanceInputs & WithInput,
  { phi, sigma, space }: { readonly phi: number; readonly sigma: number; readonly space: 'v' | 'eps' },
): Out {
  return rescaleGuided({ ...inputs, guided: plainCfg(inputs) }, { phi, share: rescaleShare(sigma, space) });
}

/** CFG-Zero*: the unconditional prediction is scaled by its projection on cond. Source: Fan et al. 2025, equation 8. */
export function cfgZeroStar(inputs: GuidanceInputs & WithInput): Out {
  const { x, cond, uncond, batch, scale } = inputs;
  return perImage(x.length, batch, (from, to) => {
    let [dot, square] = [0, 1e-8];
    for (let i = from; i < to; i++) {
      const u = (x[i] as number) - (uncond[i] as number);
      dot += ((x[i] as number) - (cond[i] as number)) * u;
      square += u * u;
    }
    const alpha = dot / square;
    return (i) => alpha * (uncond[i] as number) + scale * ((cond[i] as number) - alpha * (uncond[i] as number));
  });
}

/** CFGNorm: at each pixel the guided vector is not longer than cond's. Source: ComfyUI CFGNorm node. */
export function cfgNorm(inputs: GuidanceInputs & { readonly channels: number; readonly strength: number }): Out {
  const { cond, batch, channels, strength } = inputs;
  const guided = plainCfg(inputs);
  const pixels = cond.length / batch / channels;
  return perImage(cond.length, batch, (from) => {
    const limit = Float64Array.from({ length: pixels }, (_, p) => {
      const full = channelNorm(cond, from + p, pixels, channels);
      return Math.min(Math.max(full / (channelNorm(guided, from + p, pixels, channels) + 1e-8), 0), 1);
    });
    return (i) => (guided[i] as number) * (limit[(i - from) % pixels] as number) * strength;
  });
}

/** Mahiro: between CFG and a plain multiple of cond, by how alike they are to uncond. Source: ComfyUI Mahiro node. */
export function mahiro(inputs: GuidanceInputs & { readonly channels: number }): Out {
  const { cond, uncond, batch, scale, channels } = inputs;
  const guided = plainCfg(inputs);
  const root = (v: number): number => Math.sign(v) * Math.sqrt(Math.abs(v));
  const pixels = cond.length / batch / channels;
  let similarity = 0;
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < pixels; p++) {
      let [uu, mm, um] = [0, 0, 0];
      for (let c = 0; c < channels; c++) {
        const i = (n * channels + c) * pixels + p;
        const u = root((uncond[i] as number) * scale);
        const m = root(((cond[i] as number) * scale + (guided[i] as number)) / 2);
        uu += u * u;
        mm += m * m;
        um += u * m;
      }
      similarity += um / Math.max(Math.sqrt(uu) * Math.sqrt(mm), 1e-8);
    }
  }
  const share = (similarity / (batch * pixels) + 1) / 2;
  return Float32Array.from(guided, (v, i) => share * v + (1 - share) * scale * (cond[i] as number));
}

export interface ApgOptions {
  /** Share of the part along cond that is kept. */
  readonly eta: number;
  /** Longest guidance vector per image; 0 = no limit. */
  readonly normThreshold: number;
  readonly momentum: number;
}

/** Adaptive projected guidance; one object per run, because it may carry momentum. Source: Sadat et al. 2024, algorithm 1. */
export class AdaptiveProjectedGuidance {
  readonly #options: ApgOptions;
  #average: Float64Array | undefined;
  #lastSigma = -Infinity;

  constructor(options: ApgOptions) {
    this.#options = options;
  }

  /** The momentum starts anew when sigma rises, that is, in a new run. */
  combine(inputs: GuidanceInputs, sigma: number): Out {
    const { cond, uncond, batch, scale } = inputs;
    const { eta, normThreshold, momentum } = this.#options;
    if (sigma > this.#lastSigma) this.#average = undefined;
    this.#lastSigma = sigma;
    let guidance = Float64Array.from(cond, (c, i) => c - (uncond[i] as number));
    if (momentum !== 0) {
      const before = this.#average;
      if (before !== undefined) guidance = guidance.map((g, i) => g + momentum * (before[i] as number));
      this.#average = guidance;
    }
    return perImage(cond.length, batch, (from, to) => {
      const norm = Math.sqrt(dot(guidance, guidance, from, to));
      const limit = normThreshold > 0 ? Math.min(1, normThreshold / norm) : 1;
      const along = (limit * dot(guidance, cond, from, to)) / (dot(cond, cond, from, to) || 1);
      return (i) => {
        const parallel = along * (cond[i] as number);
        const kept = limit * (guidance[i] as number) - parallel + eta * parallel;
        return (uncond[i] as number) + scale * kept + (cond[i] as number) - (uncond[i] as number);
      };
    });
  }
}

/**
 * Tangential damping: the unconditional score keeps only its part along the direction it shares with cond (first right
 * singular vector of the two). Returns the new unconditional prediction. Source: Kwon et al. 2025, TCFG.
 */
export function tangentialUncond(inputs: Omit<GuidanceInputs, 'scale'> & WithInput): Out {
  const { x, cond, uncond, batch } = inputs;
  const u = Float64Array.from(x, (v, i) => v - (uncond[i] as number));
  const c = Float64Array.from(x, (v, i) => v - (cond[i] as number));
  return perImage(x.length, batch, (from, to) => {
    const [uu, cc, uc] = [dot(u, u, from, to), dot(c, c, from, to), dot(u, c, from, to)];
    // Larger eigenvalue of the 2x2 Gram matrix and its eigenvector (p, q).
    const angle = 0.5 * Math.atan2(2 * uc, uu - cc);
    const [p, q] = [Math.cos(angle), Math.sin(angle)];
    const length2 = p * p * uu + 2 * p * q * uc + q * q * cc;
    const along = length2 === 0 ? 0 : (p * uu + q * uc) / length2;
    return (i) => (x[i] as number) - along * (p * (u[i] as number) + q * (c[i] as number));
  });
}

function perImage(length: number, batch: number, rule: (from: number, to: number) => (i: number) => number): Out {
  if (!(Number.isInteger(batch) && batch >= 1 && length % batch === 0)) {
    throw new AppError('argument/invalid', `guidance: ${length} elements do not divide into ${batch} images.`);
  }
  const out = new Float32Array(length);
  const each = length / batch;
  for (let n = 0; n < batch; n++) {
    const value = rule(n * each, (n + 1) * each);
    for (let i = n * each; i < (n + 1) * each; i++) out[i] = value(i);
  }
  return out;
}

function dot(a: Values, b: Values, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** Sample standard deviation (divisor n - 1), as torch.std. */
export function deviation(values: Values): number {
  let sum = 0;
  for (const v of values) sum += v;
  const mean = sum / values.length;
  let square = 0;
  for (const v of values) square += (v - mean) ** 2;
  return Math.sqrt(square / (values.length - 1));
}

function channelNorm(values: Values, first: number, pixels: number, channels: number): number {
  let sum = 0;
  for (let c = 0; c < channels; c++) sum += (values[first + c * pixels] as number) ** 2;
  return Math.sqrt(sum);
}
