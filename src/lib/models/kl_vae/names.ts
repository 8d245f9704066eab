/** Layer names of AutoencoderKL: canonical (diffusers) ↔ original (LDM) ↔ diffusers' older attention names. */
import type { LayerNames } from '../names';
import type { KlVaeConfig } from './config';

const RESNET = ['norm1', 'conv1', 'norm2', 'conv2'];

const ATTENTION = [
  ['group_norm', 'norm', 'group_norm'],
  ['to_q', 'q', 'query'],
  ['to_k', 'k', 'key'],
  ['to_v', 'v', 'value'],
  ['to_out.0', 'proj_out', 'proj_attn'],
] as const;

function pair(canonical: string, original: string): LayerNames {
  return { canonical, places: { original: { layer: original } } };
}

function* resnet(canonical: string, original: string): Generator<LayerNames> {
  for (const layer of RESNET) yield pair(`${canonical}.${layer}`, `${original}.${layer}`);
  yield pair(`${canonical}.conv_shortcut`, `${original}.nin_shortcut`);
}

function* middle(side: 'encoder' | 'decoder'): Generator<LayerNames> {
  yield* resnet(`${side}.mid_block.resnets.0`, `${side}.mid.block_1`);
  for (const [canonical, original, legacy] of ATTENTION) {
    const at = `${side}.mid_block.attentions.0`;
    yield {
      canonical: `${at}.${canonical}`,
      places: {
        original: { layer: `${side}.mid.attn_1.${original}` },
        'diffusers-legacy': { layer: `${at}.${legacy}` },
      },
    };
  }
  yield* resnet(`${side}.mid_block.resnets.1`, `${side}.mid.block_2`);
}

/**
 * Every layer of the autoencoder.
 * @param nested FLUX.2's original files keep the quant convolutions below `encoder.` and `decoder.`
 */
export function* klVaeLayers(config: KlVaeConfig, nested = false): Generator<LayerNames> {
  if (config.encoder) {
    yield pair('encoder.conv_in', 'encoder.conv_in');
    for (const [i, level] of config.encoder.levels.entries()) {
      for (const j of level.blocks.keys()) {
        yield* resnet(`encoder.down_blocks.${i}.resnets.${j}`, `encoder.down.${i}.block.${j}`);
      }
      yield pair(`encoder.down_blocks.${i}.downsamplers.0.conv`, `encoder.down.${i}.downsample.conv`);
    }
    yield* middle('encoder');
    yield pair('encoder.conv_norm_out', 'encoder.norm_out');
    yield pair('encoder.conv_out', 'encoder.conv_out');
    yield pair('quant_conv', nested ? 'encoder.quant_conv' : 'quant_conv');
  }
  if (config.decoder) {
    yield pair('post_quant_conv', nested ? 'decoder.post_quant_conv' : 'post_quant_conv');
    yield pair('decoder.conv_in', 'decoder.conv_in');
    yield* middle('decoder');
    const count = config.decoder.levels.length;
    for (const [i, level] of config.decoder.levels.entries()) {
      const original = `decoder.up.${count - 1 - i}`;
      for (const j of level.blocks.keys()) {
        yield* resnet(`decoder.up_blocks.${i}.resnets.${j}`, `${original}.block.${j}`);
      }
      yield pair(`decoder.up_blocks.${i}.upsamplers.0.conv`, `${original}.upsample.conv`);
    }
    yield pair('decoder.conv_norm_out', 'decoder.norm_out');
    yield pair('decoder.conv_out', 'decoder.conv_out');
  }
  if (config.batchNorm) {
    for (const leaf of ['running_mean', 'running_var']) {
      yield {
        canonical: `bn.${leaf}`,
        places: { original: { layer: 'bn', weight: `bn.${leaf}` }, diffusers: { layer: 'bn', weight: `bn.${leaf}` } },
      };
    }
  }
}
