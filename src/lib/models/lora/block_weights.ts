/**
 * Strengths per block of a denoiser, as `lbw=` lists give them. Order and names are those of the LoRA Block Weight
 * extension: BASE (text encoders and everything outside blocks), IN00…, MID, OUT00… for U-Nets; BASE, D00…, S00… for
 * FLUX. Source: hako-mikan/sd-webui-lora-block-weight, README.
 */

/** The block of a layer by its canonical name; undefined: BASE. */
function blockOf(layer: string): string | undefined {
  const two = (n: number) => String(n).padStart(2, '0');
  const [, half, level, kind, index] =
    /^(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)/.exec(layer) ?? [];
  if (half === 'down') return `IN${two(1 + 3 * Number(level) + (kind === 'downsamplers' ? 2 : Number(index)))}`;
  if (half === 'up') return `OUT${two(3 * Number(level) + (kind === 'upsamplers' ? 2 : Number(index)))}`;
  if (layer.startsWith('mid_block.')) return 'MID';
  if (layer.startsWith('conv_in')) return 'IN00';
  const double = /^transformer_blocks\.(\d+)\./.exec(layer)?.[1];
  if (double !== undefined) return `D${two(Number(double))}`;
  const single = /^single_transformer_blocks\.(\d+)\./.exec(layer)?.[1];
  return single === undefined ? undefined : `S${two(Number(single))}`;
}

const range = (prefix: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${prefix}${String(from + i).padStart(2, '0')}`);

/** Which blocks a list of a given length speaks of. */
const LAYOUTS: readonly (readonly string[])[] = [
  // SD 1 and 2: blocks with attention only, then all.
  ['BASE', 'IN01', 'IN02', 'IN04', 'IN05', 'IN07', 'IN08', 'MID', ...range('OUT', 3, 11)],
  ['BASE', ...range('IN', 0, 11), 'MID', ...range('OUT', 0, 11)],
  // SDXL.
  ['BASE', 'IN04', 'IN05', 'IN07', 'IN08', 'MID', ...range('OUT', 0, 5)],
  ['BASE', ...range('IN', 0, 8), 'MID', ...range('OUT', 0, 8)],
  // FLUX.1.
  ['BASE', ...range('D', 0, 18), ...range('S', 0, 37)],
];

/** Lengths that are understood, for messages. */
export const BLOCK_WEIGHT_COUNTS: readonly number[] = LAYOUTS.map((layout) => layout.length);

/**
 * Strength of each layer; undefined for a list of a length that no layout has. Blocks that a short list leaves out
 * follow BASE.
 */
export function blockWeights(weights: readonly number[]): ((layer: string) => number) | undefined {
  const layout = LAYOUTS.find((blocks) => blocks.length === weights.length);
  if (!layout) return undefined;
  const of = new Map(layout.map((block, i) => [block, weights[i] ?? 1]));
  const base = of.get('BASE') ?? 1;
  return (layer) => of.get(blockOf(layer) ?? 'BASE') ?? base;
}
