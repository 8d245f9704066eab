/** What a file's metadata declare about itself. User-supplied text: read carefully, never trusted for structure. */
import type { TensorIndex } from '../formats/tensor_index';
import type { ConfigHints, HintTable } from './part';

export interface Declared {
  readonly title?: string;
  readonly prediction?: 'eps' | 'v';
  readonly widthPx?: number;
  readonly heightPx?: number;
  /** Scale and shift of latents, for models trained with other numbers than their family's. */
  readonly latent?: { readonly scale: number; readonly shift: number };
  readonly zeroTerminalSnr?: boolean;
  readonly unetHeads?: { readonly headDim?: number; readonly heads?: number };
  readonly textHeads?: number;
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;
}

function parseJson(text: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    return record(JSON.parse(text));
  } catch {
    // A broken note in a header is no reason to refuse the weights.
    return undefined;
  }
}

function predictionOf(text: unknown): 'eps' | 'v' | undefined {
  if (typeof text !== 'string') return undefined;
  const word = text.toLowerCase();
  if (word === 'v' || word.startsWith('v_') || word.startsWith('v-')) return 'v';
  return word.startsWith('eps') ? 'eps' : undefined;
}

/** Reads `modelspec.*` (SAI model spec 1.0) and `tiny.config` (the default model's own numbers). */
export function readDeclared(metadata: TensorIndex['metadata']): Declared {
  const tiny = parseJson(metadata.get('tiny.config'));
  const unet = record(tiny?.['unet']);
  const text = record(tiny?.['text']);
  const latent = record(tiny?.['latent']);
  const title = metadata.get('modelspec.title') ?? metadata.get('general.name');
  const resolution = /^(\d{2,5})x(\d{2,5})$/.exec(String(metadata.get('modelspec.resolution') ?? ''));
  const side = positive(tiny?.['size']);
  const prediction = predictionOf(tiny?.['prediction']) ?? predictionOf(metadata.get('modelspec.prediction_type'));
  const headDim = positive(tiny?.['unet_head_dim']) ?? positive(unet?.['head_dim']);
  const heads = positive(tiny?.['text_heads']) ?? positive(text?.['heads']);
  const scale = positive(latent?.['scale']);
  const shift = latent?.['shift'];
  return {
    ...(typeof title === 'string' ? { title } : {}),
    ...(prediction ? { prediction } : {}),
    ...(resolution ? { widthPx: Number(resolution[1]), heightPx: Number(resolution[2]) } : {}),
    ...(side ? { widthPx: side, heightPx: side } : {}),
    ...(headDim ? { unetHeads: { headDim } } : {}),
    ...(heads ? { textHeads: heads } : {}),
    ...(scale ? { latent: { scale, shift: typeof shift === 'number' ? shift : 0 } } : {}),
  };
}

/** Declared numbers as hints. */
export function declaredHints(declared: Declared): HintTable {
  return {
    ...(declared.unetHeads ? { denoiser: declared.unetHeads } : {}),
    ...(declared.textHeads ? { 'clip-l': { heads: declared.textHeads } } : {}),
  };
}

/** The caller's hint for a part, completed by the file's own. */
export function hintsFor(key: keyof HintTable, given: HintTable, own: HintTable): ConfigHints {
  return { ...own[key], ...given[key] };
}
