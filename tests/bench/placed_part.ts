/** Weights of a model without files, given their places in one. */
import type { ByteSource } from '../../src/lib/base/byte_source';
import type { NamedWeight } from '../../src/lib/graph/weights';
import type { ModelPart } from '../../src/lib/models/part';

/** Gives every weight of a part its place in a sparse file; `from` moves on. */
export function placed(part: ModelPart, source: ByteSource, from: { offset: number }): ModelPart {
  const weights = new Map<string, NamedWeight>();
  for (const [name, named] of part.weights) {
    const byteOffset = from.offset;
    from.offset += named.tensor.byteLength;
    weights.set(name, { ...named, tensor: { ...named.tensor, source, byteOffset } });
  }
  return { ...part, weights };
}
