/**
 * Published models by their numbers alone, for planning and cost tables: no weights, no files.
 * Source: the models' `config.json` (diffusers layout) and model cards; Qwen3 technical report 2025.
 */
import type { ClipConfig } from './clip/config';
import type { FamilyId, GenerationDefaults } from './family';
import type { Flux1Config } from './flux1/config';
import type { Flux2Config } from './flux2/flux2';
import type { KlVaeConfig } from './kl_vae/config';
import type { ArchitectureId, TextEncoderId } from './part';
import type { Qwen3Config } from './qwen3/qwen3';
import type { Sd3Config } from './sd3/sd3';
import type { T5Config } from './t5/t5';
import type { UNetConfig, UNetLevel } from './unet/config';
import type { ZImageConfig } from './z_image/z_image';

export interface TrueSize {
  readonly id: string;
  readonly label: string;
  readonly family: FamilyId;
  readonly denoiser: { readonly architecture: ArchitectureId; readonly config: unknown };
  readonly encoders: readonly {
    readonly id: TextEncoderId;
    readonly architecture: ArchitectureId;
    readonly config: unknown;
  }[];
  readonly vae: KlVaeConfig;
  /** Side of the pictures that the model was made for, pixels. */
  readonly nativePx: number;
  /** Where the model differs from its family. */
  readonly defaults?: Partial<Pick<GenerationDefaults, 'steps' | 'cfgScale'>>;
}

interface Level {
  readonly channels: number;
  readonly depth: number;
}

/** A U-Net with two residual blocks per level going down, three going up; resampling between levels. */
function unet(levels: readonly Level[], rest: { contextWidth: number; heads: number[]; vectorWidth?: number }) {
  const level = ({ channels, depth }: Level, blocks: number, resample: boolean): UNetLevel => ({
    blocks: new Array<Level>(blocks).fill({ channels, depth }),
    resample,
  });
  const last = levels.at(-1) ?? { channels: 0, depth: 0 };
  const stem = levels[0]?.channels ?? 0;
  const config: UNetConfig = {
    inChannels: 4,
    outChannels: 4,
    stemChannels: stem,
    timeFeatures: stem,
    timeWidth: 4 * stem,
    down: levels.map((one, i) => level(one, 2, i < levels.length - 1)),
    mid: { channels: last.channels, depth: Math.max(1, last.depth), resnets: 2 },
    up: [...levels].reverse().map((one, i) => level(one, 3, i < levels.length - 1)),
    contextWidth: rest.contextWidth,
    linearProjection: rest.contextWidth !== 768,
    heads: rest.heads,
    vectorWidth: rest.vectorWidth ?? 0,
    guidanceWidth: 0,
  };
  return { architecture: 'unet', config } as const;
}

const SD_LEVELS: readonly Level[] = [
  { channels: 320, depth: 1 },
  { channels: 640, depth: 1 },
  { channels: 1280, depth: 1 },
  { channels: 1280, depth: 0 },
];

function klVae(latentChannels: number, quantConvs: boolean, batchNorm = false): KlVaeConfig {
  const level = (blocks: number[], resample: boolean) => ({ blocks, resample });
  return {
    latentChannels,
    encoder: {
      stem: 128,
      levels: [level([128, 128], true), level([256, 256], true), level([512, 512], true), level([512, 512], false)],
      mid: 512,
    },
    decoder: {
      stem: 512,
      levels: [
        level([512, 512, 512], true),
        level([512, 512, 512], true),
        level([256, 256, 256], true),
        level([128, 128, 128], false),
      ],
    },
    quantConv: quantConvs,
    postQuantConv: quantConvs,
    batchNorm,
  };
}

function clip(id: TextEncoderId, width: number, layers: number, projection: number) {
  const config: ClipConfig = {
    width,
    layers,
    heads: width / 64,
    mlpWidth: 4 * width,
    vocabulary: 49_408,
    positions: 77,
    activation: id === 'clip-l' ? 'quickGelu' : 'gelu',
    projection,
  };
  return { id, architecture: 'clip', config } as const;
}

const t5xxl = {
  id: 't5',
  architecture: 't5',
  config: {
    width: 4096,
    layers: 24,
    heads: 64,
    innerWidth: 4096,
    mlpWidth: 10_240,
    vocabulary: 32_128,
    buckets: 32,
    maxDistance: 128,
  } satisfies T5Config,
} as const;

const qwen3b4 = {
  id: 'qwen3',
  architecture: 'qwen3',
  config: {
    width: 2560,
    layers: 36,
    heads: 32,
    kvHeads: 8,
    headDim: 128,
    mlpWidth: 9728,
    vocabulary: 151_936,
    ropeTheta: 1e6,
  } satisfies Qwen3Config,
} as const;

const flux1Dev: Flux1Config = {
  width: 3072,
  heads: 24,
  headDim: 128,
  doubleBlocks: 19,
  singleBlocks: 38,
  mlpWidth: 12_288,
  contextWidth: 4096,
  pooledWidth: 768,
  inWidth: 64,
  outWidth: 64,
  guidance: true,
  ropeAxes: [16, 56, 56],
  ropeTheta: 10_000,
};

const klein4b: Flux2Config = {
  width: 3072,
  heads: 24,
  headDim: 128,
  doubleBlocks: 5,
  singleBlocks: 20,
  mlpWidth: 9216,
  contextWidth: 7680,
  inWidth: 128,
  outWidth: 128,
  guidance: false,
  ropeAxes: [32, 32, 32, 32],
  ropeTheta: 2000,
};

const zImageTurbo: ZImageConfig = {
  width: 3840,
  heads: 30,
  headDim: 128,
  layers: 30,
  refiners: 2,
  mlpWidth: 10_240,
  contextWidth: 2560,
  channels: 16,
  timeHidden: 1024,
  timeWidth: 256,
  ropeAxes: [32, 48, 48],
  ropeTheta: 256,
};

const sd3Medium: Sd3Config = {
  width: 1536,
  heads: 24,
  headDim: 64,
  blocks: 24,
  mlpWidth: 6144,
  channels: 16,
  contextWidth: 4096,
  pooledWidth: 2048,
  positionSide: 192,
  qkNorm: false,
  dualBlocks: [],
};

const sdxlUnet = unet(
  [
    { channels: 320, depth: 0 },
    { channels: 640, depth: 2 },
    { channels: 1280, depth: 10 },
  ],
  { contextWidth: 2048, heads: [5, 10, 20], vectorWidth: 2816 },
);

const clipL = clip('clip-l', 768, 12, 0);
const clipLProjected = clip('clip-l', 768, 12, 768);
const bigG = clip('openclip-bigg', 1280, 32, 1280);

export const TRUE_SIZES = [
  {
    id: 'sd15',
    label: 'Stable Diffusion 1.5',
    family: 'sd1',
    denoiser: unet(SD_LEVELS, { contextWidth: 768, heads: [8, 8, 8, 8] }),
    encoders: [clipL],
    vae: klVae(4, true),
    nativePx: 512,
  },
  {
    id: 'sd-turbo',
    label: 'SD-Turbo',
    family: 'sd2',
    denoiser: unet(SD_LEVELS, { contextWidth: 1024, heads: [5, 10, 20, 20] }),
    // The model has 24 layers and uses 23.
    encoders: [clip('openclip-h', 1024, 23, 0)],
    vae: klVae(4, true),
    nativePx: 512,
    defaults: { steps: 1, cfgScale: 1 },
  },
  {
    id: 'sdxl',
    label: 'Stable Diffusion XL',
    family: 'sdxl',
    denoiser: sdxlUnet,
    encoders: [clipL, bigG],
    vae: klVae(4, true),
    nativePx: 1024,
  },
  {
    id: 'sd3',
    label: 'Stable Diffusion 3 medium',
    family: 'sd3',
    denoiser: { architecture: 'sd3', config: sd3Medium },
    encoders: [clipLProjected, bigG, t5xxl],
    vae: klVae(16, false),
    nativePx: 1024,
  },
  {
    id: 'flux',
    label: 'FLUX.1 dev',
    family: 'flux1',
    denoiser: { architecture: 'flux1', config: flux1Dev },
    encoders: [clipL, t5xxl],
    vae: klVae(16, false),
    nativePx: 1024,
  },
  {
    id: 'klein',
    label: 'FLUX.2 klein 4B',
    family: 'flux2',
    denoiser: { architecture: 'flux2', config: klein4b },
    encoders: [qwen3b4],
    vae: klVae(32, true, true),
    nativePx: 1024,
  },
  {
    id: 'z-image',
    label: 'Z-Image Turbo',
    family: 'z-image',
    denoiser: { architecture: 'z-image', config: zImageTurbo },
    encoders: [qwen3b4],
    vae: klVae(16, false),
    nativePx: 1024,
  },
] as const satisfies readonly TrueSize[];

export type TrueSizeId = (typeof TRUE_SIZES)[number]['id'];

/** The entry of an id, or undefined. */
export function trueSizeById(id: string): TrueSize | undefined {
  return TRUE_SIZES.find((size) => size.id === id);
}
