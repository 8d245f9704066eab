/**
 * The tiny golden models as users have theirs: folders of diffusers with every part, and with token tables of the usual
 * length, so that the app's own word lists serve them. The golden tables have a few hundred rows; they are repeated.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Rows of published token tables by the names that they have in each kind of encoder. */
const ROWS: readonly (readonly [RegExp, number])[] = [
  [/token_embedding\.weight$/, 49_408],
  [/(^shared|encoder\.embed_tokens)\.weight$/, 32_128],
  [/embed_tokens\.weight$/, 151_936],
];

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** A safetensors file whose token table is as long as the published one. */
export function withFullVocabulary(file: Buffer): Buffer {
  const headerEnd = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, headerEnd).toString()) as Record<string, Entry>;
  const parts: Buffer[] = [];
  let at = 0;
  const entries = Object.entries(header).map(([name, entry]) => {
    if (name === '__metadata__') return [name, entry];
    let data = file.subarray(headerEnd + entry.data_offsets[0], headerEnd + entry.data_offsets[1]);
    const rows = ROWS.find(([pattern]) => pattern.test(name))?.[1];
    const [had = 1, ...others] = entry.shape;
    if (rows !== undefined) {
      data = Buffer.concat(Array.from({ length: Math.ceil(rows / had) }, () => data)).subarray(
        0,
        (data.length / had) * rows,
      );
    }
    parts.push(data);
    const data_offsets = [at, (at += data.length)];
    return [name, { ...entry, shape: rows === undefined ? entry.shape : [rows, ...others], data_offsets }];
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...parts]);
}

export interface WholeModel {
  readonly family: string;
  /** Component folder → folder or weight file below the golden models. */
  readonly components: Readonly<Record<string, string>>;
}

/** One of each family whose parts exist in matching widths. */
export const WHOLE_MODELS: readonly WholeModel[] = [
  {
    family: 'sd1',
    components: {
      unet: 'sd15/diffusers/unet',
      text_encoder: 'sd15/diffusers/text_encoder',
      vae: 'sd15/diffusers/vae',
      scheduler: 'sd15/diffusers/scheduler',
    },
  },
  {
    family: 'sd2',
    components: {
      unet: 'sd2/diffusers/unet',
      text_encoder: 'sd2/diffusers/text_encoder',
      vae: 'vae-sd/diffusers/vae',
    },
  },
  {
    family: 'sdxl',
    components: {
      unet: 'sdxl/diffusers/unet',
      text_encoder: 'sdxl/diffusers/text_encoder',
      text_encoder_2: 'sdxl/diffusers/text_encoder_2',
      vae: 'sdxl/diffusers/vae',
    },
  },
  {
    family: 'sdxl-refiner',
    components: {
      unet: 'sdxl-refiner/diffusers/unet',
      text_encoder_2: 'sdxl-refiner/diffusers/text_encoder_2',
      vae: 'sdxl/diffusers/vae',
    },
  },
  {
    family: 'flux1',
    components: {
      transformer: 'flux-dev/diffusers/transformer',
      text_encoder: 'flux-dev/diffusers/text_encoder',
      text_encoder_2: 'flux-dev/diffusers/text_encoder_2',
      vae: 'flux-dev/diffusers/vae',
    },
  },
  {
    family: 'chroma',
    components: {
      transformer: 'chroma/diffusers/transformer',
      text_encoder: 'flux-dev/diffusers/text_encoder_2',
      vae: 'flux-dev/diffusers/vae',
    },
  },
  {
    family: 'z-image',
    components: {
      transformer: 'z-image/diffusers/transformer',
      text_encoder: 'z-image/qwen3.safetensors',
      vae: 'flux-dev/diffusers/vae',
    },
  },
];

/** Writes a model's folder; undefined where the golden folder lacks a part. */
export function writeWholeModel(golden: string, { family, components }: WholeModel, below: string): string | undefined {
  const folder = join(below, family);
  const sources = Object.entries(components).map(([name, from]) => ({ name, from: join(golden, from) }));
  if (!sources.every(({ from }) => existsSync(from))) return undefined;
  for (const { name, from } of sources) {
    const to = join(folder, name);
    mkdirSync(to, { recursive: true });
    if (from.endsWith('.safetensors')) {
      cpSync(from, join(to, 'model.safetensors'));
      writeFileSync(join(to, 'config.json'), JSON.stringify(configBeside(from)));
    } else cpSync(from, to, { recursive: true });
    for (const file of readdirSync(to)) {
      if (!name.startsWith('text_encoder') || !file.endsWith('.safetensors')) continue;
      writeFileSync(join(to, file), withFullVocabulary(readFileSync(join(to, file))));
    }
  }
  writeFileSync(join(folder, 'model_index.json'), JSON.stringify({ _class_name: 'DiffusionPipeline' }));
  return folder;
}

/** The text encoder's own part of a golden configuration, whose names are those of transformers. */
function configBeside(file: string): unknown {
  const config = JSON.parse(readFileSync(join(file, '../config.json'), 'utf8')) as { readonly text_encoder: unknown };
  return config.text_encoder;
}
