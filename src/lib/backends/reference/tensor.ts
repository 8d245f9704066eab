/** Tensors of the CPU reference: arrays with an owner who counts their bytes. */
import { AppError } from '../../base/errors';
import type { Shape } from '../../base/shape';
import type { DeviceTensor } from '../backend';
import { disposedError } from '../check_inputs';
import type { Tensor } from './ops/evaluate';

type HostElements = Float32Array | Int32Array;

export class ReferenceTensor implements DeviceTensor, Tensor {
  readonly shape: Shape;
  readonly #owner: Set<ReferenceTensor>;
  #data: HostElements | undefined;

  constructor(owner: Set<ReferenceTensor>, shape: Shape, data: HostElements) {
    this.#owner = owner;
    this.shape = [...shape];
    this.#data = data;
    owner.add(this);
  }

  /** @throws AppError 'backend/disposed' */
  get data(): HostElements {
    if (!this.#data) throw disposedError('reference tensor');
    return this.#data;
  }

  /** A second call does nothing. */
  dispose(): void {
    this.#data = undefined;
    this.#owner.delete(this);
  }
}

/** A tensor of this backend. @throws AppError 'argument/invalid' for one of another backend */
export function ownTensor(owner: Set<ReferenceTensor>, tensor: DeviceTensor): ReferenceTensor {
  if (!(tensor instanceof ReferenceTensor)) throw foreign();
  // Reading the data first tells a disposed tensor from a foreign one.
  if (tensor.data && owner.has(tensor)) return tensor;
  throw foreign();
}

function foreign(): AppError {
  return new AppError(
    'argument/invalid',
    'reference: tensors must come from this backend, got one of another; download it there and upload it here.',
  );
}
