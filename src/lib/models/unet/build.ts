/** Finds U-Nets and builds their graphs. */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import type { DenoiserSpec, ExtraInput } from '../family';
import { mapWeights } from '../names';
import type { BuiltGraph, ConfigHints, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';
import { checkUNetHeads, featureAfterResample, type UNetConfig } from './config';
import { readDiffusersUNet } from './diffusers';
import { unetLayers } from './names';
import { unet } from './network';
import { readOriginalUNet } from './original';

/** The U-Net in a view, or undefined. */
export function findUNet(view: TensorView, file: string, hints?: ConfigHints): ModelPart<UNetConfig> | undefined {
  const original = readOriginalUNet(view, hints);
  const config = original ?? readDiffusersUNet(view, hints);
  if (!config) return undefined;
  const layout = original ? 'original' : 'diffusers';
  const weights = mapWeights(unetLayers(config), view, layout);
  return { role: 'denoiser', architecture: 'unet', layout, prefix: view.prefix, config, weights, file };
}

/** Skip connections, which is how many residuals a ControlNet gives besides the middle one. */
export function unetSkips({ down }: Pick<UNetConfig, 'down'>): number {
  return 1 + down.reduce((sum, level) => sum + level.blocks.length + (level.resample ? 1 : 0), 0);
}

/** Latent sides that are multiples of this halve without a remainder at every level; others cost a copy per level. */
export function unetEvenCells({ down }: Pick<UNetConfig, 'down'>): number {
  return 2 ** down.filter((level) => level.resample).length;
}

/** What the network takes besides x, timestep and context. */
export function unetInputs(config: UNetConfig): ExtraInput[] {
  const extra: ExtraInput[] = [];
  if (config.inChannels === 9) extra.push('inpaint');
  else if (config.inChannels > config.outChannels) extra.push('concat');
  if (config.vectorWidth > 0) extra.push('pooled', 'timeIds');
  if (config.guidanceWidth > 0) extra.push('guidance');
  return extra;
}

/** Shape of each skip connection, then of the middle block's output: what residuals must have. */
export function residualShapes(config: UNetConfig, spec: Pick<DenoiserSpec, 'batch' | 'height' | 'width'>) {
  let { height, width } = spec;
  const shapes: [number, number, number, number][] = [[spec.batch, config.stemChannels, height, width]];
  let channels = config.stemChannels;
  for (const level of config.down) {
    for (const block of level.blocks) {
      channels = block.channels;
      shapes.push([spec.batch, channels, height, width]);
    }
    if (level.resample) {
      height = Math.floor((height + 1) / 2);
      width = Math.floor((width + 1) / 2);
      shapes.push([spec.batch, channels, height, width]);
    }
  }
  return { skips: shapes, mid: [spec.batch, config.mid?.channels ?? channels, height, width] as const };
}

/** What T2I-Adapter features must have. */
function featureShapes(config: UNetConfig, spec: Pick<DenoiserSpec, 'batch' | 'height' | 'width'>) {
  let { height, width } = spec;
  const shapes = config.down.map((level): [number, number, number, number] => {
    const before = [height, width] as const;
    if (level.resample) {
      height = Math.floor((height + 1) / 2);
      width = Math.floor((width + 1) / 2);
    }
    const [h, w] = featureAfterResample(level) ? [height, width] : before;
    return [spec.batch, level.blocks.at(-1)?.channels ?? 0, h, w];
  });
  const [first] = config.down;
  if (!first || !config.mid || !featureAfterResample(first)) return shapes;
  return [...shapes, [spec.batch, config.mid.channels, height, width] as [number, number, number, number]];
}

/** Width of the pooled text vector and number of size ids. */
export interface VectorSpec {
  readonly pooledWidth: number;
  readonly ids: number;
}

/**
 * Inputs `pooled` and `timeIds`: pooled text and the sinusoid of each size number, joined: [N, vectorWidth].
 * Source: Podell et al. 2023, section 2.2.
 */
export function vectorCondition(
  g: GraphBuilder,
  config: Pick<UNetConfig, 'vectorWidth'>,
  batch: number,
  { pooledWidth, ids }: VectorSpec,
): Value {
  const pooled = g.input('pooled', [batch, pooledWidth]);
  const timeIds = g.input('timeIds', [batch, ids]);
  const dim = (config.vectorWidth - pooledWidth) / ids;
  const features = g.timestepEmbedding(g.reshape(timeIds, [batch * ids]), { dim });
  return g.concat([pooled, g.reshape(features, [batch, ids * dim])], 1);
}

export interface UNetSpec extends DenoiserSpec {
  /** Needed when the network has a vector condition. */
  readonly vector?: VectorSpec;
}

/** The denoiser's graph; inputs and output as `ModelFamily.buildDenoiser` says. */
export function buildUNet(part: ModelPart<UNetConfig>, spec: UNetSpec): BuiltGraph {
  const { config } = part;
  checkUNetHeads(config);
  const prompts = spec.imagePrompts ?? [];
  const weights =
    prompts.length > 0 ? new Map([...part.weights, ...prompts.flatMap((prompt) => [...prompt.weights])]) : part.weights;
  const { batch, height, width, tokens } = spec;
  const g = GraphBuilder.create('unet', weightResolver(weights), { circular: spec.circular ?? false });
  const extra = unetInputs(config);
  const concatenated = extra.find((name) => name === 'inpaint' || name === 'concat');
  const channels = concatenated ? config.outChannels : config.inChannels;
  let x = g.input('x', [batch, channels, height, width], { layout: 'image' });
  const timestep = g.input('timestep', [batch]);
  const context = g.input('context', [batch, tokens, config.contextWidth]);
  if (concatenated) {
    const more = g.input(concatenated, [batch, config.inChannels - channels, height, width], { layout: 'image' });
    x = g.concat([x, more], 1);
  }
  const images = prompts.map(({ count }, i) => ({
    tokens: g.input(`imageTokens_${i}`, [batch, count, config.contextWidth]),
    scale: g.input(`imageScale_${i}`, [batch, 1, 1]),
  }));
  const vector = spec.vector && vectorCondition(g, config, batch, spec.vector);
  const guidance =
    config.guidanceWidth > 0
      ? g.timestepEmbedding(g.input('guidance', [batch]), {
          dim: config.guidanceWidth,
          first: 'sin',
          freqShift: 1,
          scale: 1000,
        })
      : undefined;
  const shapes = residualShapes(config, spec);
  const residuals = spec.controlResiduals && {
    skips: shapes.skips.map((shape, i) => g.input(`residual_${i}`, shape, { layout: 'image' })),
    mid: g.input('residual_mid', shapes.mid, { layout: 'image' }),
  };
  const features =
    spec.adapterFeatures &&
    featureShapes(config, spec).map((shape, i) => g.input(`feature_${i}`, shape, { layout: 'image' }));
  const y = unet(g, config, {
    x,
    timestep,
    conditions: { context, images },
    ...(vector ? { vector } : {}),
    ...(guidance ? { guidance } : {}),
    ...(residuals ? { residuals } : {}),
    ...(features ? { features } : {}),
  });
  g.output('prediction', y);
  return { graph: g.finish(), weights };
}
