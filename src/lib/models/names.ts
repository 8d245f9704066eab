/**
 * Name maps: for each layer of a network, its canonical name and where other layouts keep it. One table serves weight
 * loading and LoRA matching, so a spelling is written down once.
 */
import type { NamedWeight, WeightMap } from '../graph/weights';
import type { TensorView } from './tensor_view';

/** Where a layout keeps a layer, when it is not under the canonical name. */
export interface LayerPlace {
  /** Layer name, without `.weight`. */
  readonly layer: string;
  /** Full names of the tensors when they are not `<layer>.weight` and `<layer>.bias`. */
  readonly weight?: string;
  readonly bias?: string;
  /** The layer is a range of a fused one. */
  readonly rows?: { readonly start: number; readonly count: number };
  /** The file stores the transposed matrix. */
  readonly transposed?: true;
}

export interface LayerNames {
  /** The name that graphs use. */
  readonly canonical: string;
  /** By layout id. A layout that is not listed uses the canonical name. */
  readonly places: Readonly<Record<string, LayerPlace | undefined>>;
}

/** Where `layout` keeps the layer. */
export function placeOf(names: LayerNames, layout: string): LayerPlace {
  return names.places[layout] ?? { layer: names.canonical };
}

/**
 * The weights of a part by canonical name. Names that the file lacks are left out: the graph builder reports them.
 * @param layers every layer that the configuration can have
 */
export function mapWeights(layers: Iterable<LayerNames>, view: TensorView, layout: string): WeightMap {
  const weights = new Map<string, NamedWeight>();
  for (const names of layers) {
    const place = placeOf(names, layout);
    const leaves = [
      ['weight', place.weight ?? `${place.layer}.weight`],
      ['bias', place.bias ?? `${place.layer}.bias`],
    ] as const;
    for (const [leaf, source] of leaves) {
      const tensor = view.tensors.get(source);
      if (!tensor) continue;
      weights.set(`${names.canonical}.${leaf}`, {
        tensor,
        ...(place.rows ? { rows: place.rows } : {}),
        ...(place.transposed ? { transposed: place.transposed } : {}),
      });
    }
  }
  return weights;
}
