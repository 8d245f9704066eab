/**
 * From every spelling of a layer to the layers of the model: prefixes of all trainers, dots or underscores, names of
 * all layouts, fused layers as several targets.
 */
import type { LayerNames } from '../names';
import type { ModelPart } from '../part';
import { layersOf } from './layers_of';

/** A layer of a part that an adapter layer changes, wholly or with some of its rows. */
export interface Target {
  readonly part: ModelPart;
  /** Canonical layer name. */
  readonly layer: string;
  /** Which rows of the adapter's output belong to this layer, when the adapter sees a fused one. */
  readonly rows?: { readonly start: number; readonly count: number };
}

export type TargetMap = ReadonlyMap<string, readonly Target[]>;

const DENOISER_UNDERSCORED = ['lora_unet_', 'lora_transformer_', 'lora_prior_unet_', 'lycoris_'];
const DENOISER_DOTTED = [
  'unet.',
  'transformer.',
  'diffusion_model.',
  'model.diffusion_model.',
  'base_model.model.',
  'base_model.model.transformer.',
  '',
];

/** Prefixes of the text encoder at a place of its family's list; T5 has a number of its own in some trainers. */
function encoderPrefixes(part: ModelPart, place: number): { underscored: string[]; dotted: string[] } {
  const number = place + 1;
  const first = place === 0;
  return {
    underscored: [
      ...(first ? ['lora_te_', 'lora_prior_te_', 'lycoris_te_'] : []),
      `lora_te${number}_`,
      ...(part.encoder === 't5' ? ['lora_te3_'] : []),
    ],
    dotted: [
      first ? 'text_encoder.' : `text_encoder_${number}.`,
      ...(part.encoder === 't5' ? ['text_encoder_3.'] : []),
    ],
  };
}

interface Spelling {
  readonly name: string;
  readonly rows?: { readonly start: number; readonly count: number };
}

/** Every name of a layer: canonical, each layout's, old diffusers processors, XLabs. */
function spellings({ canonical, places }: LayerNames): Spelling[] {
  const found: Spelling[] = [];
  const known = new Set<string>();
  const add = (name: string, rows?: Spelling['rows']) => {
    if (known.has(name)) return;
    known.add(name);
    found.push({ name, ...(rows ? { rows } : {}) });
  };
  for (const place of Object.values(places)) if (place) add(place.layer, place.rows);
  add(canonical);
  const processor = /^(.*)\.(to_q|to_k|to_v|to_out)(?:\.0)?$/.exec(canonical);
  if (processor) add(`${processor[1]}.processor.${processor[2]}`);
  for (const { name, rows } of [...found]) {
    const stream = /^(double_blocks\.\d+)\.(img|txt)_attn\.(qkv|proj)$/.exec(name);
    if (stream) add(`${stream[1]}.processor.${stream[3]}_lora${stream[2] === 'img' ? 1 : 2}`, rows);
  }
  return found;
}

/**
 * The targets of a model's parts.
 * @param parts denoiser and text encoders; encoders in the order of their family's list
 */
export function adapterTargets(parts: { denoiser?: ModelPart; encoders: readonly ModelPart[] }): TargetMap {
  const map = new Map<string, Target[]>();
  const add = (key: string, target: Target) => {
    const known = map.get(key);
    if (!known) map.set(key, [target]);
    // A canonical name may equal another layout's spelling of the same layer.
    else if (!known.some((other) => other.part === target.part && other.layer === target.layer)) known.push(target);
  };
  const addPart = (part: ModelPart, underscored: readonly string[], dotted: readonly string[]) => {
    for (const names of layersOf(part)) {
      if (!part.weights.has(`${names.canonical}.weight`)) continue;
      for (const { name, rows } of spellings(names)) {
        const target: Target = { part, layer: names.canonical, ...(rows ? { rows } : {}) };
        for (const prefix of dotted) add(prefix + name, target);
        for (const prefix of underscored) add(prefix + name.replaceAll('.', '_'), target);
      }
    }
  };
  if (parts.denoiser) addPart(parts.denoiser, DENOISER_UNDERSCORED, DENOISER_DOTTED);
  for (const [place, encoder] of parts.encoders.entries()) {
    const { underscored, dotted } = encoderPrefixes(encoder, place);
    addPart(encoder, underscored, dotted);
  }
  return map;
}
