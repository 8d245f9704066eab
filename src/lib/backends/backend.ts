/**
 * The whole contract between the pipeline and whatever computes: CPU reference, onnxruntime, WebGPU.
 * A backend knows graphs and weights; it may not know model families, samplers or jobs.
 */
import type { AppError } from '../base/errors';
import type { Shape } from '../base/shape';
import type { Graph } from '../graph/ir';
import type { WeightMap } from '../graph/weights';
import type { LatentRules } from './latent_rules';

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

/** A picture's RGBA bytes, not premultiplied. */
export interface PictureBytes {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** A linear map from a tensor's channels to colours of -1..1. */
export interface ChannelColours {
  /** One row [r, g, b] per channel. */
  readonly factors: readonly (readonly [number, number, number])[];
  readonly bias: readonly [number, number, number];
}

/** Pictures between bytes and tensors where a backend computes, so that bytes cross its border and not floats. */
export interface PictureOps {
  /** RGB over white as `[1, 3, H, W]` in 0..1, the nearest f32 of each. @throws AppError 'backend/…' */
  upload(picture: PictureBytes): Promise<DeviceTensor>;
  /**
   * Picture `index` of `[N, C, H, W]`: without a map floor(255 v) of its values in 0..1, else the colours rounded.
   * Opaque, except that a pixel whose values are no numbers has alpha 0.
   * @throws AppError 'graph/shape', 'backend/…'
   */
  download(tensor: DeviceTensor, index?: number, colours?: ChannelColours): Promise<PictureBytes>;
}

/** Exact bytes of a compiled program; for WebGPU the pool then really holds these. */
export interface MemoryPlan {
  readonly weightsBytes: number;
  /** Largest total of intermediates, inputs and outputs alive at once, as planned. */
  readonly arenaBytes: number;
  /** What the intermediates would take if nothing were reused. */
  readonly naiveArenaBytes: number;
  readonly peakBytes: number;
  /** Weight bytes read in every run, where not all of them stay. */
  readonly streamedBytes?: number;
}

export interface PlanOptions {
  /**
   * Weights may take so many bytes on the device: those beyond pass through in turn, in every run. Results stay the
   * same bit by bit. Backends that cannot do so ignore it. Default: all stay.
   */
  readonly weightsBudgetBytes?: number;
}

/** A program's memory before it exists. */
export interface PlannedProgram extends MemoryPlan {
  /** Weight bytes that no program on the device holds yet: what compiling would add. */
  readonly missingWeightsBytes: number;
}

export interface CompileOptions extends PlanOptions {
  readonly signal?: AbortSignal;
  /** `f32`: no product in half precision, where the backend has such kernels; default: what it finds fastest. */
  readonly precision?: 'f32' | undefined;
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

/** Times per node of one run. */
export interface RunTimings {
  readonly clock: 'timestamps' | 'host';
  /** Smallest step of the clock that was seen. */
  readonly stepMs: number;
  readonly nodes: readonly OpTiming[];
}

/** Bytes held by a backend, by use. */
export interface HeldBytes extends BackendMemory {
  readonly stagingBytes: number;
  /** Most of all uses together at one moment; not the sum of their own highest moments. */
  readonly peakBytes: number;
}

/** What streaming weights took in a run. */
export interface StreamTimes {
  readonly bytes: number;
  /** Reading and packing. */
  readonly loadMs: number;
  /** The part of it during which the device had nothing to do. */
  readonly waitMs: number;
}

/** What one run of a program took. */
export interface RunReport {
  readonly program: Program;
  readonly dispatches: number;
  /** CPU time of recording and handing over commands. */
  readonly encodeMs: number;
  /** Highest of each use during the run, everything that the backend holds included. */
  readonly held: HeldBytes;
  readonly streamed?: StreamTimes;
  /** Where the observer wanted them; resolves after the device is done, undefined when the run failed meanwhile. */
  readonly timings?: Promise<RunTimings | undefined>;
}

/** Told of every run of a backend's programs. */
export interface RunObserver {
  /** Whether a run about to start should be timed node by node; costs a few per cent. */
  wantsTimings(program: Program): boolean;
  onRun(report: RunReport): void;
}

export interface Program {
  readonly graph: Graph;
  readonly plan: MemoryPlan;
  /** Weights that it may hold together with other programs; the same object in two programs is in memory once. */
  readonly sharedWeights?: readonly { readonly bytes: number }[];
  /**
   * Runs once. Inputs by graph input name; every graph output is returned and owned by the caller.
   * @throws AppError 'graph/shape' for wrong inputs, 'job/cancelled', 'backend/…'
   */
  run(inputs: Readonly<Record<string, DeviceTensor>>, options?: RunOptions): Promise<Record<string, DeviceTensor>>;
  /** Time per node of one run, where the backend can tell. */
  profile?(inputs: Readonly<Record<string, DeviceTensor>>): Promise<readonly OpTiming[]>;
  dispose(): Promise<void>;
}

/** One fast kernel on this device. */
export interface KernelStatus {
  readonly variant: string;
  readonly label: string;
  /** used; ready: works and waits for a measurement or a setting; off: failed; absent: the device lacks a feature; untested: left alone. */
  readonly state: 'used' | 'ready' | 'off' | 'absent' | 'untested';
  readonly reason: string;
  /** Whether it is used is the user's choice: it changes results. */
  readonly choice?: 'roundActivations';
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
  /** Whether `weightsBudgetBytes` has an effect. */
  readonly streamsWeights: boolean;
  /** Programs share weights: one that is made before its predecessor is freed loads only what that had not. */
  readonly sharesWeights?: boolean;
  /** Most bytes that can be held at all, where that is known: the heap of WebAssembly. */
  readonly memoryLimitBytes?: number;
  /** Values may be rounded to half precision unless a program asks for f32. */
  readonly roundsToHalf?: boolean;
  /** Resolves with the error when its device is gone: it can compute no more. Absent where that cannot be. */
  readonly lost?: Promise<AppError>;
  /** Fast kernels and what became of them, where a backend has several of a kind. */
  readonly kernels?: readonly KernelStatus[];
  /** Starts in the background what the first program would wait for; called when a model has been opened. */
  warmUp?(): void;
  /**
   * After numbers that are none, or a kernel that does not compile: programs made from now on compute in a safer way.
   * @returns what is given up, in words; undefined when nothing is left to give up
   */
  stepDown?(): string | undefined;
  /** Takes back every `stepDown`: it was not the kernels' fault. */
  stepUp?(): void;
  /**
   * @throws AppError 'backend/unsupported-op', 'backend/compile', 'backend/out-of-memory', 'file/…'
   */
  compile(graph: Graph, weights: WeightMap, options?: CompileOptions): Promise<Program>;
  /**
   * Memory of a graph as `compile` with the same options would make it; reads no weight bytes.
   * @throws AppError 'backend/unsupported-op', 'backend/out-of-memory' when one tensor exceeds a limit of the device
   */
  plan(graph: Graph, weights: WeightMap, options?: PlanOptions): PlannedProgram;
  upload(tensor: HostTensor): DeviceTensor;
  /** Absent where tensors lie in host memory anyway. */
  readonly pictures?: PictureOps;
  /** Absent where a backend has no kernels for them. */
  readonly latentRules?: LatentRules;
  download(tensor: DeviceTensor): Promise<HostTensor>;
  /** Σ coefficient · tensor, all of one shape: the only arithmetic that samplers and guidance need. */
  lincomb(terms: readonly (readonly [number, DeviceTensor])[]): DeviceTensor;
  /** Live bytes; back at weights only after every job. */
  memory(): BackendMemory;
  /** Bytes copied from the device to the host so far, where those are two places. */
  readonly readBytes?: number;
  /** Reports runs from now on to one observer, or to nobody. */
  observe(observer: RunObserver | undefined): void;
  dispose(): Promise<void>;
}
