/** Full-size models as names and shapes only: what detection and adapter matching need, without any bytes. */
import { memorySource } from '../../../src/lib/base/byte_source';
import { AppError } from '../../../src/lib/base/errors';
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import { GraphBuilder } from '../../../src/lib/graph/builder';
import type { WeightResolver } from '../../../src/lib/graph/builder';
import { placeOf, type LayerNames } from '../../../src/lib/models/names';
import type { StoredTensor } from '../../../src/lib/quant/tensor';

const nowhere = memorySource('synthetic', new Uint8Array(0));

export function stored(name: string, shape: readonly number[]): StoredTensor {
  return { name, type: 'F16', shape, source: nowhere, byteOffset: 0, byteLength: 0 };
}

/**
 * Names and shapes of every weight that a network asks for: every weight is offered with an impossible shape, and the
 * builder's own report lists what it wanted.
 */
export function wantedWeights(build: (g: GraphBuilder) => void): Map<string, readonly number[]> {
  const resolve: WeightResolver = () => ({ type: 'F16', shape: [0] });
  const g = GraphBuilder.create('synthetic', resolve);
  build(g);
  try {
    g.finish();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const list = error.details['misshapen'] as { name: string; expected: readonly number[] }[];
    return new Map(list.map(({ name, expected }) => [name, expected]));
  }
  return new Map();
}

/** The same weights as a file of a layout: fused layers joined, names spelled the layout's way. */
export function asFile(
  name: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  layers: Iterable<LayerNames>,
  layout: string,
  prefix = '',
): TensorIndex {
  const tensors = new Map<string, StoredTensor>();
  for (const names of layers) {
    const place = placeOf(names, layout);
    for (const leaf of ['weight', 'bias'] as const) {
      const shape = shapes.get(`${names.canonical}.${leaf}`);
      if (!shape) continue;
      const own = place.transposed ? [...shape].reverse() : shape;
      const key = prefix + (place[leaf] ?? `${place.layer}.${leaf}`);
      const rows = place.rows ? place.rows.start + place.rows.count : (own[0] ?? 0);
      const known = tensors.get(key)?.shape[0] ?? 0;
      tensors.set(key, stored(key, [Math.max(known, rows), ...own.slice(1)]));
    }
  }
  return { format: 'safetensors', name, tensors, metadata: new Map() };
}

/** Several files' tensors in one. */
export function joined(name: string, ...indexes: readonly TensorIndex[]): TensorIndex {
  const tensors = new Map(indexes.flatMap((index) => [...index.tensors]));
  return { format: 'safetensors', name, tensors, metadata: new Map() };
}
