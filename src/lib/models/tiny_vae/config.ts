/**
 * Tiny autoencoders in the TAESD layout, any widths: plain sequences whose entries are convolutions and residual
 * blocks. Read entry by entry, so that narrower and deeper ones need no table.
 */
import type { TensorView } from '../tensor_view';

export type TinyEntry =
  | { readonly kind: 'conv'; readonly index: number; readonly out: number; readonly bias: boolean }
  | {
      readonly kind: 'block';
      readonly index: number;
      readonly out: number;
      /** Width of the GroupNorm branch (FLUX.2's deepest blocks), 0 without. */
      readonly branch: number;
    };

export interface TinyVaeConfig {
  readonly latentChannels: number;
  readonly encoder: readonly TinyEntry[] | undefined;
  readonly decoder: readonly TinyEntry[] | undefined;
}

/** `sequence`: TAESD's own indices; `diffusers`: below `layers.`, the decoder's one lower. */
export type TinyLayout = 'original' | 'diffusers';

function readEntries(view: TensorView, name: (index: number) => string): TinyEntry[] {
  const entries: TinyEntry[] = [];
  let gap = 0;
  // Activations and upsampling take an index of their own, so single gaps are normal.
  for (let index = 0; gap < 4; index += 1) {
    const at = name(index);
    if (view.has(`${at}.conv.0.weight`)) {
      entries.push({
        kind: 'block',
        index,
        out: view.size(`${at}.conv.4.weight`, 0),
        branch: view.size(`${at}.pool.0.weight`, 0),
      });
      gap = 0;
    } else if (view.has(`${at}.weight`)) {
      entries.push({ kind: 'conv', index, out: view.size(`${at}.weight`, 0), bias: view.has(`${at}.bias`) });
      gap = 0;
    } else gap += 1;
  }
  return entries;
}

/** Which side a bare sequence (no `encoder.` or `decoder.` prefix) is: an encoder's first convolution takes 3 channels and ends small. */
function bareSide(view: TensorView): 'encoder' | 'decoder' | undefined {
  if (view.has('0.weight') && view.size('0.weight', 1) === 3 && view.has('1.conv.0.weight')) return 'encoder';
  if (view.has('1.weight') && view.has('3.conv.0.weight')) return 'decoder';
  return undefined;
}

export interface TinySides {
  readonly layout: TinyLayout;
  /** Name of an entry's layer in the file. */
  readonly encoder?: (index: number) => string;
  readonly decoder?: (index: number) => string;
}

/** Where the sequences are, or undefined when the view has none. Indices are TAESD's own. */
export function tinySides(view: TensorView): TinySides | undefined {
  const bare = bareSide(view);
  if (bare) return { layout: 'original', [bare]: (index: number) => String(index) };
  const diffusers = view.has('encoder.layers.0.weight') || view.has('decoder.layers.0.weight');
  if (diffusers) {
    return {
      layout: 'diffusers',
      ...(view.has('encoder.layers.0.weight') ? { encoder: (index: number) => `encoder.layers.${index}` } : {}),
      ...(view.has('decoder.layers.0.weight') ? { decoder: (index: number) => `decoder.layers.${index - 1}` } : {}),
    };
  }
  const encoder = view.has('encoder.0.weight') && view.has('encoder.1.conv.0.weight');
  const decoder = view.has('decoder.1.weight') && view.has('decoder.3.conv.0.weight');
  if (!encoder && !decoder) return undefined;
  return {
    layout: 'original',
    ...(encoder ? { encoder: (index: number) => `encoder.${index}` } : {}),
    ...(decoder ? { decoder: (index: number) => `decoder.${index}` } : {}),
  };
}

/** Only the first and the last convolution of the known sequences have a bias; others (Sana's) mean activations that we do not know. */
function isKnown(entries: readonly TinyEntry[] | undefined): boolean {
  return !entries?.slice(1, -1).some((entry) => entry.kind === 'conv' && entry.bias);
}

/** Reads the configuration; undefined for sequences of an unknown kind. */
export function readTinyVae(view: TensorView, sides: TinySides): TinyVaeConfig | undefined {
  const encoder = sides.encoder && readEntries(view, sides.encoder);
  const decoder = sides.decoder && readEntries(view, sides.decoder);
  if (!isKnown(encoder) || !isKnown(decoder)) return undefined;
  const first = decoder?.[0];
  const latentChannels =
    first && sides.decoder ? view.size(`${sides.decoder(first.index)}.weight`, 1) : (encoder?.at(-1)?.out ?? 0);
  return { latentChannels, encoder, decoder };
}
