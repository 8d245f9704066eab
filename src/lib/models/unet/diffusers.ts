/** The U-Net in diffusers' layout, which is also the canonical one: `down_blocks`, `mid_block`, `up_blocks`. */
import type { ConfigHints } from '../part';
import type { TensorView } from '../tensor_view';
import { finishUNetConfig, type UNetBlock, type UNetConfig, type UNetLevel } from './config';

function readLevels(view: TensorView, half: 'down' | 'up', seen: (attention: string) => void): UNetLevel[] {
  const levels: UNetLevel[] = [];
  for (let i = 0; view.has(`${half}_blocks.${i}.resnets.0.conv1.weight`); i += 1) {
    const at = `${half}_blocks.${i}`;
    const blocks: UNetBlock[] = [];
    for (let j = 0; view.has(`${at}.resnets.${j}.conv1.weight`); j += 1) {
      const attention = `${at}.attentions.${j}`;
      const depth = view.count((b) => `${attention}.transformer_blocks.${b}.norm1.weight`);
      if (depth > 0) seen(attention);
      blocks.push({ channels: view.size(`${at}.resnets.${j}.conv1.weight`, 0), depth });
    }
    levels.push({ blocks, resample: view.has(`${at}.${half}samplers.0.conv.weight`) });
  }
  return levels;
}

/**
 * Reads the configuration from diffusers names.
 * @returns undefined when the view is no U-Net in this layout
 */
export function readDiffusersUNet(view: TensorView, hints?: ConfigHints): UNetConfig | undefined {
  return view.has('conv_out.weight') ? readDiffusersEncoder(view, hints) : undefined;
}

/** The same without asking for an output: also a ControlNet. */
export function readDiffusersEncoder(view: TensorView, hints?: ConfigHints): UNetConfig | undefined {
  if (!view.has('conv_in.weight') || !view.has('down_blocks.0.resnets.0.time_emb_proj.weight')) return undefined;
  let firstAttention: string | undefined;
  const seen = (attention: string) => {
    firstAttention ??= attention;
  };
  const down = readLevels(view, 'down', seen);
  const midDepth = view.count((b) => `mid_block.attentions.0.transformer_blocks.${b}.norm1.weight`);
  if (midDepth > 0) seen('mid_block.attentions.0');
  const up = readLevels(view, 'up', seen);
  const midChannels = view.size('mid_block.resnets.0.conv1.weight', 0);
  const resnets = view.has('mid_block.resnets.1.conv1.weight') ? 2 : 1;
  const mid = midChannels === 0 ? undefined : ({ channels: midChannels, depth: midDepth, resnets } as const);
  const names = {
    stem: 'conv_in',
    timeIn: 'time_embedding.linear_1',
    guidance: 'time_embedding.cond_proj',
    vector: 'add_embedding.linear_1',
    out: 'conv_out',
    firstAttention,
  };
  return finishUNetConfig(view, names, { down, mid, up }, hints);
}
