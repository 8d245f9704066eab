/**
 * Whole models of a few hundred kilobytes, with seeded random weights, as the files that people have: configurations
 * follow the published models' rules (heads, rotary axes, vocabularies), so that nothing but the files is needed to run
 * them. Adapters and control networks for them come from the same graphs.
 */
import { memorySource } from '../../src/lib/base/byte_source';
import { elementCount, type Shape } from '../../src/lib/base/shape';
import { convertIndex, type ConversionName } from '../../src/lib/formats/convert/convert';
import { openTensorIndex } from '../../src/lib/formats/open_tensor_index';
import { writeSafetensors } from '../../src/lib/formats/safetensors_write';
import { buildClipVision, type ClipVisionConfig } from '../../src/lib/models/clip_vision/clip_vision';
import { buildControlNet, type ControlNetConfig } from '../../src/lib/models/controlnet/controlnet';
import type { DetectedModel } from '../../src/lib/models/family';
import type { Flux1Config } from '../../src/lib/models/flux1/config';
import { flux2Layers, type Flux2Config } from '../../src/lib/models/flux2/flux2';
import { flux1Layers } from '../../src/lib/models/flux1/names';
import { buildImageProjection, type IpAdapterConfig } from '../../src/lib/models/ip_adapter/ip_adapter';
import type { ModelPart } from '../../src/lib/models/part';
import type { Qwen3Config } from '../../src/lib/models/qwen3/qwen3';
import { sd3Layers, type Sd3Config } from '../../src/lib/models/sd3/sd3';
import type { LayerNames } from '../../src/lib/models/names';
import { syntheticModel, weightShapes } from '../../src/lib/models/synthetic';
import { buildT2iAdapter, type T2iAdapterConfig } from '../../src/lib/models/t2i_adapter/t2i_adapter';
import type { TrueSize } from '../../src/lib/models/true_sizes';
import type { UNetConfig, UNetLevel } from '../../src/lib/models/unet/config';
import { unetLayers } from '../../src/lib/models/unet/names';
import { asFile } from '../unit/models/synthetic';
import type { WeightMap } from '../../src/lib/graph/weights';

export interface TinyFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const CLIP_IDS = 49408;
const T5_IDS = 32128;
const QWEN_IDS = 151_936;

const clip = (id: 'clip-l' | 'openclip-bigg', width: number, projection: number) => ({
  id,
  architecture: 'clip' as const,
  config: {
    width,
    layers: 2,
    heads: width / 64,
    mlpWidth: 2 * width,
    vocabulary: CLIP_IDS,
    positions: 77,
    activation: id === 'clip-l' ? 'quickGelu' : 'gelu',
    projection,
  },
});

const t5 = (width: number) => ({
  id: 't5' as const,
  architecture: 't5' as const,
  config: {
    width,
    layers: 1,
    heads: 2,
    innerWidth: 64,
    mlpWidth: 128,
    vocabulary: T5_IDS,
    buckets: 32,
    maxDistance: 128,
  },
});

function vae(latentChannels: number, quantConvs: boolean, batchNorm = false): TrueSize['vae'] {
  const level = (blocks: number, resample: boolean) => ({ blocks: new Array<number>(blocks).fill(32), resample });
  const levels = (blocks: number) => [true, true, true, false].map((resample) => level(blocks, resample));
  return {
    latentChannels,
    encoder: { stem: 32, levels: levels(1), mid: 32 },
    decoder: { stem: 32, levels: levels(2) },
    quantConv: quantConvs,
    postQuantConv: quantConvs,
    batchNorm,
  };
}

/** One block a level going down, two going up. */
function unet(
  levels: readonly { readonly channels: number; readonly depth: number }[],
  rest: Pick<UNetConfig, 'contextWidth' | 'heads' | 'inChannels'> & { vectorWidth?: number; guidanceWidth?: number },
) {
  const level = (at: number, blocks: number, resample: boolean): UNetLevel => ({
    blocks: Array.from({ length: blocks }, () => levels[at] ?? { channels: 0, depth: 0 }),
    resample,
  });
  const last = levels.length - 1;
  const stem = levels[0]?.channels ?? 0;
  const config: UNetConfig = {
    ...rest,
    outChannels: 4,
    stemChannels: stem,
    timeFeatures: stem,
    timeWidth: 4 * stem,
    down: levels.map((_, i) => level(i, 1, i < last)),
    mid: { channels: levels[last]?.channels ?? 0, depth: 1, resnets: 2 },
    up: levels.map((_, i) => level(last - i, 2, i < last)),
    linearProjection: rest.vectorWidth !== undefined,
    vectorWidth: rest.vectorWidth ?? 0,
    guidanceWidth: rest.guidanceWidth ?? 0,
  };
  return { architecture: 'unet' as const, config };
}

function flux(inWidth: number) {
  const config = {
    width: 128,
    heads: 1,
    headDim: 128,
    doubleBlocks: 1,
    singleBlocks: 1,
    mlpWidth: 256,
    contextWidth: 64,
    pooledWidth: 64,
    inWidth,
    outWidth: 64,
    guidance: true,
    ropeAxes: [16, 56, 56],
    ropeTheta: 10_000,
  };
  return { architecture: 'flux1' as const, config };
}

const size = (id: string, rest: Omit<TrueSize, 'id' | 'label' | 'nativePx'>): TrueSize => ({
  id,
  label: id,
  nativePx: 64,
  ...rest,
});

const clipL = clip('clip-l', 64, 0);
const sd1 = { family: 'sd1', encoders: [clipL], vae: vae(4, true) } as const;
const flux1 = { family: 'flux1', encoders: [clipL, t5(64)], vae: vae(16, false) } as const;

const SD1_LEVELS = [
  { channels: 32, depth: 1 },
  { channels: 64, depth: 1 },
];
/** As SDXL has it: no attention at the finest level. */
const XL_LEVELS = [
  { channels: 64, depth: 0 },
  { channels: 128, depth: 1 },
  { channels: 128, depth: 1 },
];

/** Hidden states of layers 9, 18 and 27 are what FLUX.2 reads. */
const qwen3 = {
  id: 'qwen3' as const,
  architecture: 'qwen3' as const,
  config: {
    width: 32,
    layers: 27,
    heads: 1,
    kvHeads: 1,
    headDim: 32,
    mlpWidth: 32,
    vocabulary: QWEN_IDS,
    ropeTheta: 1e6,
  } satisfies Qwen3Config,
};

const klein: Flux2Config = {
  width: 128,
  heads: 1,
  headDim: 128,
  doubleBlocks: 1,
  singleBlocks: 1,
  mlpWidth: 384,
  contextWidth: 3 * 32,
  inWidth: 128,
  outWidth: 128,
  guidance: false,
  ropeAxes: [32, 32, 32, 32],
  ropeTheta: 2000,
};

function sd3(rest: Pick<Sd3Config, 'qkNorm' | 'dualBlocks'>) {
  const config: Sd3Config = {
    width: 128,
    heads: 2,
    headDim: 64,
    blocks: 2,
    mlpWidth: 512,
    channels: 16,
    contextWidth: 192,
    pooledWidth: 64 + 128,
    positionSide: 12,
    ...rest,
  };
  return {
    family: 'sd3',
    denoiser: { architecture: 'sd3' as const, config },
    encoders: [clip('clip-l', 64, 64), clip('openclip-bigg', 128, 128), t5(192)],
    vae: vae(16, false),
  } as const;
}

/** Vector of SDXL: the pooled text and six numbers as 256 features each. */
const XL_VECTOR = 128 + 6 * 256;

export const TINY = {
  sd1: size('tiny-sd1', { ...sd1, denoiser: unet(SD1_LEVELS, { contextWidth: 64, heads: [8, 8], inChannels: 4 }) }),
  pix2pix: size('tiny-pix2pix', {
    ...sd1,
    denoiser: unet(SD1_LEVELS, { contextWidth: 64, heads: [8, 8], inChannels: 8 }),
  }),
  sdxl: size('tiny-sdxl', {
    family: 'sdxl',
    denoiser: unet(XL_LEVELS, { contextWidth: 192, heads: [1, 2, 2], inChannels: 4, vectorWidth: XL_VECTOR }),
    encoders: [clipL, clip('openclip-bigg', 128, 128)],
    vae: vae(4, true),
  }),
  flux: size('tiny-flux', { ...flux1, denoiser: flux(64) }),
  fluxFill: size('tiny-flux-fill', { ...flux1, denoiser: flux(384) }),
  fluxDepth: size('tiny-flux-depth', { ...flux1, denoiser: flux(128) }),
  inpaint: size('tiny-inpaint', {
    ...sd1,
    denoiser: unet(SD1_LEVELS, { contextWidth: 64, heads: [8, 8], inChannels: 9 }),
  }),
  lcm: size('tiny-lcm', {
    ...sd1,
    denoiser: unet(SD1_LEVELS, { contextWidth: 64, heads: [8, 8], inChannels: 4, guidanceWidth: 256 }),
  }),
  sd3: size('tiny-sd3', sd3({ qkNorm: false, dualBlocks: [] })),
  sd35: size('tiny-sd35', sd3({ qkNorm: true, dualBlocks: [0] })),
  klein: size('tiny-klein', {
    family: 'flux2',
    denoiser: { architecture: 'flux2', config: klein },
    encoders: [qwen3],
    vae: vae(32, true, true),
  }),
} as const;

/** Deterministic, about normal with deviation 1. */
function normal(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return () => (next() + next() + next() + next() - 2) * 1.73;
}

/** Matrices keep the size of what goes through them; norms are near 1, biases small. */
function values(name: string, shape: Shape, seed: number): Float32Array<ArrayBuffer> {
  const random = normal(seed);
  const inner = elementCount(shape.slice(1));
  const around = shape.length === 1 && /norm|ln_|\.scale$|running_var/.test(name) && !name.endsWith('bias') ? 1 : 0;
  const table = /embed|shared|position/.test(name);
  const scale = shape.length === 1 ? 0.05 : table ? 0.5 : 1 / Math.sqrt(Math.max(1, inner));
  const out = new Float32Array(elementCount(shape));
  for (let i = 0; i < out.length; i++) out[i] = around + scale * random();
  return out;
}

/** A file of tensors of these shapes. */
export function randomFile(name: string, shapes: ReadonlyMap<string, Shape>, seed: number): TinyFile {
  const tensors = [...shapes].map(([key, shape], i) => ({
    name: key,
    shape,
    data: values(key, shape, 1000 * seed + i),
  }));
  return { name: `${name}.safetensors`, bytes: writeSafetensors(tensors) };
}

/** Statistics, which have no leaf name in files. */
const BARE = /^(bn\.running_(?:mean|var))\.weight$/;

function shapesOf(part: ModelPart): Map<string, Shape> {
  const shapes = new Map(
    [...part.weights].map(([name, { tensor }]): [string, Shape] => [name.replace(BARE, '$1'), tensor.shape]),
  );
  if (part.architecture === 'clip') {
    // Files have it whether or not the family uses it.
    const { width } = part.config as { width: number };
    for (const leaf of ['weight', 'bias']) shapes.set(`text_model.final_layer_norm.${leaf}`, [width]);
  }
  return shapes;
}

/** The denoiser in the layout of the models' authors, fused layers joined, as most files have it. */
function denoiserShapes(part: ModelPart): ReadonlyMap<string, Shape> {
  const shapes = shapesOf(part);
  const named = (layers: Iterable<LayerNames>, layout: string) =>
    new Map([...asFile(part.file, shapes, layers, layout).tensors].map(([name, { shape }]) => [name, shape]));
  if (part.architecture === 'unet') return named(unetLayers(part.config as UNetConfig), 'original');
  if (part.architecture === 'flux1') return named(flux1Layers(part.config as Flux1Config), 'bfl');
  if (part.architecture === 'flux2') return named(flux2Layers(part.config as Flux2Config), 'bfl');
  return named(sd3Layers(part.config as Sd3Config), 'original');
}

/** The model's files, one per part: the denoiser first, then text encoders, then the autoencoder. */
export function tinyModel(tiny: TrueSize, seed = 1): TinyFile[] {
  const model: DetectedModel = syntheticModel(tiny, 'F32');
  const parts: [string, ModelPart | undefined][] = [
    ['denoiser', model.denoiser],
    ...[...model.textEncoders].map(([id, part]): [string, ModelPart] => [id, part]),
    ['vae', model.vae],
  ];
  return parts.flatMap(([what, part], i) =>
    part
      ? [
          randomFile(
            `${tiny.id}-${what}`,
            part.role === 'denoiser' ? denoiserShapes(part) : shapesOf(part),
            10 * seed + i,
          ),
        ]
      : [],
  );
}

/** The same file as another type, by the product's own conversion. */
export async function converted(
  { name, bytes }: TinyFile,
  type: ConversionName,
  container: 'gguf' | 'safetensors',
  architecture: string,
): Promise<TinyFile> {
  const index = await openTensorIndex(memorySource(name, bytes));
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const conversion = convertIndex(index, type, container, architecture);
  for await (const piece of conversion.write(new AbortController().signal, () => undefined)) pieces.push(piece.slice());
  const whole = new Uint8Array(await new Blob(pieces).arrayBuffer());
  return { name: name.replace(/\.[^.]+$/, `-${type}.${container}`), bytes: whole };
}

export interface TinyLoraOptions {
  readonly name: string;
  readonly seed: number;
  /** Size of the change of a weight beside the weight; default 0.3. */
  readonly strength?: number;
  readonly metadata?: ReadonlyMap<string, string>;
}

/** A low-rank adapter for every attention projection of the denoiser, in PEFT's spelling. */
export function tinyLora(tiny: TrueSize, { name, seed, strength = 0.3, metadata }: TinyLoraOptions): TinyFile {
  const rank = 4;
  const root = tiny.denoiser.architecture === 'unet' ? 'unet' : 'transformer';
  const layers = [...syntheticModel(tiny, 'F32').denoiser.weights].filter(
    ([key, { tensor }]) => tensor.shape.length === 2 && /\.(to_q|to_k|to_v|add_q_proj)\.weight$/.test(key),
  );
  const tensors = layers.flatMap(([key, { tensor }], i) => {
    const [out = 0, inner = 0] = tensor.shape;
    const layer = `${root}.${key.replace(/\.weight$/, '')}`;
    const scaled = (shape: Shape, by: number, s: number) => values(layer, shape, s).map((v) => by * v);
    return [
      { name: `${layer}.lora_A.weight`, shape: [rank, inner], data: scaled([rank, inner], 1, 100 * seed + 2 * i) },
      {
        name: `${layer}.lora_B.weight`,
        shape: [out, rank],
        data: scaled([out, rank], strength, 100 * seed + 2 * i + 1),
      },
    ];
  });
  return { name: `${name}.safetensors`, bytes: writeSafetensors(tensors, metadata ?? new Map()) };
}

const unetOf = (tiny: TrueSize): UNetConfig => tiny.denoiser.config as UNetConfig;

const partOf = <Config>(role: ModelPart['role'], config: Config, weights: WeightMap): ModelPart<Config> => ({
  role,
  architecture: role as ModelPart['architecture'],
  layout: 'diffusers',
  prefix: '',
  config,
  weights,
  file: role,
});

/** A ControlNet for a U-Net. */
export function tinyControlNet(tiny: TrueSize, seed: number): TinyFile {
  const unet = unetOf(tiny);
  const config: ControlNetConfig = { unet, hintStem: 8, hintBlocks: [8, 8, 8, 8, 8, 8] };
  const spec = { batch: 1, height: 8, width: 8, tokens: 77 };
  const shapes = weightShapes((weights) => buildControlNet(partOf('controlnet', config, weights), spec));
  return randomFile(`${tiny.id}-controlnet`, shapes, seed);
}

/** A T2I-Adapter for a U-Net. */
export function tinyT2iAdapter(tiny: TrueSize, seed: number): TinyFile {
  const { down, vectorWidth } = unetOf(tiny);
  const channels = down.map((level) => level.blocks[0]?.channels ?? 0);
  // XL adapters have one more feature, for the middle.
  const levels = vectorWidth > 0 ? [...channels, channels.at(-1) ?? 0] : channels;
  const fold = vectorWidth > 0 ? 16 : 8;
  const config: T2iAdapterConfig = { levels, blocksPerLevel: 2, inChannels: 3 * fold ** 2, stem: levels[0] ?? 0 };
  const spec = { batch: 1, height: 8, width: 8 };
  const shapes = weightShapes((weights) => buildT2iAdapter(partOf('t2i-adapter', config, weights), spec));
  return randomFile(`${tiny.id}-t2i-adapter`, shapes, seed);
}

const VISION_WIDTH = 32;

/** An IP-Adapter for a U-Net, and the vision tower that it reads pictures with. */
export function tinyIpAdapter(tiny: TrueSize, seed: number): { readonly adapter: TinyFile; readonly vision: TinyFile } {
  const { contextWidth, down, mid, up } = unetOf(tiny);
  const attended = (levels: readonly UNetLevel[]) => levels.flatMap(({ blocks }) => blocks.filter((b) => b.depth > 0));
  const channels = (levels: readonly UNetLevel[]) => attended(levels).map((block) => block.channels);
  const layers = [...channels(down), ...channels(up), mid?.channels ?? 0];
  const config: IpAdapterConfig = { imageWidth: VISION_WIDTH, contextWidth, tokens: 4, layers: [...layers.keys()] };
  const projection = weightShapes((weights) => buildImageProjection(partOf('ip-adapter', config, weights), 1));
  const shapes = new Map<string, Shape>(projection);
  for (const [i, out] of layers.entries()) {
    for (const leaf of ['to_k_ip', 'to_v_ip'])
      shapes.set(`ip_adapter.${2 * i + 1}.${leaf}.weight`, [out, contextWidth]);
  }
  const tower: ClipVisionConfig = {
    width: 64,
    layers: 1,
    heads: 16,
    mlpWidth: 128,
    patch: 32,
    grid: 7,
    projection: VISION_WIDTH,
    activation: 'gelu',
  };
  const wanted = weightShapes((weights) => buildClipVision(partOf('clip-vision', tower, weights), 1));
  // The class embedding is a bare parameter in files.
  const vision = new Map(
    [...wanted].map(([name, shape]) => [name.replace(/class_embedding\.weight$/, 'class_embedding'), shape]),
  );
  return {
    adapter: randomFile(`${tiny.id}-ip-adapter`, shapes, seed),
    vision: randomFile(`${tiny.id}-vision`, vision, seed + 1),
  };
}
