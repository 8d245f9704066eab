/** What weights do to the output of a text encoder. */
import type { EmphasisMode } from './attention';

/** Below this mean (of the absolute sum per element) scaling back would only amplify rounding errors. */
const SMALLEST_MEAN = 1e-6;

/** Encoder output of one sequence. */
export interface EmphasisRow {
  /** [tokens, channels] f32, row-major; left as it is. */
  readonly hidden: Float32Array;
  /** One a token; the number of channels follows from the two lengths. */
  readonly weights: ArrayLike<number>;
  /** How often the row stands in the batch; default 1. */
  readonly count?: number;
}

/**
 * The web UIs' modes. None and Ignore change nothing; No norm multiplies; Original multiplies and then scales everything
 * so that the mean over the whole batch, padding included, is what it was.
 * @param rows  the sequences that are one batch in the web UIs: the texts of one prompt's schedule, chunk by chunk
 * @returns new arrays; those of `rows` when nothing changes
 * Source: the formula of AUTOMATIC1111 stable-diffusion-webui, documented in its wiki ("Attention/emphasis").
 */
export function applyEmphasis(
  rows: readonly EmphasisRow[],
  mode: Exclude<EmphasisMode, 'ComfyUI'>,
): readonly Float32Array[] {
  if (mode === 'None' || mode === 'Ignore') return rows.map(({ hidden }) => hidden);
  let before = 0;
  let after = 0;
  let elements = 0;
  const scaled = rows.map(({ hidden, weights, count = 1 }) => {
    const channels = weights.length > 0 ? hidden.length / weights.length : 1;
    const out = hidden.map((value, i) => value * (weights[Math.floor(i / channels)] ?? 1));
    let [own, weighted] = [0, 0];
    for (let i = 0; i < hidden.length; i++) {
      const value = hidden[i] ?? 0;
      own += value;
      weighted += value * (weights[Math.floor(i / channels)] ?? 1);
    }
    before += count * own;
    after += count * weighted;
    elements += count * hidden.length;
    return out;
  });
  if (mode === 'No norm' || before === after || Math.abs(after) < SMALLEST_MEAN * elements) return scaled;
  const factor = before / after;
  return scaled.map((row) => row.map((value) => value * factor));
}

/**
 * ComfyUI's way: every token moves away from the empty prompt's token at its place, z' = (z - e)·w + e.
 * @param empty  encoder output of the empty prompt, of the same shape
 * Source: ComfyUI `comfy/sd1_clip.py` (encode_token_weights).
 */
export function applyComfyWeights({ hidden, weights }: EmphasisRow, empty: Float32Array): Float32Array {
  const channels = weights.length > 0 ? hidden.length / weights.length : 1;
  return hidden.map((value, i) => {
    const weight = weights[Math.floor(i / channels)] ?? 1;
    const base = empty[i] ?? 0;
    return weight === 1 ? value : (value - base) * weight + base;
  });
}
