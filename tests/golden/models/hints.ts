/** A golden `config.json` as hints: only what tensor shapes cannot tell. */
import type { ConfigHints, HintTable, TextEncoderId } from '../../../src/lib/models/part';

type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Encoder ids by the `type` that the configurations give. */
const ENCODERS: Readonly<Record<string, TextEncoderId>> = {
  'clip-l': 'clip-l',
  'openclip-h': 'openclip-h',
  'openclip-bigg': 'openclip-bigg',
  't5-v1.1-encoder': 't5',
  qwen3: 'qwen3',
};

export function encoderIdOf(section: unknown): TextEncoderId | undefined {
  return isRecord(section) ? ENCODERS[String(section['type'])] : undefined;
}

function pick(section: Json): ConfigHints {
  const heads =
    section['num_attention_heads_per_level'] ??
    section['num_attention_heads'] ??
    section['num_heads'] ??
    section['n_heads'];
  const axes = section['axes_dim'] ?? section['axes_dims'];
  const theta = section['theta'] ?? section['rope_theta'];
  const act = section['hidden_act'];
  return {
    ...(heads === undefined ? {} : { heads: heads as number | readonly number[] }),
    ...(axes === undefined ? {} : { ropeAxes: axes as readonly number[] }),
    ...(theta === undefined ? {} : { ropeTheta: theta as number }),
    ...(act === 'quick_gelu'
      ? { activation: 'quickGelu' as const }
      : act === 'gelu'
        ? { activation: 'gelu' as const }
        : {}),
  };
}

/**
 * Hints of a configuration.
 * @param variant name of the section that describes the denoiser, where a folder has several
 */
export function hintsOf(config: Json, variant?: string): HintTable {
  const table: Record<string, ConfigHints> = {};
  for (const [key, section] of Object.entries(config)) {
    if (!isRecord(section)) continue;
    const encoder = encoderIdOf(section);
    if (encoder) table[encoder] = pick(section);
    else if (key === variant || (variant === undefined && (key === 'unet' || key === 'transformer'))) {
      const prediction =
        config['prediction'] === 'v_prediction'
          ? ({ prediction: 'v' } as const)
          : config['prediction'] === 'epsilon'
            ? ({ prediction: 'eps' } as const)
            : {};
      table['denoiser'] = { ...pick(section), ...prediction };
    }
  }
  const blocksPerLevel = config['num_res_blocks'];
  if (typeof blocksPerLevel === 'number') table['t2i-adapter'] = { blocksPerLevel };
  const vision = config['vision'];
  if (isRecord(vision)) table['clip-vision'] = pick(vision);
  return table;
}
