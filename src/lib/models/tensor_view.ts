/** Tensors of one part of a file, by names without the part's prefix. Looks at names and shapes only, never at bytes. */
import type { Shape } from '../base/shape';
import type { StoredTensor } from '../quant/tensor';

export class TensorView {
  /** Removed from the file's names. */
  readonly prefix: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;

  private constructor(prefix: string, tensors: ReadonlyMap<string, StoredTensor>) {
    this.prefix = prefix;
    this.tensors = tensors;
  }

  static of(tensors: ReadonlyMap<string, StoredTensor>): TensorView {
    return new TensorView('', tensors);
  }

  /** The tensors below `prefix`, which ends in a dot, with the prefix removed. */
  below(prefix: string): TensorView {
    if (prefix === '') return this;
    const found = new Map<string, StoredTensor>();
    for (const [name, tensor] of this.tensors) {
      if (name.startsWith(prefix)) found.set(name.slice(prefix.length), tensor);
    }
    return new TensorView(this.prefix + prefix, found);
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** Whether any name starts so. */
  hasBelow(prefix: string): boolean {
    for (const name of this.tensors.keys()) if (name.startsWith(prefix)) return true;
    return false;
  }

  shape(name: string): Shape | undefined {
    return this.tensors.get(name)?.shape;
  }

  /** Size of one axis, 0 when the tensor or the axis is absent. */
  size(name: string, axis: number): number {
    return this.tensors.get(name)?.shape[axis] ?? 0;
  }

  /** How many consecutive `pattern(0)`, `pattern(1)`, … exist. */
  count(pattern: (index: number) => string): number {
    let n = 0;
    while (this.has(pattern(n))) n += 1;
    return n;
  }
}
