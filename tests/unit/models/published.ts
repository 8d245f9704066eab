/** Published models at full size, built from their numbers: `unet` levels, widths, blocks. */
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import type { GraphBuilder } from '../../../src/lib/graph/builder';
import { clipFinalNorm, clipHidden, clipPooled } from '../../../src/lib/models/clip/network';
import type { ClipConfig } from '../../../src/lib/models/clip/config';
import { clipLayers } from '../../../src/lib/models/clip/names';
import type { Flux1Config } from '../../../src/lib/models/flux1/config';
import { flux1Layers } from '../../../src/lib/models/flux1/names';
import { conditioningVector, flux1, layeredModulations } from '../../../src/lib/models/flux1/network';
import { klDecoder, klEncoder } from '../../../src/lib/models/kl_vae/network';
import type { KlVaeConfig } from '../../../src/lib/models/kl_vae/config';
import { klVaeLayers } from '../../../src/lib/models/kl_vae/names';
import { t5Encoder, t5Layers, type T5Config } from '../../../src/lib/models/t5/t5';
import type { UNetConfig, UNetLevel } from '../../../src/lib/models/unet/config';
import { unetLayers } from '../../../src/lib/models/unet/names';
import { unet } from '../../../src/lib/models/unet/network';
import { asFile, joined, wantedWeights } from './synthetic';

/** U-Net of two residual blocks a level. */
function unetConfig(options: {
  base: number;
  multiply: readonly number[];
  depths: readonly number[];
  context: number;
  linear: boolean;
  vector?: number;
  channels?: number;
  midDepth?: number;
}): UNetConfig {
  const { base, multiply, depths, context, linear, vector = 0, channels = 4 } = options;
  const level = (i: number, blocks: number, resample: boolean): UNetLevel => ({
    blocks: Array.from({ length: blocks }, () => ({ channels: base * (multiply[i] ?? 1), depth: depths[i] ?? 0 })),
    resample,
  });
  const last = multiply.length - 1;
  return {
    inChannels: channels,
    outChannels: 4,
    stemChannels: base,
    timeFeatures: base,
    timeWidth: 4 * base,
    down: multiply.map((_, i) => level(i, 2, i < last)),
    mid: { channels: base * (multiply[last] ?? 1), depth: options.midDepth ?? (depths[last] || 1), resnets: 2 },
    up: multiply.map((_, i) => level(last - i, 3, i < last)),
    contextWidth: context,
    linearProjection: linear,
    heads: multiply.map(() => 8),
    vectorWidth: vector,
    guidanceWidth: 0,
  };
}

export const SD15 = unetConfig({
  base: 320,
  multiply: [1, 2, 4, 4],
  depths: [1, 1, 1, 0],
  context: 768,
  linear: false,
});
export const SD15_INPAINT = { ...SD15, inChannels: 9 };
export const SD21 = { ...SD15, contextWidth: 1024, linearProjection: true };
export const SDXL = unetConfig({
  base: 320,
  multiply: [1, 2, 4],
  depths: [0, 2, 10],
  context: 2048,
  linear: true,
  vector: 2816,
});
export const REFINER = unetConfig({
  base: 384,
  multiply: [1, 2, 4, 4],
  depths: [0, 4, 4, 0],
  midDepth: 4,
  context: 1280,
  linear: true,
  vector: 2560,
});

function image(g: GraphBuilder, channels: number, size = 64) {
  return g.input('x', [1, channels, size, size], { layout: 'image' });
}

export function unetFile(config: UNetConfig, layout: 'original' | 'diffusers', prefix = ''): TensorIndex {
  const shapes = wantedWeights((g) => {
    unet(g, config, {
      x: image(g, config.inChannels),
      timestep: g.input('timestep', [1]),
      conditions: { context: g.input('context', [1, 77, config.contextWidth]) },
      ...(config.vectorWidth > 0 ? { vector: g.input('vector', [1, config.vectorWidth]) } : {}),
    });
  });
  return asFile('unet.safetensors', shapes, unetLayers(config), layout, prefix);
}

export const CLIP_L: ClipConfig = {
  width: 768,
  layers: 12,
  heads: 12,
  mlpWidth: 3072,
  vocabulary: 49408,
  positions: 77,
  activation: 'quickGelu',
  projection: 768,
};

export function clipFile(config: ClipConfig, layout: string, prefix = ''): TensorIndex {
  const shapes = wantedWeights((g) => {
    const tokens = g.input('tokens', [1, config.positions], { elementType: 'i32' });
    const last = clipHidden(g, config, { tokens }).at(-1);
    if (last) clipPooled(g, config, clipFinalNorm(g, last), g.input('end', [1], { elementType: 'i32' }));
  });
  return asFile('clip.safetensors', shapes, clipLayers(config), layout, prefix);
}

export const T5_XXL: T5Config = {
  width: 4096,
  layers: 24,
  heads: 64,
  innerWidth: 4096,
  mlpWidth: 10240,
  vocabulary: 32128,
  buckets: 32,
  maxDistance: 128,
};

export function t5File(config: T5Config, layout: string, prefix = ''): TensorIndex {
  const shapes = wantedWeights((g) => t5Encoder(g, config, g.input('tokens', [1, 16], { elementType: 'i32' })));
  return asFile('t5.safetensors', shapes, t5Layers(config), layout, prefix);
}

export const SD_VAE: KlVaeConfig = {
  latentChannels: 4,
  encoder: {
    stem: 128,
    levels: [128, 256, 512, 512].map((c, i) => ({ blocks: [c, c], resample: i < 3 })),
    mid: 512,
  },
  decoder: { stem: 512, levels: [512, 512, 256, 128].map((c, i) => ({ blocks: [c, c, c], resample: i < 3 })) },
  quantConv: true,
  postQuantConv: true,
  batchNorm: false,
};

export function vaeFile(config: KlVaeConfig, layout: string, prefix = ''): TensorIndex {
  const shapes = wantedWeights((g) => {
    klEncoder(g, config, g.input('pixels', [1, 3, 64, 64], { layout: 'image' }));
    klDecoder(g, config, g.input('latent', [1, config.latentChannels, 8, 8], { layout: 'image' }));
  });
  return asFile('vae.safetensors', shapes, klVaeLayers(config), layout, prefix);
}

export const FLUX_DEV: Flux1Config = {
  width: 3072,
  heads: 24,
  headDim: 128,
  doubleBlocks: 19,
  singleBlocks: 38,
  mlpWidth: 12288,
  contextWidth: 4096,
  pooledWidth: 768,
  inWidth: 64,
  outWidth: 64,
  guidance: true,
  ropeAxes: [16, 56, 56],
  ropeTheta: 10_000,
};

export function fluxFile(config: Flux1Config, layout: 'bfl' | 'diffusers', prefix = ''): TensorIndex {
  const shapes = wantedWeights((g) => {
    const vector = conditioningVector(g, config, {
      timestep: g.input('timestep', [1]),
      ...(config.guidance ? { guidance: g.input('guidance', [1]) } : {}),
      pooled: g.input('pooled', [1, config.pooledWidth]),
    });
    flux1(g, config, {
      tokens: g.input('tokens', [1, 4, config.inWidth]),
      context: g.input('context', [1, 8, config.contextWidth]),
      modulations: layeredModulations(g, config, vector),
      height: 2,
      width: 2,
    });
  });
  return asFile('flux.safetensors', shapes, flux1Layers(config), layout, prefix);
}

/** The single file that people have of SD 1.5: U-Net, CLIP-L and autoencoder. */
export function sd15Checkpoint(file = 'sd15.safetensors'): TensorIndex {
  return joined(
    file,
    unetFile(SD15, 'original', 'model.diffusion_model.'),
    clipFile(CLIP_L, 'transformers', 'cond_stage_model.transformer.'),
    vaeFile(SD_VAE, 'original', 'first_stage_model.'),
  );
}
