/** ESRGAN generators (RRDB) in their three spellings. Source: Wang et al. 2018; xinntao/Real-ESRGAN (BSD-3). */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import { mapWeights, type LayerNames, type LayerPlace } from '../names';
import type { BuiltGraph, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';

export interface RrdbConfig {
  readonly features: number;
  readonly growth: number;
  readonly blocks: number;
  /** Doublings after the body. */
  readonly doublings: number;
  /** The picture is folded by this first: 2 in x2 models, 4 in x1 models. */
  readonly fold: number;
  readonly channels: number;
}

/** Enlargement of the whole network. */
export function rrdbScale({ doublings, fold }: RrdbConfig): number {
  return 2 ** doublings / fold;
}

type RrdbLayout = 'basicsr' | 'esrgan' | 'sequence';

interface Spelling {
  readonly layout: RrdbLayout;
  readonly first: string;
  readonly conv: (block: number, dense: number, conv: number) => string;
  readonly trunk: string;
  readonly ups: readonly string[];
  readonly hr: string;
  readonly last: string;
}

function spellingOf(view: TensorView): Spelling | undefined {
  if (view.has('body.0.rdb1.conv1.weight')) {
    const count = view.count((i) => `conv_up${i + 1}.weight`);
    return {
      layout: 'basicsr',
      first: 'conv_first',
      conv: (b, d, c) => `body.${b}.rdb${d}.conv${c}`,
      trunk: 'conv_body',
      ups: Array.from({ length: count }, (_, i) => `conv_up${i + 1}`),
      hr: 'conv_hr',
      last: 'conv_last',
    };
  }
  if (view.has('RRDB_trunk.0.RDB1.conv1.weight')) {
    const count = view.count((i) => `upconv${i + 1}.weight`);
    return {
      layout: 'esrgan',
      first: 'conv_first',
      conv: (b, d, c) => `RRDB_trunk.${b}.RDB${d}.conv${c}`,
      trunk: 'trunk_conv',
      ups: Array.from({ length: count }, (_, i) => `upconv${i + 1}`),
      hr: 'HRconv',
      last: 'conv_last',
    };
  }
  if (!view.has('model.1.sub.0.RDB1.conv1.0.weight')) return undefined;
  // A plain sequence: first convolution, body, enlargements, then the last two.
  const indexes = [...view.tensors.keys()]
    .flatMap((name) => /^model\.(\d+)\.weight$/.exec(name)?.[1] ?? [])
    .map(Number)
    .filter((i) => i > 1)
    .sort((a, b) => a - b);
  const names = indexes.map((i) => `model.${i}`);
  const blocks = view.count((b) => `model.1.sub.${b}.RDB1.conv1.0.weight`);
  return {
    layout: 'sequence',
    first: 'model.0',
    conv: (b, d, c) => `model.1.sub.${b}.RDB${d}.conv${c}.0`,
    trunk: `model.1.sub.${blocks}`,
    ups: names.slice(0, -2),
    hr: names.at(-2) ?? '',
    last: names.at(-1) ?? '',
  };
}

function* layersOf(spelling: Spelling, blocks: number): Generator<LayerNames> {
  const place = (layer: string): Record<string, LayerPlace> => ({ [spelling.layout]: { layer } });
  yield { canonical: 'conv_first', places: place(spelling.first) };
  for (let b = 0; b < blocks; b += 1) {
    for (let d = 1; d <= 3; d += 1) {
      for (let c = 1; c <= 5; c += 1) {
        yield { canonical: `body.${b}.rdb${d}.conv${c}`, places: place(spelling.conv(b, d, c)) };
      }
    }
  }
  yield { canonical: 'conv_body', places: place(spelling.trunk) };
  for (const [i, name] of spelling.ups.entries()) yield { canonical: `conv_up${i + 1}`, places: place(name) };
  yield { canonical: 'conv_hr', places: place(spelling.hr) };
  yield { canonical: 'conv_last', places: place(spelling.last) };
}

/** The upscaler in a view, or undefined. */
export function findRrdb(view: TensorView, file: string): ModelPart<RrdbConfig> | undefined {
  const spelling = spellingOf(view);
  if (!spelling) return undefined;
  const channels = view.size(`${spelling.last}.weight`, 0);
  const folded = view.size(`${spelling.first}.weight`, 1);
  const config: RrdbConfig = {
    features: view.size(`${spelling.first}.weight`, 0),
    growth: view.size(`${spelling.conv(0, 1, 1)}.weight`, 0),
    blocks: view.count((b) => `${spelling.conv(b, 1, 1)}.weight`),
    doublings: spelling.ups.length,
    fold: channels > 0 ? Math.round(Math.sqrt(folded / channels)) : 1,
    channels,
  };
  const weights = mapWeights(layersOf(spelling, config.blocks), view, spelling.layout);
  return {
    role: 'upscaler',
    architecture: 'rrdb',
    layout: spelling.layout,
    prefix: view.prefix,
    config,
    weights,
    file,
  };
}

const RESIDUAL = 0.2;

function dense(g: GraphBuilder, x: Value, { features, growth }: RrdbConfig): Value {
  const all = [x];
  for (let c = 1; c <= 4; c += 1) {
    const h = g.conv2d(g.concat(all, 1), `conv${c}`, { out: growth, kernel: 3 });
    all.push(g.unary(h, { kind: 'leakyRelu', slope: 0.2 }));
  }
  const last = g.conv2d(g.concat(all, 1), 'conv5', { out: features, kernel: 3 });
  return g.lincomb([
    [1, x],
    [RESIDUAL, last],
  ]);
}

/** Graph: `image` [N, 3, H, W] 0..1 → `pixels` image [N, 3, s·H, s·W], not clamped. H and W divide by `fold`. */
export function buildRrdb(
  part: ModelPart<RrdbConfig>,
  spec: { batch: number; height: number; width: number },
): BuiltGraph {
  const { config, weights } = part;
  const { features, blocks, doublings, fold, channels } = config;
  const g = GraphBuilder.create('rrdb', weightResolver(weights));
  const pixels = g.input('image', [spec.batch, channels, spec.height, spec.width], { layout: 'image' });
  const leaky = (x: Value) => g.unary(x, { kind: 'leakyRelu', slope: 0.2 });
  const first = g.conv2d(fold > 1 ? g.pixelUnshuffle(pixels, fold, 'cyx') : pixels, 'conv_first', {
    out: features,
    kernel: 3,
  });
  g.tap('conv_first', first);
  let h = first;
  for (let b = 0; b < blocks; b += 1) {
    const start = h;
    for (let d = 1; d <= 3; d += 1) h = dense(g.at(`body.${b}.rdb${d}`), h, config);
    h = g.lincomb([
      [1, start],
      [RESIDUAL, h],
    ]);
    g.tap(`body.${b}`, h);
  }
  h = g.add(first, g.conv2d(h, 'conv_body', { out: features, kernel: 3 }));
  for (let i = 1; i <= doublings; i += 1)
    h = leaky(g.conv2d(h, `conv_up${i}`, { out: features, kernel: 3, upsample: 2 }));
  h = leaky(g.conv2d(h, 'conv_hr', { out: features, kernel: 3 }));
  g.output('pixels', g.conv2d(h, 'conv_last', { out: channels, kernel: 3 }));
  return { graph: g.finish(), weights };
}
