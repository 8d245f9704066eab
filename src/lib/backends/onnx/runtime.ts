/**
 * What this folder needs from an ONNX runtime. `wasm_runtime.ts` and `node_runtime.ts` implement it; nothing else
 * touches the libraries.
 */
import type { Shape } from '../../base/shape';

export type OnnxElementType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool';

export type OnnxData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** A tensor in host memory, row-major. float16 data are the bits in a Uint16Array, or a Float16Array where that exists. */
export interface OnnxTensor {
  readonly type: OnnxElementType;
  readonly shape: Shape;
  readonly data: OnnxData;
}

/** An input or output of a model; an axis that a caller may choose is its symbolic name. */
export interface OnnxTensorInfo {
  readonly name: string;
  readonly type: OnnxElementType;
  readonly shape: readonly (number | string)[];
}

export interface ExternalData {
  /** `external_data.location` in the model. */
  readonly path: string;
  readonly data: Uint8Array;
}

export interface SessionOptions {
  /** Our own passes fuse before emission, so `disabled` is as fast as `all` and created in a third of the time. */
  readonly optimization: 'disabled' | 'basic' | 'extended' | 'all';
  /** Keeps rearranged copies of matrix weights: a little faster, up to twice the memory. */
  readonly prepack: boolean;
  /** Prefix of a profile file; native runtime only. */
  readonly profilePrefix?: string;
}

export interface OnnxSession {
  readonly inputs: readonly OnnxTensorInfo[];
  readonly outputs: readonly OnnxTensorInfo[];
  /** Runs once; every output is a copy that the caller owns. Throws what the library throws. */
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Record<string, OnnxTensor>>;
  /** Ends profiling, which writes the profile file. */
  endProfiling(): void;
  release(): Promise<void>;
}

export interface OnnxRuntime {
  readonly id: 'wasm' | 'node';
  /** Library, version, threads and why not more. */
  readonly info: Readonly<Record<string, string>>;
  readonly threads: number;
  /** Throws what the library throws; callers go through `openSession`. */
  createSession(
    model: Uint8Array,
    externalData: readonly ExternalData[],
    options: SessionOptions,
  ): Promise<OnnxSession>;
}
