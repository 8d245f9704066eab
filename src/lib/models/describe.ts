/** What a file is, in words: for the model list, the inspector, and messages. */
import type { Flux1Config } from './flux1/config';
import type { Flux2Config } from './flux2/flux2';
import type { ClipConfig } from './clip/config';
import type { DetectedFile, FileKind } from './detect';
import type { KlVaeConfig } from './kl_vae/config';
import type { ModelPart } from './part';
import type { Sd3Config } from './sd3/sd3';
import type { TinyVaeConfig } from './tiny_vae/config';
import type { UNetConfig } from './unet/config';
import { rrdbScale, type RrdbConfig } from './upscaler/rrdb';
import type { SrvggConfig } from './upscaler/srvgg';

export interface FileFacts {
  readonly kind: FileKind;
  /** Model family, text encoder family (`clip`, `t5`, `qwen3`) or upscaler family (`esrgan`, `compact`). */
  readonly family?: string;
  readonly layout?: string;
  readonly container: string;
  /** `unet`, `vae` and encoder ids of a checkpoint. */
  readonly parts: readonly string[];
  /** Stored type of most weights of the denoiser, when it is a quantised one. */
  readonly quant?: string;
  /** Facts of the one part that matter to users: `guidance`, `qk_norm`, `latent_channels`… */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

function layoutLabel(file: DetectedFile, part: ModelPart): string | undefined {
  const { layout, prefix, architecture } = part;
  switch (architecture) {
    case 'unet':
      return layout === 'original' && prefix === '' ? 'original, no prefix' : layout;
    case 'flux1':
      return prefix === '' || layout !== 'bfl' ? layout : `${layout} with ${prefix}`;
    case 'kl-vae':
      return (part.config as KlVaeConfig).batchNorm && layout === 'original' ? 'original (FLUX.2)' : layout;
    case 'clip':
      return layout === 'transformers-bare' ? 'transformers 5, no prefix' : layout;
    case 't5':
      return file.index.tensors.has(`${prefix}encoder.embed_tokens.weight`) &&
        file.index.tensors.has(`${prefix}shared.weight`)
        ? `${layout}, duplicate embed_tokens`
        : layout;
    case 'rrdb':
      return layout === 'basicsr' ? 'new names' : 'old names';
    case 'srvgg':
    case 'anime4k':
    case 'ip-adapter':
      return undefined;
    default:
      return layout;
  }
}

function partFamily(part: ModelPart): string | undefined {
  if (part.architecture === 'rrdb') return 'esrgan';
  if (part.architecture === 'srvgg') return 'compact';
  if (part.architecture === 'anime4k') return 'anime4k';
  return part.role === 'text-encoder' ? part.architecture : undefined;
}

function detailsOf(file: DetectedFile, part: ModelPart): Record<string, string | number | boolean> {
  switch (part.architecture) {
    case 'unet': {
      const config = part.config as UNetConfig;
      const reshaped = [...file.index.metadata.keys()].some((key) => key.startsWith('comfy.gguf.orig_shape.'));
      return {
        ...(config.inChannels === 9 ? { variant: 'inpaint (9 input channels)' } : {}),
        ...(config.guidanceWidth > 0 ? { variant: 'guidance embedding' } : {}),
        ...(reshaped ? { reshaped } : {}),
      };
    }
    case 'flux1':
      return { guidance: (part.config as Flux1Config).guidance };
    case 'flux2':
      return { guidance: (part.config as Flux2Config).guidance };
    case 'sd3': {
      const { qkNorm, dualBlocks } = part.config as Sd3Config;
      return { qk_norm: qkNorm, ...(dualBlocks.length > 0 ? { dual_attention: true } : {}) };
    }
    case 'kl-vae': {
      const config = part.config as KlVaeConfig;
      return config.batchNorm
        ? { variant: 'batch-norm latents' }
        : { latent_channels: config.latentChannels, quant_conv: config.quantConv };
    }
    case 'tiny-vae':
      return { latent_channels: (part.config as TinyVaeConfig).latentChannels };
    case 'clip':
      return { projection: (part.config as ClipConfig).projection > 0 };
    case 'ip-adapter':
      return { variant: 'plain' };
    case 'rrdb':
      return { scale: rrdbScale(part.config as RrdbConfig) };
    case 'srvgg':
      return { scale: (part.config as SrvggConfig).scale };
    case 'anime4k':
      return { scale: 2 };
    default:
      return {};
  }
}

/** How most matrices of a part are stored, named as users know it; undefined for plain floats and GGUF types. */
function quantOf(part: ModelPart): string | undefined {
  const counts = new Map<string, number>();
  for (const { tensor } of part.weights.values()) {
    if (tensor.shape.length < 2) continue;
    const { companions } = tensor;
    let name: string = tensor.type;
    if (name === 'NF4' || name === 'FP4') {
      name = name.toLowerCase() + (companions?.nested_absmax ? ', nested absmax' : '');
    } else if (companions?.SCB) name = 'int8 rows';
    else if (name === 'F8_E4M3') name = `float8 e4m3fn${companions?.scale ? ' scaled' : ''}`;
    else if (name === 'F8_E5M2') name = `float8 e5m2${companions?.scale ? ' scaled' : ''}`;
    else continue;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}

const PART_NAMES: Readonly<Partial<Record<ModelPart['role'], string>>> = { denoiser: 'unet', vae: 'vae' };

/** Facts of a detected file. */
export function describeFile(file: DetectedFile): FileFacts {
  const { parts, kind, index } = file;
  const main = parts.find((part) => part.role === 'denoiser') ?? parts[0];
  const order = ['denoiser', 'vae', 'text-encoder'];
  const sorted = [...parts].sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role));
  const family = file.family ?? file.fragmentOf ?? (main && partFamily(main));
  const layout = main ? layoutLabel(file, main) : undefined;
  const quant = main && quantOf(main);
  const architecture = index.metadata.get('general.architecture');
  return {
    kind,
    ...(family === undefined ? {} : { family }),
    ...(layout === undefined ? {} : { layout }),
    container: index.format,
    parts: sorted.map((part) => part.encoder ?? PART_NAMES[part.role] ?? part.role),
    ...(quant === undefined ? {} : { quant }),
    details: {
      ...(typeof architecture === 'string' ? { architecture } : {}),
      ...(main ? detailsOf(file, main) : {}),
    },
  };
}
