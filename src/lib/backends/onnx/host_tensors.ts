/** Tensors of a backend that computes in host memory: ownership, accounting, weighted sums. */
import { AppError } from '../../base/errors';
import { elementCount, type Shape } from '../../base/shape';
import type { DeviceTensor, HostTensor } from '../backend';
import { checkLincomb, disposedError } from '../check_inputs';

class OwnedTensor implements DeviceTensor {
  readonly shape: Shape;
  #pool: Set<OwnedTensor>;
  #data: HostTensor['data'] | undefined;

  constructor(pool: Set<OwnedTensor>, shape: Shape, data: HostTensor['data']) {
    this.shape = [...shape];
    this.#pool = pool;
    this.#data = data;
    pool.add(this);
  }

  get bytes(): number {
    return this.#data?.byteLength ?? 0;
  }

  /** @throws AppError 'backend/disposed', 'argument/invalid' for a tensor of another pool */
  dataIn(pool: Set<OwnedTensor>): HostTensor['data'] {
    if (this.#pool !== pool) throw foreign();
    if (!this.#data) throw disposedError('onnx tensor');
    return this.#data;
  }

  dispose(): void {
    this.#data = undefined;
    this.#pool.delete(this);
  }
}

function foreign(): AppError {
  return new AppError(
    'argument/invalid',
    'onnx: tensors must come from this backend, got one of another; download it there and upload it here.',
  );
}

export class HostTensorPool {
  readonly #live = new Set<OwnedTensor>();

  get liveBytes(): number {
    let bytes = 0;
    for (const tensor of this.#live) bytes += tensor.bytes;
    return bytes;
  }

  /** Takes `data` over without a copy. */
  own(shape: Shape, data: HostTensor['data']): DeviceTensor {
    return new OwnedTensor(this.#live, shape, data);
  }

  /** Elements of a live tensor of this pool. @throws AppError 'backend/disposed', 'argument/invalid' */
  read(tensor: DeviceTensor): HostTensor['data'] {
    if (tensor instanceof OwnedTensor) return tensor.dataIn(this.#live);
    throw foreign();
  }

  /**
   * Σ coefficient · tensor, summed in f64 and rounded once.
   * @throws AppError 'argument/invalid' for no terms or i32 tensors, 'graph/shape' for unlike shapes
   */
  lincomb(terms: readonly (readonly [number, DeviceTensor])[]): DeviceTensor {
    const shape = checkLincomb(terms);
    const sources = terms.map(([, tensor]) => {
      const data = this.read(tensor);
      if (data instanceof Float32Array) return data;
      throw new AppError('argument/invalid', 'onnx: lincomb needs f32 tensors, got i32.');
    });
    const out = new Float32Array(elementCount(shape));
    weightedSum(
      out,
      terms.map(([coefficient]) => coefficient),
      sources,
    );
    return this.own(shape, out);
  }

  disposeAll(): void {
    for (const tensor of [...this.#live]) tensor.dispose();
  }
}

/** Samplers use two or three terms nearly always: one pass for those, one pass a term for more. */
function weightedSum(out: Float32Array, coefficients: readonly number[], sources: readonly Float32Array[]): void {
  const [ca = 0, cb = 0, cc = 0] = coefficients;
  const [a = out, b = out, c = out] = sources;
  if (sources.length === 1) {
    for (let i = 0; i < out.length; i++) out[i] = ca * (a[i] as number);
  } else if (sources.length === 2) {
    for (let i = 0; i < out.length; i++) out[i] = ca * (a[i] as number) + cb * (b[i] as number);
  } else if (sources.length === 3) {
    for (let i = 0; i < out.length; i++) {
      out[i] = ca * (a[i] as number) + cb * (b[i] as number) + cc * (c[i] as number);
    }
  } else {
    const sum = new Float64Array(out.length);
    for (const [t, source] of sources.entries()) {
      const coefficient = coefficients[t] ?? 0;
      for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + coefficient * (source[i] as number);
    }
    out.set(sum);
  }
}

/** Resolves after waiting events were handled; a runtime that computes on this thread never lets them in otherwise. */
export function yieldToEvents(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  // Timers are clamped to 4 ms when nested, messages are not.
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
