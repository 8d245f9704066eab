/**
 * T2I-Adapter (full) for Stable Diffusion 1, 2 and XL. Source: Mou et al. 2023; TencentARC/T2I-Adapter `adapter.py`;
 * diffusers `models/adapter.py` for XL (both Apache-2.0).
 */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import { mapWeights, type LayerNames } from '../names';
import type { BuiltGraph, ConfigHints, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';

export interface T2iAdapterConfig {
  /** Output channels of each level, finest first. */
  readonly levels: readonly number[];
  readonly blocksPerLevel: number;
  /** Channels of the folded picture. */
  readonly inChannels: number;
  readonly stem: number;
}

/** Published adapters have two blocks a level. */
const BLOCKS_PER_LEVEL = 2;

/**
 * Blocks a level of a file with flat indices. A level begins where the width changes (`in_conv`), so two it is wherever
 * all such places allow it; else the largest number that they do.
 */
function blocksPerLevel(view: TensorView, hints: ConfigHints | undefined): number {
  const blocks = view.count((i) => `body.${i}.block1.weight`);
  if (hints?.blocksPerLevel !== undefined && blocks % hints.blocksPerLevel === 0) return hints.blocksPerLevel;
  const starts = Array.from({ length: blocks }, (_, i) => i).filter((i) => view.has(`body.${i}.in_conv.weight`));
  const common = [...starts, blocks].reduce(greatestCommonDivisor, 0);
  return common % BLOCKS_PER_LEVEL === 0 ? BLOCKS_PER_LEVEL : common;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Every layer: canonical (diffusers) ↔ original (flat index). */
function* t2iLayers({ levels, blocksPerLevel }: T2iAdapterConfig): Generator<LayerNames> {
  const pair = (canonical: string, original: string): LayerNames => ({
    canonical,
    places: { original: { layer: original } },
  });
  yield pair('adapter.conv_in', 'conv_in');
  for (const i of levels.keys()) {
    yield pair(`adapter.body.${i}.in_conv`, `body.${i * blocksPerLevel}.in_conv`);
    for (let j = 0; j < blocksPerLevel; j += 1) {
      for (const name of ['block1', 'block2']) {
        yield pair(`adapter.body.${i}.resnets.${j}.${name}`, `body.${i * blocksPerLevel + j}.${name}`);
      }
    }
  }
}

/** The adapter in a view, or undefined. */
export function findT2iAdapter(
  view: TensorView,
  file: string,
  hints?: ConfigHints,
): ModelPart<T2iAdapterConfig> | undefined {
  const original = view.has('body.0.block1.weight') && view.has('conv_in.weight');
  if (!original && !view.has('adapter.body.0.resnets.0.block1.weight')) return undefined;
  const per = original ? blocksPerLevel(view, hints) : view.count((j) => `adapter.body.0.resnets.${j}.block1.weight`);
  const first = (i: number) =>
    original ? `body.${i * per}.block1.weight` : `adapter.body.${i}.resnets.0.block1.weight`;
  const stem = original ? 'conv_in.weight' : 'adapter.conv_in.weight';
  const config: T2iAdapterConfig = {
    levels: Array.from({ length: view.count(first) }, (_, i) => view.size(first(i), 0)),
    blocksPerLevel: per,
    inChannels: view.size(stem, 1),
    stem: view.size(stem, 0),
  };
  const layout = original ? 'original' : 'diffusers';
  const weights = mapWeights(t2iLayers(config), view, layout);
  return { role: 't2i-adapter', architecture: 't2i-adapter', layout, prefix: view.prefix, config, weights, file };
}

/** XL adapters fold 16 x 16 pixels, the others 8 x 8: their picture channels (1 or 3) tell. */
function foldOf({ inChannels }: Pick<T2iAdapterConfig, 'inChannels'>): 8 | 16 {
  return inChannels % 256 === 0 ? 16 : 8;
}

/** Whether this adapter is made for SDXL. */
export function isXlAdapter(config: Pick<T2iAdapterConfig, 'inChannels'>): boolean {
  return foldOf(config) === 16;
}

/** Channels of the picture it reads: 1 for sketches and line art, 3 for others. */
export function hintChannels(config: Pick<T2iAdapterConfig, 'inChannels'>): number {
  return config.inChannels / foldOf(config) ** 2;
}

/** Weight of feature i of n at "my prompt is more important": fine levels fade. Source: as for ControlNet. */
export function softFeatureWeight(i: number, n: number): number {
  return n === SOFT_FEATURES.length ? (SOFT_FEATURES[i] ?? 1) : 0.825 ** (n - 1 - i);
}

const SOFT_FEATURES = [0.25, 0.62, 0.825, 1] as const;

function residualBlock(g: GraphBuilder, x: Value, out: number): Value {
  const h = g.conv2d(x, 'block1', { out, kernel: 3, activation: 'relu' });
  return g.add(x, g.conv2d(h, 'block2', { out, kernel: 1 }));
}

/**
 * Sides filled up to a multiple with their last rows and columns, so that features round up as the U-Net's levels do.
 * For averages of two it is the mean of the pixels there are. Source: diffusers `models/adapter.py` (`ceil_mode`).
 */
function filledUp(g: GraphBuilder, x: Value, multiple: number): Value {
  return [2, 3].reduce((y, axis) => {
    const size = y.shape[axis] ?? 0;
    const missing = (multiple - (size % multiple)) % multiple;
    return missing === 0 ? y : g.concat([y, g.slice(y, axis, size - missing, missing)], axis);
  }, x);
}

/**
 * Graph: `hint` image [N, C, 8h, 8w] 0..1 (3 channels; 1 for sketch models) → `feature_0`, …, one per U-Net level.
 * @param spec latent cells
 */
export function buildT2iAdapter(
  part: ModelPart<T2iAdapterConfig>,
  { batch, height, width }: { batch: number; height: number; width: number },
): BuiltGraph {
  const { levels, blocksPerLevel, inChannels, stem } = part.config;
  const g = GraphBuilder.create('t2i-adapter', weightResolver(part.weights));
  const fold = foldOf({ inChannels });
  const hint = g.input('hint', [batch, hintChannels({ inChannels }), height * 8, width * 8], { layout: 'image' });
  let h = g.conv2d(g.pixelUnshuffle(filledUp(g, hint, fold), fold, 'cyx'), 'adapter.conv_in', { out: stem, kernel: 3 });
  for (const [i, channels] of levels.entries()) {
    const level = g.at(`adapter.body.${i}`);
    // XL's first level is folded twice as far, and only its third one halves again.
    if (fold === 16 ? i === 2 : i > 0) h = g.averagePool(filledUp(g, h, 2), 2);
    if (h.shape[1] !== channels) h = level.conv2d(h, 'in_conv', { out: channels, kernel: 1 });
    for (let j = 0; j < blocksPerLevel; j += 1) h = residualBlock(level.at(`resnets.${j}`), h, channels);
    g.output(`feature_${i}`, h);
  }
  return { graph: g.finish(), weights: part.weights };
}
