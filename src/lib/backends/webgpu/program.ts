/** A recorded program on a device: runs, profiles, what it holds. Order and contents of the work are fixed by the plan. */
import { throwIfAborted } from '../../base/abort';
import { elementCount } from '../../base/shape';
import { valueOf } from '../../graph/ir';
import type {
  CompileOptions,
  DeviceTensor,
  MemoryPlan,
  OpTiming,
  Program,
  RunOptions,
  RunTimings,
  StreamTimes,
} from '../backend';
import { disposedError } from '../check_inputs';
import type { WeightMap } from '../../graph/weights';
import { planArena, type ArenaPlan } from './arena';
import type { Arena } from './arena_cache';
import type { PooledBuffer } from './buffer_pool';
import { DispatchEncoder, type RunBuffers } from './dispatch_encoder';
import type { Engine } from './executor';
import { fillWithSentinels, findOverwritten } from './guards';
import { memoryPlan } from './memory_plan';
import { OpTimer } from './op_timer';
import type { Pipeline } from './pipelines';
import type { ProgramPlan } from './plan_types';
import { nodeTimes, pacedTimes } from './profile';
import { makeTensor, placeInputs, rangeOf } from './program_inputs';
import { Residents, streamWithin } from './residents';
import { DISPATCH_FLOPS } from './submit_queue';
import { ownTensor, type GpuTensor } from './tensor';

export class WebgpuProgram implements Program {
  readonly plan: MemoryPlan;
  readonly #engine: Engine;
  readonly #recorded: ProgramPlan;
  readonly #arenaPlan: ArenaPlan;
  readonly #onDispose: (program: WebgpuProgram) => void;
  /** Undefined once disposed of. */
  #loaded: { readonly residents: Residents; readonly encoder: DispatchEncoder } | undefined;
  #guardedArena: Arena | undefined;

  private constructor(
    engine: Engine,
    recorded: ProgramPlan,
    arenaPlan: ArenaPlan,
    pipelines: readonly Pipeline[],
    residents: Residents,
    onDispose: (program: WebgpuProgram) => void,
  ) {
    this.#engine = engine;
    this.#recorded = recorded;
    this.#arenaPlan = arenaPlan;
    this.#onDispose = onDispose;
    this.#loaded = { residents, encoder: new DispatchEncoder(engine, recorded, arenaPlan, pipelines, residents) };
    this.plan = memoryPlan(recorded, arenaPlan, residents.streamer?.plan);
  }

  /** Compiles the kernels and loads the weights of a recorded program. @throws AppError; nothing is left then */
  static async create(
    engine: Engine,
    recorded: ProgramPlan,
    weights: WeightMap,
    options: CompileOptions,
    onDispose: (program: WebgpuProgram) => void,
  ): Promise<WebgpuProgram> {
    const arenaPlan = planArena(recorded, engine.gpu.limits.maxBufferBytes, engine.guardBytes);
    const pipelines = await Promise.all(
      recorded.dispatches.map(({ kernel, overrides }) => engine.pipelines.get(kernel, overrides)),
    );
    throwIfAborted(options.signal);
    const stream = streamWithin(recorded, options.weightsBudgetBytes);
    const residents = await Residents.load(engine, recorded, pipelines, weights, { ...options, stream });
    return new WebgpuProgram(engine, recorded, arenaPlan, pipelines, residents, onDispose);
  }

  get graph() {
    return this.#recorded.graph;
  }

  get sharedWeights(): readonly PooledBuffer[] {
    return this.#loaded?.residents.weightBuffers ?? [];
  }

  async run(
    inputs: Readonly<Record<string, DeviceTensor>>,
    { signal }: RunOptions = {},
  ): Promise<Record<string, DeviceTensor>> {
    const { observer, queue } = this.#engine;
    const timer = observer?.wantsTimings(this) ? this.#timer() : undefined;
    const encodedMs = queue.encodeMs;
    let timings: Promise<RunTimings | undefined> | undefined;
    let streamed: StreamTimes | undefined;
    try {
      const outputs = await this.#withBuffers(inputs, signal, async (buffers) => {
        streamed = await this.#submitAll(buffers, signal, timer);
        // Read behind the run, so that the caller need not wait for the device.
        timings = timer?.read().then(
          ({ ms, stepMs }) => ({ clock: 'timestamps', stepMs, nodes: nodeTimes(this.#recorded, ms) }),
          () => undefined,
        );
      });
      observer?.onRun({
        program: this,
        dispatches: this.#recorded.dispatches.length,
        encodeMs: queue.encodeMs - encodedMs,
        held: this.#engine.pool.takePeaks(),
        ...(streamed ? { streamed } : {}),
        ...(timings ? { timings } : {}),
      });
      return outputs;
    } finally {
      if (!timings) timer?.destroy();
    }
  }

  async profile(inputs: Readonly<Record<string, DeviceTensor>>): Promise<readonly OpTiming[]> {
    let ms: readonly number[] = [];
    const outputs = await this.#withBuffers(inputs, undefined, async (buffers) => {
      const timer = this.#timer();
      if (timer) {
        await this.#submitAll(buffers, undefined, timer);
        ({ ms } = await timer.read());
      } else {
        await this.#engine.queue.drain();
        ms = await pacedTimes(this.#engine, this.#recorded, (pass, i) =>
          this.#loaded?.encoder.encode(pass, buffers, i),
        );
      }
    });
    for (const tensor of Object.values(outputs)) tensor.dispose();
    return nodeTimes(this.#recorded, ms);
  }

  #timer(): OpTimer | undefined {
    return OpTimer.create(this.#engine, this.#recorded.dispatches.length);
  }

  /** All dispatches, in groups where weights pass through. */
  async #submitAll(
    buffers: RunBuffers,
    signal: AbortSignal | undefined,
    timer: OpTimer | undefined,
  ): Promise<StreamTimes | undefined> {
    const submit = (first: number, end: number) => this.#submitRange(buffers, [first, end], signal, timer);
    const streamer = this.#loaded?.residents.streamer;
    if (streamer) return streamer.run(submit, signal);
    await submit(0, this.#recorded.dispatches.length);
    return undefined;
  }

  /** Consecutive dispatches in pieces of bounded time. */
  async #submitRange(
    buffers: RunBuffers,
    [from, to]: readonly [number, number],
    signal: AbortSignal | undefined,
    timer: OpTimer | undefined,
  ): Promise<void> {
    const { dispatches } = this.#recorded;
    const { queue } = this.#engine;
    for (let first = from; first < to;) {
      let flops = 0;
      let last = first;
      const budget = queue.pieceFlops;
      while (last < to && (last === first || flops < budget)) {
        flops += (dispatches[last]?.flops ?? 0) + DISPATCH_FLOPS;
        last++;
      }
      const [begin, end] = [first, last];
      const label = `${this.graph.name} ${begin}..${end - 1}`;
      await queue.submit(label, flops, (encoder) => this.#encode(encoder, buffers, [begin, end], timer), signal);
      first = last;
    }
  }

  /**
   * With guards: a text when the last run wrote outside its tensors. Call it right after the run.
   * @param outputs what that run returned
   */
  async findOverwritten(outputs: Readonly<Record<string, DeviceTensor>>): Promise<string | undefined> {
    const label = this.graph.name;
    const arena = this.#guardedArena?.buffers[0]?.buffer;
    if (arena) {
      const ranges = [...this.#arenaPlan.placements].map(([id, { offset }]) => ({
        offset,
        bytes: this.#recorded.buffers[id]?.bytes ?? 0,
      }));
      const found = await findOverwritten(this.#engine, `${label} temporaries`, arena, ranges);
      if (found !== undefined) return found;
    }
    for (const [name, tensor] of Object.entries(outputs)) {
      const { buffer, offset } = rangeOf(ownTensor(this.#engine.pool, tensor));
      const ranges = [{ offset, bytes: 4 * elementCount(tensor.shape) }];
      const found = await findOverwritten(this.#engine, `${label} output "${name}"`, buffer, ranges);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  dispose(): Promise<void> {
    this.#loaded?.residents.dispose();
    this.#loaded = undefined;
    this.#onDispose(this);
    return Promise.resolve();
  }

  /** Allocates, runs `work`, gives the outputs; on failure frees all. */
  async #withBuffers(
    given: Readonly<Record<string, DeviceTensor>>,
    signal: AbortSignal | undefined,
    work: (buffers: RunBuffers) => Promise<void>,
  ): Promise<Record<string, DeviceTensor>> {
    throwIfAborted(signal);
    this.#engine.gpu.assertUsable();
    if (!this.#loaded) throw disposedError(`program ${this.graph.name}`);
    const { pool, arenas } = this.#engine;
    const owned: GpuTensor[] = [];
    let arena: Arena | undefined;
    try {
      const inputs = placeInputs(this.#engine, this.#recorded, given, owned);
      const copies = owned.length;
      const outputs: Record<string, GpuTensor> = {};
      for (const [name, id] of this.graph.outputs) {
        const { shape, elementType } = valueOf(this.graph, id);
        outputs[name] = makeTensor(this.#engine, `output ${name}`, shape, elementType);
        owned.push(outputs[name]);
      }
      arena = arenas.lease(this.graph.name, this.#arenaPlan.sizes);
      await pool.settle();
      const outputRanges = new Map(Object.entries(outputs).map(([name, tensor]) => [name, rangeOf(tensor)]));
      if (this.#engine.guardBytes > 0) {
        const written = [
          ...arena.buffers.map(({ buffer }) => buffer),
          ...[...outputRanges.values()].map(({ buffer }) => buffer),
        ];
        for (const buffer of written) fillWithSentinels(this.#engine, buffer);
        this.#guardedArena = arena;
      }
      await work({ arena, inputs, outputs: outputRanges });
      // Not while this run was under way: the program may have been disposed meanwhile, its buffers are gone then.
      if (!this.#loaded) throw disposedError(`program ${this.graph.name}`);
      for (const copy of owned.splice(0, copies)) copy.dispose();
      owned.length = 0;
      return outputs;
    } finally {
      for (const tensor of owned) tensor.dispose();
      if (arena) arenas.giveBack(arena);
    }
  }

  /** One pass for all, or one for each where they are timed. */
  #encode(
    encoder: GPUCommandEncoder,
    buffers: RunBuffers,
    [begin, end]: readonly [number, number],
    timer: OpTimer | undefined,
  ): void {
    const label = this.graph.name;
    let pass = timer ? undefined : encoder.beginComputePass({ label });
    for (let i = begin; i < end; i++) {
      const timestampWrites = timer?.writes(i);
      if (timestampWrites) pass = encoder.beginComputePass({ label, timestampWrites });
      if (pass) this.#loaded?.encoder.encode(pass, buffers, i);
      if (timestampWrites) pass?.end();
    }
    if (!timer) pass?.end();
  }
}
