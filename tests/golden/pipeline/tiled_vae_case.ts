/** One autoencoder, whole and in tiles, on any backend. */
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { AppError } from '../../../src/lib/base/errors';
import type { DetectedModel } from '../../../src/lib/models/family';
import { klStride } from '../../../src/lib/models/kl_vae/build';
import type { KlVaeConfig } from '../../../src/lib/models/kl_vae/config';
import type { ModelPart } from '../../../src/lib/models/part';
import { tinyStride } from '../../../src/lib/models/tiny_vae/build';
import type { TinyVaeConfig } from '../../../src/lib/models/tiny_vae/config';
import { LoadedModel, type TokenizerSet } from '../../../src/lib/pipeline/loaded_model';
import {
  buildVae,
  runProgram,
  runTiledVae,
  tiledVae,
  tilesOf,
  type VaeSide,
  type VaeSize,
} from '../../../src/lib/pipeline/tiled_vae';

export interface LoadedVae {
  readonly part: ModelPart;
  readonly model: LoadedModel;
  readonly sides: readonly VaeSide[];
  readonly stride: number;
  readonly channels: number;
  /**
   * PSNR that tiles must reach, dB: rounding only without norms; with them the statistics are estimates, good to 34 dB
   * in these random networks on noisy patterns.
   */
  readonly bound: number;
}

/** A model of an autoencoder alone. */
export function loadVae(part: ModelPart, backend: Backend): LoadedVae | undefined {
  const tiny = part.architecture === 'tiny-vae';
  const config = part.config as (KlVaeConfig | TinyVaeConfig) & { encoder?: unknown; decoder?: unknown };
  const packed = !tiny && (config as KlVaeConfig).batchNorm ? 2 : 1;
  const stride = packed * (tiny ? tinyStride(config as TinyVaeConfig) : klStride(config as KlVaeConfig));
  const channels = packed * packed * config.latentChannels;
  const sides = (['decoder', 'encoder'] as const).filter((side) => config[side] !== undefined);
  if (sides.length === 0 || stride === 1) return undefined;
  const latent = { channels, stride, multiple: stride, evenMultiple: stride, scale: 1, shift: 0 };
  const detected = { label: part.file, latent, family: { latent }, vae: part } as unknown as DetectedModel;
  const model = new LoadedModel({ detected, backend, tokenizers: {} as TokenizerSet, id: '', name: '', hash: '' });
  return { part, model, sides, stride, channels, bound: tiny ? 100 : 32 };
}

/** Pseudo-random, smooth over a few cells with noise on top, as latents and pictures are. */
function pattern(channels: number, height: number, width: number, range: readonly [number, number]): Float32Array {
  let state = 12345;
  const random = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32) * 2 - 1;
  const phases = Array.from({ length: channels }, () => [random(), random(), random()] as const);
  const data = new Float32Array(channels * height * width);
  let at = 0;
  for (const [a, b, c] of phases) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const wave = Math.sin((6 * a * x) / width + (7 * b * y) / height + 9 * c) + 0.4 * random();
        data[at++] = range[0] + ((wave + 1.4) / 2.8) * (range[1] - range[0]);
      }
    }
  }
  return data;
}

/** Small tiles with as much inside as at the edges, and a map of a few of them. */
function smallTiles(vae: LoadedVae, side: VaeSide, circular: boolean) {
  for (let cells = 4; ; cells += 4) {
    // The overlap is a matter of the network, not of the size.
    const size: VaeSize = { height: circular ? cells + cells / 2 : cells, width: cells + cells / 2, circular };
    try {
      const tiles = tiledVae(vae.model.detected, side, size, cells * vae.stride);
      if (tiles.rules.side >= 3 * tiles.rules.halo) return { size, tiles };
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'argument/invalid') throw error;
    }
  }
}

export async function compareTiled(vae: LoadedVae, side: VaeSide, circular: boolean) {
  const { size, tiles } = smallTiles(vae, side, circular);
  const { model, stride, channels } = vae;
  const input: HostTensor =
    side === 'decoder'
      ? { shape: [1, channels, size.height, size.width], data: pattern(channels, size.height, size.width, [-2, 2]) }
      : {
          shape: [1, 3, size.height * stride, size.width * stride],
          data: pattern(3, size.height * stride, size.width * stride, [0, 1]),
        };
  const what = {
    component: side,
    key: JSON.stringify(size),
    build: () => buildVae(model.detected, side, size),
  };
  const [whole] = Object.values(await runProgram(model, what, input, undefined));
  if (!whole) throw new Error('no output');
  const joined = await runTiledVae(model, tiles, input);
  const count = tilesOf(tiles, size).length;
  return { psnr: psnrOf(whole, joined), seam: seamOf(whole, joined), tiles: count };
}

function psnrOf(whole: HostTensor, joined: HostTensor): number {
  let [min, max, error] = [Infinity, -Infinity, 0];
  for (let i = 0; i < whole.data.length; i++) {
    const value = whole.data[i]!;
    min = Math.min(min, value);
    max = Math.max(max, value);
    error += (value - joined.data[i]!) ** 2;
  }
  return 10 * Math.log10((max - min) ** 2 / (error / whole.data.length));
}

/**
 * Largest change between neighbouring columns against the same change in the whole picture: about 1 where tiles leave no
 * edge, since an edge is a change that the whole picture does not have.
 */
function seamOf(whole: HostTensor, joined: HostTensor): number {
  const [, channels = 0, height = 0, width = 0] = whole.shape;
  const changes = ({ data }: HostTensor): Float64Array => {
    const sums = new Float64Array(width - 1);
    for (let line = 0; line < channels * height; line++) {
      for (let x = 0; x + 1 < width; x++) sums[x]! += Math.abs(data[line * width + x + 1]! - data[line * width + x]!);
    }
    return sums;
  };
  const wanted = changes(whole);
  return Math.max(...changes(joined).map((sum, x) => sum / wanted[x]!));
}
