/** Where the bytes of a graph's weights are: canonical name → stored tensor, with the few views that files need. */
import type { Shape } from '../base/shape';
import type { StoredTensor } from '../quant/tensor';
import type { WeightResolver } from './builder';

export interface NamedWeight {
  readonly tensor: StoredTensor;
  /** A range of the first axis, where files fuse what networks use apart (OpenCLIP's in_proj, FLUX qkv). */
  readonly rows?: { readonly start: number; readonly count: number };
  /** The stored matrix is `[K, N]`; the network wants `[N, K]`. */
  readonly transposed?: true;
}

export type WeightMap = ReadonlyMap<string, NamedWeight>;

/** The shape the network sees, after view and transposition. */
export function weightShape({ tensor, rows, transposed }: NamedWeight): Shape {
  const shape = rows ? [rows.count, ...tensor.shape.slice(1)] : tensor.shape;
  return transposed ? [...shape].reverse() : shape;
}

/** Types and shapes of a weight map, for the builder. */
export function weightResolver(weights: WeightMap): WeightResolver {
  return (name) => {
    const weight = weights.get(name);
    return weight && { type: weight.tensor.type, shape: weightShape(weight) };
  };
}
