/** Shapes of the kernel bench, and which aim each counts for. Runs in Node and in pages. */
import { opCase, type OpCaseData } from '../../src/lib/backends/op_cases/op_case';
import type { CaseWeightType } from '../../src/lib/backends/op_cases/packed';
import { seedOf, createRandom } from '../../src/lib/backends/op_cases/random';
import { elementCount } from '../../src/lib/base/shape';
import { graphCost } from '../../src/lib/graph/cost';
import { valueOf } from '../../src/lib/graph/ir';
import { syntheticModel } from '../../src/lib/models/synthetic';
import { trueSizeById, type TrueSize } from '../../src/lib/models/true_sizes';
import type { UNetConfig, UNetLevel } from '../../src/lib/models/unet/config';
import { denoiserGraph } from '../../src/lib/pipeline/fit_stages';
import type { AimId } from './aims';
import { weightsOf } from './blocks';

export interface BenchCase {
  readonly name: string;
  readonly aim?: AimId;
  readonly build: () => OpCaseData;
  /** Compared with our own kernels on this, not with onnxruntime. */
  readonly own?: BenchCase;
  /** Too long for more than the kernels that the app would take. */
  readonly whole?: boolean;
}

/** The bench has one bound of its own. */
const UNBOUNDED = { bound: { f32: Infinity, f16: Infinity } };

function linear(m: number, n: number, k: number, type: CaseWeightType): BenchCase {
  const made = opCase('linear', { m, n, k, type }, UNBOUNDED, (s) => {
    const w = s.weight('weight', [n, k], { type, std: 1 / Math.sqrt(k) });
    return s.g.op('linear', [s.plain('x', [m, k]), w], {});
  });
  const aim = type === 'Q4_0' ? 'gemm4' : type === 'F32' || type === 'F16' ? 'gemm' : undefined;
  return { name: `linear ${type} ${m}x${n}x${k}`, ...(aim ? { aim } : {}), build: () => made.build() };
}

/** Maps of so few pixels are bound by reading weights. */
const SMALL_MAP = 16;

function conv(channels: number, out: number, size: number): BenchCase {
  const made = opCase('conv2d', { channels, out, size }, UNBOUNDED, (s) => {
    const w = s.weight('weight', [out, channels, 3, 3], { type: 'F16', std: 1 / Math.sqrt(9 * channels) });
    const attrs = { stride: 1, pad: [1, 1, 1, 1], padMode: 'zeros', upsample: 1 } as const;
    return s.g.op('conv2d', [s.image('x', [1, channels, size, size]), w], attrs);
  });
  const aim = size <= SMALL_MAP ? 'small-conv' : 'conv';
  return { name: `conv 3x3 F16 ${channels}->${out} @${size}x${size}`, aim, build: () => made.build() };
}

function attention(tokens: number, keys: number, heads: number, width: number): BenchCase {
  const made = opCase('attention', { tokens, keys, heads, width }, UNBOUNDED, (s) => {
    const shape = (t: number) => [1, t, heads * width];
    return s.g.attention(s.plain('q', shape(tokens)), s.plain('k', shape(keys)), s.plain('v', shape(keys)), { heads });
  });
  const name = `attention ${heads}x${width} q${tokens} k${keys}`;
  return { name, aim: 'attention', build: () => made.build() };
}

/** A quantized product beside the same one with weights in f16. */
function quantized(m: number, n: number, k: number, type: CaseWeightType): BenchCase {
  return { ...linear(m, n, k, type), aim: 'quantized', own: linear(m, n, k, 'F16') };
}

/** The U-Net of SD1.5 with `by` times fewer channels, weights in f16; 1: as published. */
function unetStep(by: number, sidePx: number): BenchCase {
  return {
    name: `U-Net of SD1.5${by === 1 ? '' : `, 1/${by} of its channels`} @${sidePx}px F16`,
    aim: 'unet',
    whole: true,
    build: () => {
      const sd15 = trueSizeById('sd15');
      if (!sd15) throw new Error('sd15 is not listed');
      const spec = { widthPx: sidePx, heightPx: sidePx, batch: 1, promptTokens: 77 };
      const { graph } = denoiserGraph(syntheticModel(narrowed(sd15, by), 'F16'), spec, 1);
      const random = createRandom(seedOf(graph.name));
      const inputs = Object.fromEntries(
        [...graph.inputs].map(([name, id]) => {
          const { shape } = valueOf(graph, id);
          return [name, { shape, data: Float32Array.from({ length: elementCount(shape) }, () => random.normal()) }];
        }),
      );
      const { flops, weightsBytes } = graphCost(graph);
      return { graph, weights: weightsOf(graph), inputs, flops, bytes: weightsBytes };
    },
  };
}

function narrowed(size: TrueSize, by: number): TrueSize {
  const config = size.denoiser.config as UNetConfig;
  const channels = (wide: number) => wide / by;
  const level = (one: UNetLevel): UNetLevel => ({
    ...one,
    blocks: one.blocks.map((block) => ({ ...block, channels: channels(block.channels) })),
  });
  const narrow: UNetConfig = {
    ...config,
    stemChannels: channels(config.stemChannels),
    timeFeatures: channels(config.timeFeatures),
    timeWidth: channels(config.timeWidth),
    down: config.down.map(level),
    ...(config.mid ? { mid: { ...config.mid, channels: channels(config.mid.channels) } } : {}),
    up: config.up.map(level),
  };
  return { ...size, denoiser: { ...size.denoiser, config: narrow } };
}

/** Shapes of SD1.5 and FLUX blocks; a thousandth of them where the adapter is software, which says nothing on speed. */
export function benchCases(software: boolean): readonly BenchCase[] {
  if (software) {
    return [
      linear(256, 256, 320, 'F32'),
      linear(256, 256, 320, 'F16'),
      linear(256, 256, 320, 'Q8_0'),
      linear(256, 256, 320, 'Q4_0'),
      linear(1, 1024, 1024, 'Q4_0'),
      conv(32, 64, 32),
      conv(128, 128, 8),
      conv(256, 128, 4),
      attention(256, 256, 4, 40),
      attention(256, 77, 4, 64),
      quantized(1024, 128, 256, 'Q4_0'),
      quantized(1024, 128, 256, 'Q8_0'),
      quantized(1024, 128, 256, 'Q4_K'),
      quantized(1024, 128, 256, 'NF4'),
      unetStep(10, 128),
    ];
  }
  return [
    linear(4096, 1280, 1280, 'F32'),
    linear(4096, 3072, 3072, 'F16'),
    linear(1024, 1280, 1280, 'F16'),
    linear(77, 1280, 1280, 'F16'),
    linear(4096, 3072, 3072, 'Q8_0'),
    linear(4096, 3072, 3072, 'Q4_0'),
    linear(1024, 1280, 1280, 'Q4_0'),
    linear(1, 9216, 3072, 'Q4_0'),
    conv(320, 320, 64),
    conv(512, 512, 64),
    conv(1280, 1280, 8),
    conv(1280, 1280, 16),
    attention(4096, 4096, 8, 40),
    attention(4096, 77, 10, 64),
    quantized(4096, 3072, 3072, 'Q4_0'),
    quantized(4096, 3072, 3072, 'Q8_0'),
    quantized(4096, 3072, 3072, 'Q4_K'),
    quantized(4096, 3072, 3072, 'NF4'),
    quantized(1024, 1280, 1280, 'Q4_0'),
    unetStep(1, 512),
  ];
}
