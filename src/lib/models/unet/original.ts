/** The U-Net in its original (LDM, SGM) layout: `input_blocks`, `middle_block`, `output_blocks`. */
import type { ConfigHints } from '../part';
import type { TensorView } from '../tensor_view';
import { finishUNetConfig, type UNetBlock, type UNetConfig, type UNetLevel } from './config';

function depthAt(view: TensorView, block: string): number {
  return view.count((i) => `${block}.transformer_blocks.${i}.norm1.weight`);
}

function blockAt(view: TensorView, at: string): UNetBlock | undefined {
  const channels = view.size(`${at}.0.in_layers.2.weight`, 0);
  return channels === 0 ? undefined : { channels, depth: depthAt(view, `${at}.1`) };
}

/**
 * Reads the configuration from the original names.
 * @returns undefined when the view is no U-Net in this layout
 */
export function readOriginalUNet(view: TensorView, hints?: ConfigHints): UNetConfig | undefined {
  return view.has('out.2.weight') ? readOriginalEncoder(view, hints) : undefined;
}

/** The same without asking for an output: also a ControlNet, which is the encoder half of a U-Net. */
export function readOriginalEncoder(view: TensorView, hints?: ConfigHints): UNetConfig | undefined {
  if (!view.has('input_blocks.0.0.weight') || !view.has('time_embed.0.weight')) return undefined;
  const down: UNetLevel[] = [];
  let blocks: UNetBlock[] = [];
  let firstAttention: string | undefined;
  for (let i = 1; ; i += 1) {
    const at = `input_blocks.${i}`;
    const block = blockAt(view, at);
    if (block) {
      blocks.push(block);
      if (block.depth > 0) firstAttention ??= `${at}.1`;
    } else if (view.has(`${at}.0.op.weight`)) {
      down.push({ blocks, resample: true });
      blocks = [];
    } else break;
  }
  down.push({ blocks, resample: false });

  const midChannels = view.size('middle_block.0.in_layers.2.weight', 0);
  const midDepth = depthAt(view, 'middle_block.1');
  const second = view.has('middle_block.2.in_layers.2.weight') || view.has('middle_block.1.in_layers.2.weight');
  if (midDepth > 0) firstAttention ??= 'middle_block.1';

  const up: UNetLevel[] = [];
  blocks = [];
  for (let i = 0; ; i += 1) {
    const at = `output_blocks.${i}`;
    const block = blockAt(view, at);
    if (!block) break;
    blocks.push(block);
    if (block.depth > 0) firstAttention ??= `${at}.1`;
    if (view.has(`${at}.1.conv.weight`) || view.has(`${at}.2.conv.weight`)) {
      up.push({ blocks, resample: true });
      blocks = [];
    }
  }
  if (blocks.length > 0) up.push({ blocks, resample: false });

  const mid =
    midChannels === 0 ? undefined : ({ channels: midChannels, depth: midDepth, resnets: second ? 2 : 1 } as const);
  const names = {
    stem: 'input_blocks.0.0',
    timeIn: 'time_embed.0',
    guidance: 'time_embed.cond_proj',
    vector: 'label_emb.0.0',
    out: 'out.2',
    firstAttention,
  };
  return finishUNetConfig(view, names, { down, mid, up }, hints);
}
