/**
 * The onnxruntime backends: a graph becomes an ONNX model, weights go in as external data, tensors stay in host
 * memory. Which library runs it is the caller's choice.
 */
import { throwIfAborted } from '../../base/abort';
import type { Graph } from '../../graph/ir';
import { optimize } from '../../graph/passes/optimize';
import type { WeightMap } from '../../graph/weights';
import type {
  Backend,
  BackendMemory,
  CompileOptions,
  DeviceTensor,
  HostTensor,
  Program,
  RunObserver,
  PlannedProgram,
} from '../backend';
import { checkHostTensor, disposedError } from '../check_inputs';
import { emitOnnx, type EmitOptions, type EmittedModel } from './emitter';
import { HostTensorPool } from './host_tensors';
import { memoryPlan } from './memory_plan';
import { OnnxProgram } from './program';
import type { OnnxRuntime, SessionOptions } from './runtime';
import { openSession } from './session';
import { warmUp } from './warm_up';
import { fillBlobs } from './weight_blobs';

export interface OnnxBackendOptions {
  readonly runtime: OnnxRuntime;
  /** `onnx-wasm`, `onnx-node-cpu`, … */
  readonly id: string;
  /** For people. */
  readonly label: string;
  /** Q4_0 and Q8_0 linears stay in blocks: less memory, not faster, and far slower for single rows on WASM. */
  readonly keepQuantized?: boolean;
  /** Rearranged copies of matrix weights; default: while all weights together are below `PREPACK_LIMIT_BYTES`. */
  readonly prepack?: boolean;
  readonly optimization?: SessionOptions['optimization'];
  /** Largest score matrix of one attention node; default 32 MiB on WASM, unlimited in native builds. */
  readonly maxScoreBytes?: number;
}

/** Above this, weights are not kept twice: the WASM heap ends at 4 GiB and never shrinks. */
const PREPACK_LIMIT_BYTES = 512 * 2 ** 20;
const WASM_SCORE_BYTES = 32 * 2 ** 20;
/** The heap ends at 4 GiB; the runtime's own data and gaps between blocks take a share. */
const WASM_USABLE_BYTES = 3.5 * 2 ** 30;
/** MatMulNBits on WASM is 11 to 14 times slower than f32 for one row and level with it from about here. */
const WASM_PACKED_ROWS = 256;

/** A graph made ready for a session. */
interface Prepared {
  readonly weights: WeightMap;
  readonly fused: Graph;
  readonly emitted: EmittedModel;
}

/** Sessions of this page or process so far; part of the external-data names. */
let sessionCount = 0;

class OnnxBackend implements Backend {
  readonly id: string;
  readonly label: string;
  readonly info: Readonly<Record<string, string>>;
  readonly streamsWeights = false;
  readonly memoryLimitBytes?: number;
  readonly #options: OnnxBackendOptions;
  readonly #tensors = new HostTensorPool();
  readonly #programs = new Set<OnnxProgram>();
  /** Graphs that were planned and not compiled yet: the compiler of one asks for its plan first, up to twice. */
  readonly #prepared = new WeakMap<Graph, Prepared>();
  #observer: RunObserver | undefined;
  #disposed = false;
  #warm = false;

  constructor(options: OnnxBackendOptions) {
    this.#options = options;
    this.id = options.id;
    this.label = options.label;
    this.info = options.runtime.info;
    if (options.runtime.id === 'wasm') this.memoryLimitBytes = WASM_USABLE_BYTES;
  }

  #alive(): void {
    if (this.#disposed) throw disposedError(`backend ${this.id}`);
  }

  get #maxScoreBytes(): number {
    const { runtime, maxScoreBytes } = this.#options;
    return maxScoreBytes ?? (runtime.id === 'wasm' ? WASM_SCORE_BYTES : Infinity);
  }

  #emitOptions(graph: Graph): EmitOptions {
    const { runtime, keepQuantized = false } = this.#options;
    const wasm = runtime.id === 'wasm';
    return {
      location: `${graph.name}-${++sessionCount}`,
      keepQuantized,
      maxScoreBytes: this.#maxScoreBytes,
      matMulAccuracy: wasm ? 0 : 4,
      minPackedRows: wasm ? WASM_PACKED_ROWS : 1,
    };
  }

  #prepare(graph: Graph, weights: WeightMap): Prepared {
    const known = this.#prepared.get(graph);
    if (known?.weights === weights) return known;
    const fused = optimize(graph);
    const prepared = { weights, fused, emitted: emitOnnx(fused, weights, this.#emitOptions(graph)) };
    this.#prepared.set(graph, prepared);
    return prepared;
  }

  async compile(graph: Graph, weights: WeightMap, options: CompileOptions = {}): Promise<Program> {
    this.#alive();
    throwIfAborted(options.signal);
    const { runtime, optimization = 'disabled', prepack } = this.#options;
    const { fused, emitted } = this.#prepare(graph, weights);
    // The next session of this graph needs names of its own for its weights.
    this.#prepared.delete(graph);
    const session = await openSession(
      runtime,
      `${this.id}: ${graph.name}`,
      emitted.model,
      // No reference to the blobs outlives this call: the runtime has its own copy.
      await fillBlobs(emitted, weights, options),
      { optimization, prepack: prepack ?? emitted.weightsBytes <= PREPACK_LIMIT_BYTES },
    );
    if (this.#disposed || options.signal?.aborted) {
      await session.release();
      this.#alive();
      throwIfAborted(options.signal);
    }
    const plan = memoryPlan(fused, emitted.weightsBytes, this.#maxScoreBytes);
    const program = new OnnxProgram(this.id, graph, plan, session, this.#tensors, {
      onDispose: (done) => this.#programs.delete(done),
      onRun: (done) => this.#report(done),
    });
    this.#programs.add(program);
    return program;
  }

  /** Sessions share nothing: every weight is missing. */
  plan(graph: Graph, weights: WeightMap): PlannedProgram {
    const { fused, emitted } = this.#prepare(graph, weights);
    const { weightsBytes } = emitted;
    return { ...memoryPlan(fused, weightsBytes, this.#maxScoreBytes), missingWeightsBytes: weightsBytes };
  }

  /** Native libraries start at once. */
  warmUp(): void {
    if (this.#warm || this.#options.runtime.id !== 'wasm') return;
    this.#warm = true;
    void warmUp(this.#options.runtime);
  }

  upload(tensor: HostTensor): DeviceTensor {
    this.#alive();
    checkHostTensor(tensor);
    return this.#tensors.own(tensor.shape, tensor.data.slice());
  }

  async download(tensor: DeviceTensor): Promise<HostTensor> {
    this.#alive();
    return Promise.resolve({ shape: tensor.shape, data: this.#tensors.read(tensor).slice() });
  }

  lincomb(terms: readonly (readonly [number, DeviceTensor])[]): DeviceTensor {
    this.#alive();
    return this.#tensors.lincomb(terms);
  }

  memory(): BackendMemory {
    let weightsBytes = 0;
    let arenaBytes = 0;
    for (const program of this.#programs) {
      weightsBytes += program.plan.weightsBytes;
      arenaBytes += program.busyBytes;
    }
    return { weightsBytes, arenaBytes, tensorBytes: this.#tensors.liveBytes };
  }

  observe(observer: RunObserver | undefined): void {
    this.#observer = observer;
  }

  /** The runtime tells neither dispatches nor times per operator: one call, no timings. */
  #report(program: OnnxProgram): void {
    const held = this.memory();
    const peakBytes = held.weightsBytes + held.arenaBytes + held.tensorBytes;
    this.#observer?.onRun({ program, dispatches: 1, encodeMs: 0, held: { ...held, stagingBytes: 0, peakBytes } });
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await Promise.all([...this.#programs].map((program) => program.dispose()));
    this.#tensors.disposeAll();
  }
}

/** A backend on one runtime; backends share nothing but the library. */
export function createOnnxBackend(options: OnnxBackendOptions): Backend {
  return new OnnxBackend(options);
}
