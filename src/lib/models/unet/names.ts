/** Layer names of the U-Net: canonical (diffusers) ↔ original (LDM). The order is that of execution. */
import type { LayerNames } from '../names';
import type { UNetConfig } from './config';

const RESNET = [
  ['norm1', 'in_layers.0'],
  ['conv1', 'in_layers.2'],
  ['time_emb_proj', 'emb_layers.1'],
  ['norm2', 'out_layers.0'],
  ['conv2', 'out_layers.3'],
  ['conv_shortcut', 'skip_connection'],
] as const;

const TRANSFORMER_BLOCK = [
  'norm1',
  'attn1.to_q',
  'attn1.to_k',
  'attn1.to_v',
  'attn1.to_out.0',
  'norm2',
  'attn2.to_q',
  'attn2.to_k',
  'attn2.to_v',
  'attn2.to_out.0',
  'norm3',
  'ff.net.0.proj',
  'ff.net.2',
];

function pair(canonical: string, original: string): LayerNames {
  return { canonical, places: { original: { layer: original } } };
}

function* resnet(canonical: string, original: string): Generator<LayerNames> {
  for (const [a, b] of RESNET) yield pair(`${canonical}.${a}`, `${original}.${b}`);
}

function* transformer(canonical: string, original: string, depth: number): Generator<LayerNames> {
  yield pair(`${canonical}.norm`, `${original}.norm`);
  yield pair(`${canonical}.proj_in`, `${original}.proj_in`);
  for (let i = 0; i < depth; i += 1) {
    for (const layer of TRANSFORMER_BLOCK) {
      const at = `transformer_blocks.${i}.${layer}`;
      yield pair(`${canonical}.${at}`, `${original}.${at}`);
    }
  }
  yield pair(`${canonical}.proj_out`, `${original}.proj_out`);
}

/** The encoder half and the middle block: shared by U-Net and ControlNet. */
export function* unetEncoderLayers(config: Pick<UNetConfig, 'down' | 'mid'>): Generator<LayerNames> {
  yield pair('time_embedding.linear_1', 'time_embed.0');
  yield pair('time_embedding.linear_2', 'time_embed.2');
  yield pair('time_embedding.cond_proj', 'time_embed.cond_proj');
  yield pair('add_embedding.linear_1', 'label_emb.0.0');
  yield pair('add_embedding.linear_2', 'label_emb.0.2');
  yield pair('conv_in', 'input_blocks.0.0');
  let index = 1;
  for (const [i, level] of config.down.entries()) {
    for (const [j, block] of level.blocks.entries()) {
      yield* resnet(`down_blocks.${i}.resnets.${j}`, `input_blocks.${index}.0`);
      if (block.depth > 0) {
        yield* transformer(`down_blocks.${i}.attentions.${j}`, `input_blocks.${index}.1`, block.depth);
      }
      index += 1;
    }
    if (level.resample) {
      yield pair(`down_blocks.${i}.downsamplers.0.conv`, `input_blocks.${index}.0.op`);
      index += 1;
    }
  }
  if (config.mid) {
    const { depth, resnets } = config.mid;
    yield* resnet('mid_block.resnets.0', 'middle_block.0');
    if (depth > 0) yield* transformer('mid_block.attentions.0', 'middle_block.1', depth);
    if (resnets === 2) yield* resnet('mid_block.resnets.1', `middle_block.${depth > 0 ? 2 : 1}`);
  }
}

/** Every layer of the U-Net. */
export function* unetLayers(config: UNetConfig): Generator<LayerNames> {
  yield* unetEncoderLayers(config);
  let index = 0;
  for (const [i, level] of config.up.entries()) {
    for (const [j, block] of level.blocks.entries()) {
      yield* resnet(`up_blocks.${i}.resnets.${j}`, `output_blocks.${index}.0`);
      if (block.depth > 0) {
        yield* transformer(`up_blocks.${i}.attentions.${j}`, `output_blocks.${index}.1`, block.depth);
      }
      const last = j === level.blocks.length - 1;
      if (last && level.resample) {
        yield pair(`up_blocks.${i}.upsamplers.0.conv`, `output_blocks.${index}.${block.depth > 0 ? 2 : 1}.conv`);
      }
      index += 1;
    }
  }
  yield pair('conv_norm_out', 'out.0');
  yield pair('conv_out', 'out.2');
}
