/** What prompt weights do to the output of a text encoder. Pure numbers; knows no encoder. */
import type { EmphasisMode } from './attention';

export type { EmphasisMode };

/** A mean closer to zero than this cannot be restored by scaling. */
const SMALLEST_MEAN = 1e-12;

/**
 * Applies token weights in place of the encoder output.
 * None and Ignore change nothing; No norm multiplies; Original multiplies and then scales everything so that the
 * mean over the whole tensor, padding and all batch rows included, is what it was.
 * @param hidden  [batch, tokens, channels] f32, row-major; left as it is
 * @param weights  [batch, tokens]; the number of channels follows from the two lengths
 * @returns a new array of the same shape; `hidden` itself when nothing changes
 * Source: the formula of AUTOMATIC1111 stable-diffusion-webui, documented in its wiki ("Attention/emphasis").
 */
export function applyEmphasis(hidden: Float32Array, weights: ArrayLike<number>, mode: EmphasisMode): Float32Array {
  const channels = weights.length > 0 ? hidden.length / weights.length : 1;
  if (mode === 'None' || mode === 'Ignore') return hidden;
  const scaled = new Float32Array(hidden.length);
  let before = 0;
  let after = 0;
  for (let i = 0; i < hidden.length; i++) {
    const value = hidden[i] ?? 0;
    const product = value * (weights[Math.floor(i / channels)] ?? 1);
    before += value;
    after += product;
    scaled[i] = product;
  }
  if (mode === 'No norm' || before === after) return scaled;
  if (Math.abs(after) < SMALLEST_MEAN * hidden.length) return scaled;
  const factor = before / after;
  for (let i = 0; i < scaled.length; i++) scaled[i] = (scaled[i] ?? 0) * factor;
  return scaled;
}
