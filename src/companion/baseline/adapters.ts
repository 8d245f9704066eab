/** Two small LoRA files for any U-Net, always the same numbers: a stack to draw with, where no real adapter is at hand. */
import { writeSafetensors, type WritableTensor } from '../../lib/formats/safetensors_write';
import { weightShape } from '../../lib/graph/weights';
import type { DetectedModel } from '../../lib/models/family';
import type { ModelPart } from '../../lib/models/part';

const RANK = 4;
/** As large as trained adapters change these layers, roughly; the picture moves and stays one. */
const SCALE = 0.03;

/** Layers of each adapter, by their canonical names. */
const TARGETS = {
  'baseline-look': { denoiser: /attn[12]\.to_(q|v)\.weight$/, text: /q_proj\.weight$/ },
  'baseline-shape': { denoiser: /(to_out\.0|ff\.net\.2)\.weight$/, text: /fc1\.weight$/ },
} as const;

export type BaselineAdapter = keyof typeof TARGETS;
export const BASELINE_ADAPTERS = Object.keys(TARGETS) as BaselineAdapter[];

function numbers(count: number, phase: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => SCALE * Math.sin(12.9898 * i + 78.233 * phase));
}

/** The adapter as a safetensors file in kohya's layout. */
export function baselineAdapter(name: BaselineAdapter, { denoiser, textEncoders }: DetectedModel): Uint8Array {
  const tensors: WritableTensor[] = [];
  const add = (prefix: string, { weights }: ModelPart, wanted: RegExp): void => {
    for (const [layer, weight] of [...weights].filter(([key]) => wanted.test(key))) {
      const [out = 0, ...inner] = weightShape(weight);
      const size = inner.reduce((a, b) => a * b, 1);
      const key = `${prefix}${layer.replace(/\.weight$/, '').replaceAll('.', '_')}`;
      const [phase, ones] = [tensors.length, inner.slice(1).map(() => 1)];
      tensors.push(
        { name: `${key}.lora_down.weight`, shape: [RANK, ...inner], data: numbers(RANK * size, phase) },
        { name: `${key}.lora_up.weight`, shape: [out, RANK, ...ones], data: numbers(RANK * out, phase + 1) },
      );
    }
  };
  add('lora_unet_', denoiser, TARGETS[name].denoiser);
  for (const encoder of textEncoders.values()) add('lora_te_', encoder, TARGETS[name].text);
  return writeSafetensors(tensors);
}
