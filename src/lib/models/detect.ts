/**
 * What is in a file: parts by names and shapes alone, never by file name; then, from one or several files, a model.
 * Facts: diffusers `loaders/single_file_utils.py`, ComfyUI's documented key conventions, published checkpoints.
 */
import type { TensorIndex } from '../formats/tensor_index';
import { findClip } from './clip/build';
import type { FamilyId } from './family';
import { foreignFamily, foreignUNet } from './foreign';
import { declaredHints, hintsFor, readDeclared, type Declared } from './declared';
import { findKlVae } from './kl_vae/build';
import { findClipVision } from './clip_vision/clip_vision';
import { findControlNet, type ControlNetConfig } from './controlnet/controlnet';
import { findFlux1 } from './flux1/build';
import { findFlux2 } from './flux2/flux2';
import { adapterFamily as loraFamily, isAdapter } from './lora/family';
import type { ConfigHints, HintTable, ModelPart, TextEncoderId } from './part';
import { findQwen3 } from './qwen3/qwen3';
import { findIpAdapter, type IpAdapterConfig } from './ip_adapter/ip_adapter';
import { findSd3 } from './sd3/sd3';
import { findT2iAdapter, isXlAdapter, type T2iAdapterConfig } from './t2i_adapter/t2i_adapter';
import { findT5 } from './t5/t5';
import { findAnime4k } from './upscaler/anime4k';
import { findRrdb } from './upscaler/rrdb';
import { findSrvgg } from './upscaler/srvgg';
import { findZImage } from './z_image/z_image';
import { TensorView } from './tensor_view';
import { embeddingFamily } from './textual_inversion';
import { findTinyVae } from './tiny_vae/build';
import { findUNet } from './unet/build';
import type { UNetConfig } from './unet/config';

export type FileKind =
  | 'checkpoint'
  | 'unet'
  | 'transformer'
  | 'vae'
  | 'tiny-vae'
  | 'tiny-vae-encoder'
  | 'tiny-vae-decoder'
  | 'text_encoder'
  | 'controlnet'
  | 't2i-adapter'
  | 'ip-adapter'
  | 'clip-vision'
  | 'lora'
  | 'embedding'
  | 'upscaler'
  /** Parts of something, without a denoiser; usable together with other files. */
  | 'partial'
  | 'unknown';

export interface DetectedFile {
  readonly file: string;
  readonly kind: FileKind;
  /** Set when the file has a denoiser, or an adapter for one. */
  readonly family?: FamilyId;
  readonly parts: readonly ModelPart[];
  /** What a file without whole parts is a piece of. */
  readonly fragmentOf?: string;
  /** What the file's own metadata declare: title, resolution, prediction. */
  readonly declared: Declared;
  /** Name of a family whose denoiser is in the file and which is not run here. */
  readonly foreign?: string;
  readonly index: TensorIndex;
}

const DENOISER_PREFIXES = ['model.diffusion_model.', 'diffusion_model.', 'transformer.', 'unet.', 'net.', ''];
const VAE_PREFIXES = ['first_stage_model.', 'vae.', ''];
/** Prefix and, where the place tells it, which encoder it is. The first that matches an encoder wins. */
const CLIP_PREFIXES: readonly (readonly [string, TextEncoderId | undefined])[] = [
  ['cond_stage_model.transformer.', 'clip-l'],
  ['cond_stage_model.model.', 'openclip-h'],
  ['conditioner.embedders.0.transformer.', 'clip-l'],
  ['conditioner.embedders.0.model.', 'openclip-bigg'],
  ['conditioner.embedders.1.model.', 'openclip-bigg'],
  ['text_encoders.clip_l.transformer.', 'clip-l'],
  ['text_encoders.clip_g.transformer.', 'openclip-bigg'],
  ['text_encoders.clip_h.transformer.', 'openclip-h'],
  ['clip_l.transformer.', 'clip-l'],
  ['clip_g.transformer.', 'openclip-bigg'],
  ['', undefined],
];

/** Pickled upscalers keep their weights one level down. */
const ADAPTER_PREFIXES = ['control_model.', 'controlnet.', 'params_ema.', 'params.', ''];

/** Adapters and upscalers: files of one part. */
function findAdapter(
  view: TensorView,
  file: string,
  hint: (key: keyof HintTable) => ConfigHints,
): ModelPart | undefined {
  return (
    findControlNet(view, file, hint('denoiser')) ??
    findIpAdapter(view, file) ??
    findT2iAdapter(view, file, hint('t2i-adapter')) ??
    findClipVision(view, file, hint('clip-vision')) ??
    findRrdb(view, file) ??
    findSrvgg(view, file) ??
    findAnime4k(view, file)
  );
}

/** Family of the denoiser that an adapter is for, as far as context widths tell. */
function adapterFamily({ config, role }: ModelPart): FamilyId | undefined {
  if (role === 'controlnet') {
    const { unet } = config as ControlNetConfig;
    return unet.vectorWidth > 0 ? 'sdxl' : unet.linearProjection ? 'sd2' : 'sd1';
  }
  if (role === 'ip-adapter') {
    const { contextWidth } = config as IpAdapterConfig;
    return contextWidth === 2048 ? 'sdxl' : contextWidth === 1024 ? 'sd2' : 'sd1';
  }
  if (role !== 't2i-adapter') return undefined;
  return isXlAdapter(config as T2iAdapterConfig) ? 'sdxl' : 'sd1';
}

const REFINER_SIZE_IDS = 5;

/** Family of a U-Net by its conditions. Widths of published models first, then structure for small ones. */
function unetFamilyId(config: UNetConfig, view: TensorView, hints: ConfigHints | undefined): FamilyId | undefined {
  const { contextWidth, vectorWidth, linearProjection } = config;
  if (contextWidth === 0) return undefined;
  if (vectorWidth > 0) {
    if (contextWidth === 1024 || vectorWidth === 5632) return undefined;
    if (contextWidth === 1280) return 'sdxl-refiner';
    // The refiner knows one text encoder, whose width is also that of its pooled vector, and five size ids, not six.
    const ids = (vectorWidth - contextWidth) / (hints?.sizeIdWidth ?? NaN);
    if (ids === REFINER_SIZE_IDS) return 'sdxl-refiner';
    const onlyG = view.hasBelow('conditioner.embedders.0.model.');
    return onlyG ? 'sdxl-refiner' : 'sdxl';
  }
  return linearProjection ? 'sd2' : 'sd1';
}

/** Denoisers by their own names; U-Nets last, whose canonical names others resemble least. */
const DENOISERS = [findFlux2, findFlux1, findSd3, findZImage, findUNet] as const;

function findDenoiser(view: TensorView, file: string, hints: ConfigHints | undefined): ModelPart | undefined {
  for (const find of DENOISERS) {
    const found = find(view, file, hints);
    if (found) return found;
  }
  return undefined;
}

function familyOf(denoiser: ModelPart, all: TensorView, hints: ConfigHints | undefined): FamilyId | undefined {
  switch (denoiser.architecture) {
    case 'unet':
      return unetFamilyId(denoiser.config as UNetConfig, all, hints);
    case 'flux1':
    case 'chroma':
    case 'flux2':
    case 'sd3':
    case 'z-image':
      return denoiser.architecture;
    default:
      return undefined;
  }
}

type FindEncoder = (view: TensorView, file: string, hints?: ConfigHints) => ModelPart | undefined;
const OTHER_ENCODERS: readonly (readonly [TextEncoderId, readonly string[], FindEncoder])[] = [
  ['t5', ['text_encoders.t5xxl.transformer.', 't5xxl.transformer.', 'text_encoder.', ''], findT5],
  [
    'qwen3',
    ['text_encoders.qwen3_4b.transformer.', 'text_encoders.qwen3_8b.transformer.', 'text_encoder.', ''],
    findQwen3,
  ],
];

function first<T>(prefixes: readonly string[], all: TensorView, find: (view: TensorView) => T | undefined) {
  for (const prefix of prefixes) {
    const found = find(all.below(prefix));
    if (found) return found;
  }
  return undefined;
}

export interface DetectOptions {
  /** Which text encoder a stand-alone file is, where its place tells (`text_encoder_2/` of a diffusers folder). */
  readonly encoder?: TextEncoderId;
}

/**
 * Parts of one file.
 * @param hints numbers that shapes do not tell; win over the file's own
 */
export function detectFile(index: TensorIndex, hints: HintTable = {}, options: DetectOptions = {}): DetectedFile {
  const all = TensorView.of(index.tensors);
  const declared = readDeclared(index.metadata);
  const own = declaredHints(declared);
  const hint = (key: keyof HintTable) => hintsFor(key, hints, own);
  const parts: ModelPart[] = [];
  let family: FamilyId | undefined;

  const denoiser = first(DENOISER_PREFIXES, all, (view) => findDenoiser(view, index.name, hint('denoiser')));
  if (denoiser) {
    parts.push(denoiser);
    family = familyOf(denoiser, all, hint('denoiser'));
  }
  for (const [prefix, place] of CLIP_PREFIXES) {
    if (prefix === '' && parts.length > 0) continue;
    const known = place ?? options.encoder;
    const clip = findClip(all.below(prefix), index.name, { ...(known ? { place: known } : {}), hints: hint });
    if (clip) parts.push(clip);
  }
  for (const [id, prefixes, find] of OTHER_ENCODERS) {
    const found = first(parts.length > 0 ? prefixes.filter((p) => p !== '') : prefixes, all, (view) =>
      find(view, index.name, hint(id)),
    );
    if (found) parts.push(found);
  }
  const adapter = denoiser ? undefined : first(ADAPTER_PREFIXES, all, (view) => findAdapter(view, index.name, hint));
  if (adapter) {
    parts.push(adapter);
    family = adapterFamily(adapter);
  }
  const vae = first(VAE_PREFIXES, all, (view) => findKlVae(view, index.name) ?? findTinyVae(view, index.name));
  if (vae) parts.push(vae);

  const loose = parts.length === 0 ? looseKind(index) : undefined;
  family ??= loose?.family;
  const foreign = foreignOf(denoiser, index);
  return {
    file: index.name,
    kind: loose?.kind ?? fileKind(parts),
    ...(family ? { family } : {}),
    ...(loose?.fragmentOf ? { fragmentOf: loose.fragmentOf } : {}),
    ...(foreign === undefined ? {} : { foreign }),
    parts,
    declared,
    index,
  };
}

function foreignOf(denoiser: ModelPart | undefined, { tensors }: TensorIndex): string | undefined {
  if (!denoiser) return foreignFamily(new Set(tensors.keys()), DENOISER_PREFIXES);
  return denoiser.architecture === 'unet' ? foreignUNet(denoiser.config as UNetConfig) : undefined;
}

interface Loose {
  readonly kind: FileKind;
  readonly family?: FamilyId;
  readonly fragmentOf?: string;
}

/** Names that only occur inside a network, with the family they speak for. */
const FRAGMENTS: readonly (readonly [RegExp, string])[] = [
  [
    /(^|\.)(double_blocks\.\d|single_blocks\.\d|time_in\.in_layer|vector_in\.|guidance_in\.|img_in\.|txt_in\.)/,
    'flux1',
  ],
  [/(^|\.)joint_blocks\.\d/, 'sd3'],
  [/(^|\.)(input_blocks|output_blocks|middle_block)\.\d|(^|\.)(down|up)_blocks\.\d+\.attentions/, 'unet'],
  [/(^|\.)encoder\.block\.\d+\.layer\.\d/, 't5'],
  [/(^|\.)text_model\.encoder\.layers\.\d/, 'clip'],
  [/(^|\.)(en|de)coder\.(mid_block|mid|up_blocks|down_blocks|up|down)\./, 'vae'],
];

/** A file without a whole part: adapter, embedding, piece of a model, or unknown. */
function looseKind(index: TensorIndex): Loose {
  const { tensors } = index;
  if (isAdapter(tensors)) {
    const family = loraFamily(tensors);
    return { kind: 'lora', ...(family ? { family } : {}) };
  }
  const names = [...tensors.keys()];
  const fragment = FRAGMENTS.find(([mark]) => names.some((name) => mark.test(name)))?.[1];
  if (fragment !== undefined) return { kind: 'partial', fragmentOf: fragment };
  // One tensor is what many embeddings are; as ONNX it is a network.
  const embedding = index.format === 'onnx' ? undefined : embeddingFamily(index);
  return embedding ? { kind: 'embedding', family: embedding } : { kind: 'unknown' };
}

function fileKind(parts: readonly ModelPart[]): FileKind {
  const only = parts.length === 1 ? parts[0] : undefined;
  const denoiser = parts.find((part) => part.role === 'denoiser');
  if (denoiser) {
    if (!only) return 'checkpoint';
    return denoiser.architecture === 'unet' ? 'unet' : 'transformer';
  }
  if (!only) return parts.length === 0 ? 'unknown' : 'partial';
  switch (only.role) {
    case 'text-encoder':
      return 'text_encoder';
    case 'vae': {
      if (only.architecture !== 'tiny-vae') return 'vae';
      const { encoder, decoder } = only.config as { encoder?: unknown; decoder?: unknown };
      return encoder && decoder ? 'tiny-vae' : encoder ? 'tiny-vae-encoder' : 'tiny-vae-decoder';
    }
    case 'controlnet':
    case 't2i-adapter':
    case 'ip-adapter':
    case 'clip-vision':
    case 'upscaler':
      return only.role;
    default:
      return 'unknown';
  }
}
