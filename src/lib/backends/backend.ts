/**
 * The whole contract between the pipeline and whatever computes: CPU reference, onnxruntime, WebGPU.
 * A backend knows graphs and weights; it may not know model families, samplers or jobs.
 */
import type { Shape } from '../base/shape';
import type { Graph } from '../graph/ir';
import type { WeightMap } from '../graph/weights';

/** A tensor in host memory, row-major in the order of its shape (images as NCHW). */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

/**
 * A tensor that lives where the backend computes. Made by `upload`, `lincomb` or `Program.run`; the owner must
 * `dispose` it, and live bytes are counted until then.
 */
export interface DeviceTensor {
  readonly shape: Shape;
  dispose(): void;
}

/** Exact bytes of a compiled program; for WebGPU the pool then really holds these. */
export interface MemoryPlan {
  readonly weightsBytes: number;
  /** Largest total of intermediates, inputs and outputs alive at once, as planned. */
  readonly arenaBytes: number;
  /** What the intermediates would take if nothing were reused. */
  readonly naiveArenaBytes: number;
  readonly peakBytes: number;
}

export interface CompileOptions {
  readonly signal?: AbortSignal;
  /** Called as weights arrive, with bytes done and to do. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
}

export interface OpTiming {
  readonly op: string;
  readonly scope: string;
  readonly ms: number;
  readonly flops: number;
}

export interface Program {
  readonly graph: Graph;
  readonly plan: MemoryPlan;
  /**
   * Runs once. Inputs by graph input name; every graph output is returned and owned by the caller.
   * @throws AppError 'graph/shape' for wrong inputs, 'job/cancelled', 'backend/…'
   */
  run(inputs: Readonly<Record<string, DeviceTensor>>, options?: RunOptions): Promise<Record<string, DeviceTensor>>;
  /** Time per node of one run, where the backend can tell. */
  profile?(inputs: Readonly<Record<string, DeviceTensor>>): Promise<readonly OpTiming[]>;
  dispose(): Promise<void>;
}

export interface BackendMemory {
  readonly weightsBytes: number;
  readonly arenaBytes: number;
  /** Tensors made by `upload`, `lincomb` and `run` that are not disposed yet. */
  readonly tensorBytes: number;
}

export interface Backend {
  readonly id: string;
  readonly label: string;
  /** Facts for the engine panel: adapter, threads, versions. */
  readonly info: Readonly<Record<string, string>>;
  /**
   * @throws AppError 'backend/unsupported-op', 'backend/compile', 'backend/out-of-memory', 'file/…'
   */
  compile(graph: Graph, weights: WeightMap, options?: CompileOptions): Promise<Program>;
  upload(tensor: HostTensor): DeviceTensor;
  download(tensor: DeviceTensor): Promise<HostTensor>;
  /** Σ coefficient · tensor, all of one shape: the only arithmetic that samplers and guidance need. */
  lincomb(terms: readonly (readonly [number, DeviceTensor])[]): DeviceTensor;
  /** Live bytes; back at weights only after every job. */
  memory(): BackendMemory;
  dispose(): Promise<void>;
}
