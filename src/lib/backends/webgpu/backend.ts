/** The WebGPU backend: compiles graphs into recorded dispatch lists, owns device, pool and tensors. */
import type { AppError } from '../../base/errors';
import { elementCount } from '../../base/shape';
import type { Graph } from '../../graph/ir';
import { namedWeight } from '../../graph/load_weight';
import { optimize } from '../../graph/passes/optimize';
import type { WeightMap } from '../../graph/weights';
import type {
  Backend,
  BackendMemory,
  CompileOptions,
  DeviceTensor,
  HostTensor,
  KernelStatus,
  MemoryPlan,
  RunObserver,
  PlannedProgram,
  PlanOptions,
} from '../backend';
import { checkHostTensor, checkLincomb, disposedError } from '../check_inputs';
import { planArena } from './arena';
import { ArenaCache } from './arena_cache';
import { bufferBytes, BufferPool } from './buffer_pool';
import { GpuDevice, type DeviceOptions } from './device';
import type { Engine } from './executor';
import type { KernelSources } from './kernel_sources';
import { KernelCalls } from './kernel_calls';
import { WebgpuLatentRules } from './latent_rules';
import { LincombRunner } from './lincomb_runner';
import { PictureRunner } from './picture_runner';
import { PipelineCache } from './pipelines';
import { memoryPlan } from './memory_plan';
import { WebgpuProgram } from './program';
import { readBuffer } from './read_buffer';
import { recordProgram, type RecordOptions } from './recorder';
import { Repacker } from './repacker';
import { ownBytes, stayingWeights, streamWithin } from './residents';
import { SubmitQueue } from './submit_queue';
import { GpuTensor, ownTensor } from './tensor';
import { exactTuning, plainTuning, watchedTuning, type Tuner, type Tuning } from './tuning';
import { kernelStatus } from './variants';
import { WeightStore } from './weight_store';
import type { packPart } from './weights/pack_weight';

/** One dispatch should end within a frame or two on a slow device (about 1 TFLOP/s). */
const DISPATCH_FLOPS = 3e10;
/** Cutting further would cost more in launches than it saves in waiting. */
const SHORTEST_DISPATCH_FLOPS = 1e8;

export interface WebgpuOptions extends DeviceOptions {
  readonly sources: KernelSources;
  /** Choice of matrix kernels; default the plain one, see `tuneBackend`. */
  readonly tuning?: Tuning;
  /** Kernel calls longer than this are cut; for tests. */
  readonly dispatchFlops?: number;
  /** Bytes of sentinels around outputs and temporaries, which then reuse nothing; for tests. */
  readonly guardBytes?: number;
  /** How weights are read; for tests of memory alone. */
  readonly pack?: typeof packPart;
}

/** Exact memory of a graph on a device with these limits: weights as stored there, arena as planned. No device needed. */
export function planWebgpu(
  graph: Graph,
  weights: WeightMap,
  limits: { readonly maxBindingBytes: number; readonly maxBufferBytes: number },
  tuning: Tuning = plainTuning,
  { weightsBudgetBytes }: PlanOptions = {},
): MemoryPlan {
  const options = { maxBindingBytes: limits.maxBindingBytes, dispatchFlops: DISPATCH_FLOPS, tuning };
  const recorded = recordProgram(optimize(graph), weights, options);
  const stream = streamWithin(recorded, weightsBudgetBytes);
  return memoryPlan(recorded, planArena(recorded, limits.maxBufferBytes), stream);
}

interface SteppedFrom {
  readonly tuning: Tuning;
  readonly tuner: Tuner | undefined;
  readonly kernels: readonly KernelStatus[];
}

export class WebgpuBackend implements Backend {
  readonly id = 'webgpu';
  readonly label = 'WebGPU';
  readonly streamsWeights = true;
  readonly sharesWeights = true;
  readonly engine: Engine;
  readonly pictures: PictureRunner;
  readonly latentRules: WebgpuLatentRules;
  readonly #options: WebgpuOptions;
  readonly #lincomb: LincombRunner;
  readonly #programs = new Set<WebgpuProgram>();
  #tuning: Tuning;
  #notes: Readonly<Record<string, string>> = {};
  #kernels: readonly KernelStatus[];
  #tuner: Tuner | undefined;
  readonly #repacker: Repacker;
  /** One measurement at a time; programs wait for it. */
  #measuring: Promise<void> = Promise.resolve();
  /** What it used before it was stepped down. */
  #before: SteppedFrom | undefined;
  #disposed = false;

  private constructor(gpu: GpuDevice, options: WebgpuOptions, lincomb: LincombRunner, engine: Engine) {
    this.#options = options;
    this.#tuning = options.tuning ?? plainTuning;
    this.engine = engine;
    this.pictures = new PictureRunner(engine);
    this.latentRules = new WebgpuLatentRules(engine);
    this.#lincomb = lincomb;
    this.#kernels = kernelStatus(gpu, new Map());
    this.#repacker = new Repacker(engine);
    this.setTuning(this.#tuning);
  }

  /** @throws AppError 'backend/unavailable', 'backend/compile' */
  static async create(options: WebgpuOptions): Promise<WebgpuBackend> {
    const gpu = await GpuDevice.create(options);
    try {
      const pool = new BufferPool(gpu);
      const pipelines = new PipelineCache(gpu, options.sources);
      const calls = await KernelCalls.create(gpu, pool, pipelines);
      const engine: Engine = {
        gpu,
        pool,
        pipelines,
        calls,
        weights: new WeightStore(gpu, pool, options.pack),
        arenas: new ArenaCache(pool),
        queue: new SubmitQueue(gpu),
        guardBytes: options.guardBytes ?? 0,
        observer: undefined,
        readBytes: 0,
      };
      return new WebgpuBackend(gpu, options, await LincombRunner.create(calls, pipelines), engine);
    } catch (error) {
      gpu.destroy();
      throw error;
    }
  }

  get info(): Readonly<Record<string, string>> {
    return { ...this.engine.gpu.info, pipelines: String(this.engine.pipelines.size), ...this.#notes };
  }

  get kernels(): readonly KernelStatus[] {
    return this.#kernels;
  }

  get tuning(): Tuning {
    return this.#tuning;
  }

  /** Resolves with the error when the device is gone; the owner then makes a new backend. */
  get lost(): Promise<AppError> {
    return this.engine.gpu.lost;
  }

  /** Replaces the choice of kernels for programs compiled from now on, and what the panel says of it. */
  setTuning(
    tuning: Tuning,
    said: { readonly notes?: Readonly<Record<string, string>>; readonly kernels?: readonly KernelStatus[] } = {},
  ): void {
    this.#tuning = tuning;
    this.engine.weights.repacker = tuning.deviceRepack ? this.#repacker : undefined;
    this.#notes = { ...this.#notes, ...said.notes };
    this.#kernels = said.kernels ?? this.#kernels;
  }

  /** Half precision and rounding go first, then every fast kernel; what has been measured no longer counts. */
  stepDown(): string | undefined {
    const { gpu } = this.engine;
    if (this.#tuning === plainTuning) return undefined;
    const mayRound = gpu.has('shader-f16') || gpu.hasLanguage('packed_4x8_integer_dot_product');
    const rounds = mayRound && this.#tuning.exact !== true;
    this.#before ??= { tuning: this.#tuning, tuner: this.#tuner, kernels: this.#kernels };
    this.#tuner = undefined;
    const said = rounds ? 'kernels in f32 only' : 'plain kernels only';
    const off = (one: KernelStatus): KernelStatus => ({ ...one, state: 'off', reason: said });
    this.setTuning(rounds ? exactTuning(this.#tuning) : plainTuning, {
      notes: { steppedDown: said },
      kernels: this.#kernels.map((one) =>
        one.state === 'ready' || (!rounds && one.state === 'used') ? off(one) : one,
      ),
    });
    return said;
  }

  stepUp(): void {
    const before = this.#before;
    if (!before) return;
    this.#before = undefined;
    this.#tuner = before.tuner;
    this.setTuning(before.tuning, { kernels: before.kernels });
    this.#notes = Object.fromEntries(Object.entries(this.#notes).filter(([name]) => name !== 'steppedDown'));
  }

  #alive(): void {
    if (this.#disposed) throw disposedError('webgpu backend');
    this.engine.gpu.assertUsable();
  }

  /** Who measures a graph's dominant products before it is compiled. */
  setTuner(tuner: Tuner | undefined): void {
    this.#tuner = tuner;
  }

  #recordOptions(tuning: Tuning): RecordOptions {
    // Pieces of one submit, as fast as this device has turned out to be: a slow one gets shorter dispatches.
    const measured = Math.max(SHORTEST_DISPATCH_FLOPS, this.engine.queue.pieceFlops);
    return {
      maxBindingBytes: this.engine.gpu.limits.maxBindingBytes,
      dispatchFlops: this.#options.dispatchFlops ?? Math.min(DISPATCH_FLOPS, measured),
      tuning,
    };
  }

  async compile(graph: Graph, weights: WeightMap, options: CompileOptions = {}): Promise<WebgpuProgram> {
    this.#alive();
    const optimized = optimize(graph);
    const tuner = this.#tuner;
    if (tuner) {
      const { tuning, shapes } = watchedTuning(this.#tuning);
      recordProgram(optimized, weights, this.#recordOptions(tuning));
      const measured = this.#measuring.then(() => tuner.tune(shapes(), options.signal));
      this.#measuring = measured.catch(() => undefined);
      await measured;
    }
    const tuning = options.precision === 'f32' ? exactTuning(this.#tuning) : this.#tuning;
    return this.#compile(optimized, weights, tuning, options);
  }

  /** Values may be rounded to half precision on this device. */
  get roundsToHalf(): boolean {
    return this.engine.gpu.has('shader-f16');
  }

  /** As `compile` with a choice of kernels of its own, which nothing else sees. */
  compileWith(tuning: Tuning, graph: Graph, weights: WeightMap, options: CompileOptions = {}): Promise<WebgpuProgram> {
    this.#alive();
    return this.#compile(optimize(graph), weights, tuning, options);
  }

  async #compile(
    optimized: Graph,
    weights: WeightMap,
    tuning: Tuning,
    options: CompileOptions,
  ): Promise<WebgpuProgram> {
    const recorded = recordProgram(optimized, weights, this.#recordOptions(tuning));
    const program = await WebgpuProgram.create(this.engine, recorded, weights, options, (done) =>
      this.#programs.delete(done),
    );
    if (this.#disposed) {
      await program.dispose();
      throw disposedError('webgpu backend');
    }
    this.#programs.add(program);
    return program;
  }

  plan(graph: Graph, weights: WeightMap, { weightsBudgetBytes }: PlanOptions = {}): PlannedProgram {
    this.#alive();
    const recorded = recordProgram(optimize(graph), weights, this.#recordOptions(this.#tuning));
    const stream = streamWithin(recorded, weightsBudgetBytes);
    const { gpu, weights: store } = this.engine;
    const plan = memoryPlan(recorded, planArena(recorded, gpu.limits.maxBufferBytes), stream);
    let missingWeightsBytes = ownBytes(recorded, stream);
    for (const index of stayingWeights(recorded, stream)) {
      const planned = recorded.weights[index];
      if (!planned || store.has(planned, namedWeight(weights, planned.plan.name))) continue;
      for (const { bytes } of planned.plan.parts) missingWeightsBytes += bufferBytes(bytes);
    }
    return { ...plan, missingWeightsBytes };
  }

  upload(tensor: HostTensor): DeviceTensor {
    this.#alive();
    checkHostTensor(tensor);
    const { data, shape } = tensor;
    const made = this.#tensor('upload', shape, data instanceof Int32Array ? 'i32' : 'f32', data);
    this.engine.gpu.device.queue.writeBuffer(made.buffer, 0, data.buffer, data.byteOffset, data.byteLength);
    return made;
  }

  #tensor(
    label: string,
    shape: readonly number[],
    elementType: 'f32' | 'i32',
    data?: Float32Array | Int32Array,
  ): GpuTensor {
    const { pool } = this.engine;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const pooled = pool.allocate(label, 4 * elementCount(shape), 'tensors', usage);
    return new GpuTensor(pool, pooled, {
      shape: [...shape],
      elementType,
      ...(data instanceof Int32Array ? { hostInts: data.slice() } : {}),
    });
  }

  async download(tensor: DeviceTensor): Promise<HostTensor> {
    this.#alive();
    const own = ownTensor(this.engine.pool, tensor);
    const copy = await readBuffer(this.engine, own.buffer, own.byteOffset, 4 * elementCount(own.shape));
    return { shape: own.shape, data: own.elementType === 'i32' ? new Int32Array(copy) : new Float32Array(copy) };
  }

  lincomb(terms: readonly (readonly [number, DeviceTensor])[]): DeviceTensor {
    this.#alive();
    const shape = checkLincomb(terms);
    const own = terms.map(([coefficient, tensor]) => [coefficient, ownTensor(this.engine.pool, tensor)] as const);
    const result = this.#tensor('lincomb', shape, 'f32');
    try {
      this.#lincomb.run(own, result, elementCount(shape));
      return result;
    } catch (error) {
      result.dispose();
      throw error;
    }
  }

  /** Arenas that no run holds are freed first: what is reported is what is needed. */
  memory(): BackendMemory {
    const { pool, arenas } = this.engine;
    arenas.trim();
    return {
      weightsBytes: pool.bytes('weights'),
      arenaBytes: pool.bytes('arena') + pool.bytes('staging'),
      tensorBytes: pool.bytes('tensors'),
    };
  }

  get readBytes(): number {
    return this.engine.readBytes;
  }

  observe(observer: RunObserver | undefined): void {
    this.engine.observer = observer;
    this.engine.pool.takePeaks();
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await Promise.all([...this.#programs].map((program) => program.dispose()));
    this.engine.arenas.trim();
    this.engine.pool.dispose();
    this.engine.gpu.destroy();
  }
}
