/** What is found in model files: parts (denoiser, text encoder, autoencoder, adapters), each with its configuration and weights. */
import type { Graph } from '../graph/ir';
import type { WeightMap } from '../graph/weights';

/** Text encoders by what they are, not by where they are used. */
export type TextEncoderId = 'clip-l' | 'openclip-h' | 'openclip-bigg' | 't5' | 'qwen3';

/** What a part does in a generation. */
export type PartRole =
  'denoiser' | 'text-encoder' | 'vae' | 'controlnet' | 't2i-adapter' | 'ip-adapter' | 'clip-vision' | 'upscaler';

/** The network that a part is; its folder below `models/`. */
export type ArchitectureId =
  | 'unet'
  | 'flux1'
  | 'chroma'
  | 'flux2'
  | 'sd3'
  | 'z-image'
  | 'clip'
  | 't5'
  | 'qwen3'
  | 'kl-vae'
  | 'tiny-vae'
  | 'controlnet'
  | 't2i-adapter'
  | 'ip-adapter'
  | 'clip-vision'
  | 'rrdb'
  | 'srvgg'
  | 'anime4k';

export interface ModelPart<Config = unknown> {
  readonly role: PartRole;
  readonly architecture: ArchitectureId;
  /** Set for text encoders. */
  readonly encoder?: TextEncoderId;
  /** Which spelling of the names the file has: `original`, `diffusers`, `transformers`, `open_clip`, `bfl`, `llama.cpp`. */
  readonly layout: string;
  /** Prefix of the part's tensors in its file; empty for files with one part. */
  readonly prefix: string;
  /** The architecture's own configuration, read from shapes and hints. */
  readonly config: Config;
  /** Canonical weight name → stored tensor. */
  readonly weights: WeightMap;
  /** File name, for messages. */
  readonly file: string;
}

/** What every `build…` function returns; `backend.compile(graph, weights)` takes both. */
export interface BuiltGraph {
  readonly graph: Graph;
  readonly weights: WeightMap;
}

/**
 * Numbers that tensor shapes do not tell. Filled from a file's `tiny.config`, from diffusers' `config.json`, or by
 * the caller; absent ones follow the family's rule.
 */
export interface ConfigHints {
  /** Attention heads, of the whole part or per U-Net level (finest first). */
  readonly heads?: number | readonly number[];
  /** Width of one head; `heads` wins. */
  readonly headDim?: number;
  readonly kvHeads?: number;
  readonly activation?: 'quickGelu' | 'gelu';
  /** Rotary axes: width per axis, summing up to the head width. */
  readonly ropeAxes?: readonly number[];
  readonly ropeTheta?: number;
  /** Hidden layers that a decoder-type text encoder hands out. */
  readonly hiddenLayers?: readonly number[];
  /** U-Net parameterisation, where neither metadata nor family tell. */
  readonly prediction?: 'eps' | 'v';
  /** Latent cells that a denoiser was trained at: height, width. */
  readonly trainedCells?: readonly [number, number];
  /** Width of the features of each number in a vector condition (SDXL's size ids). */
  readonly sizeIdWidth?: number;
  /** Residual blocks of each level of a T2I-Adapter. */
  readonly blocksPerLevel?: number;
}

/** Hints per part: by text encoder id, or by role. */
export type HintTable = Readonly<Partial<Record<TextEncoderId | PartRole, ConfigHints>>>;
