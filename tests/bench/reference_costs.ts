/**
 * Published or independently counted costs of one evaluation, a multiply-add as two operations. U-Nets and CLIP:
 * published GMAC counts; transformers: 2 · parameters per token plus attention.
 */
export interface ReferenceCost {
  readonly id: string;
  readonly stage: 'denoiser' | 'decoder' | 'text-encoder';
  /** Encoder id, for text encoders. */
  readonly encoder?: string;
  readonly sidePx: number;
  readonly promptTokens: number;
  readonly tflop: number;
}

const denoiser = (id: string, sidePx: number, tflop: number, promptTokens = 77): ReferenceCost => ({
  id,
  stage: 'denoiser',
  sidePx,
  promptTokens,
  tflop,
});
const encoder = (id: string, name: string, promptTokens: number, tflop: number): ReferenceCost => ({
  id,
  stage: 'text-encoder',
  encoder: name,
  sidePx: 512,
  promptTokens,
  tflop,
});

export const REFERENCE_COSTS: readonly ReferenceCost[] = [
  denoiser('sd15', 512, 0.803),
  denoiser('sd-turbo', 512, 0.804),
  denoiser('sdxl', 512, 1.59),
  denoiser('sdxl', 1024, 6.76),
  denoiser('sd3', 1024, 8.9, 256),
  denoiser('flux', 512, 17.7, 256),
  denoiser('flux', 1024, 69.5, 256),
  denoiser('flux', 1024, 74.4, 512),
  denoiser('z-image', 512, 12.9, 64),
  denoiser('z-image', 1024, 55.6, 64),
  denoiser('z-image', 1024, 58.5, 256),
  { id: 'sd15', stage: 'decoder', sidePx: 512, promptTokens: 77, tflop: 2.52 },
  { id: 'sd15', stage: 'decoder', sidePx: 1024, promptTokens: 77, tflop: 10.5 },
  encoder('sd15', 'clip-l', 77, 0.013),
  encoder('sd-turbo', 'openclip-h', 77, 0.045),
  encoder('sdxl', 'openclip-bigg', 77, 0.098),
  encoder('flux', 't5', 256, 2.4),
  encoder('z-image', 'qwen3', 128, 0.93),
];
