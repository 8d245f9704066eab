/**
 * Families that are recognised and not run: whoever drops one learns what it is instead of "not recognised".
 * Names: ComfyUI `comfy/model_detection.py`.
 */
import type { UNetConfig } from './unet/config';

/** A tensor below the denoiser's prefix that only this family has. The first that is there wins. */
const MARKS: readonly (readonly [tensor: string, family: string])[] = [
  ['nerf_blocks.0.norm.scale', 'Chroma Radiance'],
  ['early_stream_modulations.image.lin.weight', 'FLUX.3'],
  ['txt_in.text_norm.weight', 'Qwen-Image'],
  ['txtfusion.projector.weight', 'Krea 2'],
  ['double_layers.0.attn.w1q.weight', 'AuraFlow'],
  ['mlp_t5.0.weight', 'HunyuanDiT'],
  ['blocks.0.cross_attn.q_linear.weight', 'Sana'],
  ['clip_txt_mapper.weight', 'Stable Cascade (stage C)'],
  ['clip_mapper.weight', 'Stable Cascade (stage B)'],
  ['cap_embedder.0.weight', 'Lumina 2'],
];

const KOLORS = 'Kolors';
const X4_UPSCALER = 'Stable Diffusion x4 upscaler';

export const FOREIGN_FAMILIES: readonly string[] = [...MARKS.map(([, family]) => family), KOLORS, X4_UPSCALER];

/** The family of a file without a denoiser that runs here; undefined when it is none of these. */
export function foreignFamily(names: ReadonlySet<string>, prefixes: readonly string[]): string | undefined {
  return MARKS.find(([mark]) => prefixes.some((prefix) => names.has(prefix + mark)))?.[1];
}

/** U-Nets whose conditions no family here gives. */
export function foreignUNet({ contextWidth, vectorWidth, inChannels }: UNetConfig): string | undefined {
  if (contextWidth === 2048 && vectorWidth === 5632) return KOLORS;
  if (contextWidth === 1024 && inChannels === 7) return X4_UPSCALER;
  return undefined;
}
