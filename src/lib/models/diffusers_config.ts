/**
 * `config.json` and `scheduler_config.json` of diffusers and transformers folders as hints: what tensor shapes do not
 * tell. User-supplied text: read field by field, never trusted for structure.
 * Source of the field names: diffusers `models/*`, transformers `models/{clip,t5,qwen3}/configuration_*.py`.
 */
import type { ByteSource } from '../base/byte_source';
import { nameOf } from '../base/file_path';
import type { ConfigHints, TextEncoderId } from './part';

type Json = Readonly<Record<string, unknown>>;

const MAX_CONFIG_BYTES = 1 << 20;

/** A small JSON object; undefined for anything else, because a broken note is no reason to refuse weights. */
export async function readSmallJson(source: ByteSource, signal?: AbortSignal): Promise<Json | undefined> {
  if (source.sizeBytes > MAX_CONFIG_BYTES) return undefined;
  try {
    const bytes = await source.read(0, source.sizeBytes, signal);
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 4096 ? value : undefined;

function counts(value: unknown): readonly number[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > 16) return undefined;
  const list = value.map(count);
  return list.every((one) => one !== undefined) ? list : undefined;
}

/** U-Nets call the number of heads `attention_head_dim`, a name that stayed from a mistake in diffusers. */
function headsOf(config: Json): ConfigHints['heads'] {
  const { num_attention_heads: heads, n_heads, num_heads, attention_head_dim: named } = config;
  const own = counts(heads) ?? count(heads) ?? count(n_heads) ?? count(num_heads);
  if (own !== undefined) return own;
  return config['_class_name'] === 'UNet2DConditionModel' ? (counts(named) ?? count(named)) : undefined;
}

/** The size that a denoiser was trained at; autoencoders say theirs in pixels, under the same name. */
function trainedCells({ _class_name: name, sample_size: size }: Json): ConfigHints['trainedCells'] {
  if (!/(UNet2DCondition|Transformer2D)/.test(String(name))) return undefined;
  const [height, width] = counts(size) ?? [count(size), count(size)];
  return height === undefined || width === undefined ? undefined : [height, width];
}

/** Hints of one component's configuration. */
export function configHints(config: Json): ConfigHints {
  const heads = headsOf(config);
  const kvHeads = count(config['num_key_value_heads']) ?? count(config['n_kv_heads']);
  const ropeAxes = counts(config['axes_dims_rope']) ?? counts(config['axes_dims']);
  const theta = config['rope_theta'] ?? (config['rope_parameters'] as Json | undefined)?.['rope_theta'];
  const act = config['hidden_act'];
  const cells = trainedCells(config);
  const sizeIdWidth = count(config['addition_time_embed_dim']);
  const blocksPerLevel = count(config['num_res_blocks']);
  const activation = act === 'quick_gelu' ? 'quickGelu' : act === 'gelu' ? 'gelu' : undefined;
  return {
    ...(heads === undefined ? {} : { heads }),
    ...(kvHeads === undefined ? {} : { kvHeads }),
    ...(ropeAxes ? { ropeAxes } : {}),
    ...(typeof theta === 'number' && theta > 1 && theta < 1e9 ? { ropeTheta: theta } : {}),
    ...(activation ? { activation } : {}),
    ...(cells ? { trainedCells: cells } : {}),
    ...(sizeIdWidth === undefined ? {} : { sizeIdWidth }),
    ...(blocksPerLevel === undefined ? {} : { blocksPerLevel }),
  };
}

/** What a scheduler's configuration says of the denoiser's output. */
export function schedulerHints(config: Json): ConfigHints {
  const kind = config['prediction_type'];
  if (kind === 'v_prediction') return { prediction: 'v' };
  return kind === 'epsilon' ? { prediction: 'eps' } : {};
}

/**
 * Which CLIP a text encoder folder holds, where shapes do not tell.
 * @param folder `text_encoder`, `text_encoder_2` …
 */
export function encoderOfFolder(folder: string, config: Json | undefined): TextEncoderId | undefined {
  const name = nameOf(folder);
  const architectures = config?.['architectures'];
  const clip = Array.isArray(architectures) && architectures.some((one) => /^CLIPTextModel/.test(String(one)));
  if (!clip) return undefined;
  if (name === 'text_encoder_2') return 'openclip-bigg';
  if (name !== 'text_encoder') return undefined;
  return config?.['hidden_act'] === 'gelu' ? 'openclip-h' : 'clip-l';
}
