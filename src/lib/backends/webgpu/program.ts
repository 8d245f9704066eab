/** A recorded program on a device: bind groups, runs, profiles. Order and contents of the work are fixed by the plan. */
import { throwIfAborted } from '../../base/abort';
import { AppError } from '../../base/errors';
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
import { disposedError, matchInputs } from '../check_inputs';
import type { WeightMap } from '../../graph/weights';
import { planArena, type ArenaPlan } from './arena';
import type { Arena } from './arena_cache';
import { fillWithSentinels, findOverwritten } from './guards';
import { bufferBytes } from './buffer_pool';
import { gridOf, PARAMS_STRIDE, type Engine } from './executor';
import type { Pipeline } from './pipelines';
import type { BufferId, DispatchPlan, ProgramPlan } from './plan_types';
import { OpTimer } from './op_timer';
import { nodeTimes, pacedTimes } from './profile';
import { Residents, residentBytes, streamWithin, type Range } from './residents';
import { DISPATCH_FLOPS } from './submit_queue';
import { GpuTensor, ownTensor } from './tensor';
import type { StreamPlan } from './weight_stream';

/** Exact memory of a recorded program, before anything is loaded. Weights shared with other programs count in full. */
export function memoryPlan(plan: ProgramPlan, arena: ArenaPlan, stream?: StreamPlan): MemoryPlan {
  let border = 0;
  let naiveBorder = 0;
  for (const buffer of plan.buffers) {
    if (buffer.kind !== 'input' && buffer.kind !== 'output') continue;
    border += bufferBytes(buffer.bytes);
    naiveBorder += bufferBytes(buffer.bytes);
  }
  const weightsBytes = residentBytes(plan, stream);
  const arenaBytes = arena.sizes.reduce((sum, size) => sum + bufferBytes(size), 0) + border;
  return {
    weightsBytes,
    arenaBytes,
    naiveArenaBytes: arena.naiveBytes + naiveBorder,
    peakBytes: weightsBytes + arenaBytes,
    ...(stream ? { streamedBytes: stream.bytesPerRun } : {}),
  };
}

/** What one run binds besides the residents. */
interface RunBuffers {
  readonly arena: Arena;
  readonly inputs: ReadonlyMap<string, Range>;
  readonly outputs: ReadonlyMap<string, Range>;
}

export class WebgpuProgram implements Program {
  readonly plan: MemoryPlan;
  readonly #engine: Engine;
  readonly #recorded: ProgramPlan;
  readonly #arenaPlan: ArenaPlan;
  readonly #pipelines: readonly Pipeline[];
  readonly #onDispose: (program: WebgpuProgram) => void;
  #residents: Residents | undefined;
  #paramsGroup: GPUBindGroup | undefined;
  /** Bind groups without inputs and outputs are the same in every run on one arena. */
  #groupsArena: Arena | undefined;
  readonly #groups = new Map<number, GPUBindGroup>();
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
    this.#pipelines = pipelines;
    this.#residents = residents;
    this.#onDispose = onDispose;
    this.plan = memoryPlan(recorded, arenaPlan, residents.streamer?.plan);
    if (residents.params) {
      this.#paramsGroup = engine.gpu.device.createBindGroup({
        label: `${recorded.graph.name} params`,
        layout: engine.pipelines.paramsLayout,
        entries: [{ binding: 0, resource: { buffer: residents.params, size: PARAMS_STRIDE } }],
      });
    }
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
        ms = await pacedTimes(this.#engine, this.#recorded, (pass, i) => this.#dispatch(pass, buffers, i));
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
    const streamer = this.#residents?.streamer;
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
    this.#residents?.dispose();
    this.#residents = undefined;
    this.#groups.clear();
    this.#groupsArena = undefined;
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
    if (!this.#residents) throw disposedError(`program ${this.graph.name}`);
    const { pool, arenas } = this.#engine;
    const owned: GpuTensor[] = [];
    let arena: Arena | undefined;
    try {
      const inputs = this.#inputs(given, owned);
      const copies = owned.length;
      const outputs: Record<string, GpuTensor> = {};
      for (const [name, id] of this.graph.outputs) {
        const { shape, elementType } = valueOf(this.graph, id);
        outputs[name] = this.#tensor(`output ${name}`, shape, elementType);
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
      if (!this.#residents) throw disposedError(`program ${this.graph.name}`);
      for (const copy of owned.splice(0, copies)) copy.dispose();
      owned.length = 0;
      return outputs;
    } finally {
      for (const tensor of owned) tensor.dispose();
      if (arena) arenas.giveBack(arena);
    }
  }

  #tensor(label: string, shape: readonly number[], elementType: 'f32' | 'i32'): GpuTensor {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const { guardBytes } = this.#engine;
    const bytes = 4 * shape.reduce((a, b) => a * b, 1) + 2 * guardBytes;
    return new GpuTensor(this.#engine.pool, this.#engine.pool.allocate(label, bytes, 'tensors', usage), {
      shape,
      elementType,
      byteOffset: guardBytes,
    });
  }

  /** Buffers by input name. A tensor given twice is copied, since one buffer cannot be bound writable twice. */
  #inputs(given: Readonly<Record<string, DeviceTensor>>, owned: GpuTensor[]): Map<string, Range> {
    const ranges = new Map<string, Range>();
    const seen = new Set<GPUBuffer>();
    for (const [name, tensor] of matchInputs(this.graph, given)) {
      const own = ownTensor(this.#engine.pool, tensor);
      const wanted = valueOf(this.graph, this.graph.inputs.get(name) ?? -1).elementType;
      if (own.elementType !== wanted) {
        throw new AppError(
          'graph/shape',
          `${this.graph.name}: input "${name}" must hold ${wanted}, got ${own.elementType}.`,
          {
            details: { input: name, wanted, found: own.elementType },
          },
        );
      }
      this.#checkIds(name, own);
      let range = rangeOf(own);
      if (seen.has(range.buffer)) {
        const copy = this.#tensor(`input ${name}`, own.shape, own.elementType);
        owned.push(copy);
        const target = rangeOf(copy);
        const bytes = 4 * elementCount(own.shape);
        const encoder = this.#engine.gpu.device.createCommandEncoder({ label: `copy of ${name}` });
        encoder.copyBufferToBuffer(range.buffer, range.offset, target.buffer, target.offset, bytes);
        this.#engine.gpu.device.queue.submit([encoder.finish()]);
        range = target;
      }
      seen.add(range.buffer);
      ranges.set(name, range);
    }
    return ranges;
  }

  #checkIds(name: string, { hostInts }: GpuTensor): void {
    for (const { input, below, scope } of this.#recorded.idChecks) {
      if (input !== name || !hostInts) continue;
      const wrong = hostInts.find((value) => value < 0 || value >= below);
      if (wrong === undefined) continue;
      throw new AppError(
        'argument/invalid',
        `${this.graph.name}, layer ${scope}: ids of input "${name}" must lie in 0..${below - 1}, got ${wrong}; the tokenizer does not belong to this model.`,
        { details: { input: name, below, found: wrong } },
      );
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
      if (pass) this.#dispatch(pass, buffers, i);
      if (timestampWrites) pass?.end();
    }
    if (!timer) pass?.end();
  }

  #dispatch(pass: GPUComputePassEncoder, buffers: RunBuffers, index: number): void {
    const dispatch = this.#recorded.dispatches[index];
    const pipeline = this.#pipelines[index];
    if (!dispatch || !pipeline || !this.#paramsGroup) return;
    pass.setPipeline(pipeline.pipeline);
    pass.setBindGroup(0, this.#bindGroup(dispatch, pipeline, buffers, index));
    pass.setBindGroup(1, this.#paramsGroup, [PARAMS_STRIDE * index]);
    pass.dispatchWorkgroups(...gridOf(dispatch.workgroups, this.#engine.gpu.limits.groupsPerAxis));
  }

  #bindGroup(dispatch: DispatchPlan, { kernel, layout }: Pipeline, buffers: RunBuffers, index: number): GPUBindGroup {
    if (this.#groupsArena !== buffers.arena) {
      this.#groups.clear();
      this.#groupsArena = buffers.arena;
    }
    const known = this.#groups.get(index);
    if (known) return known;
    let passing = false;
    const entries = kernel.bindings.map(({ name, binding }) => {
      const operand = dispatch.bindings[name];
      if (!operand) {
        const dummy = this.#residents?.dummy(binding);
        if (!dummy) throw disposedError(`program ${this.graph.name}`);
        return { binding, resource: { ...dummy, size: 256 } };
      }
      const kind = this.#recorded.buffers[operand.buffer]?.kind;
      passing ||= kind === 'input' || kind === 'output';
      const { buffer, offset } = this.#locate(operand.buffer, buffers, index);
      return { binding, resource: { buffer, offset: offset + operand.offset, size: operand.bytes } };
    });
    const group = this.#engine.gpu.device.createBindGroup({ label: kernel.label, layout, entries });
    if (!passing) this.#groups.set(index, group);
    return group;
  }

  #locate(id: BufferId, { arena, inputs, outputs }: RunBuffers, dispatch: number): Range {
    const planned = this.#recorded.buffers[id];
    let found: Range | undefined;
    if (planned?.kind === 'input' || planned?.kind === 'output') {
      found = (planned.kind === 'input' ? inputs : outputs).get(planned.name);
    } else if (planned?.kind === 'temp') {
      const placement = this.#arenaPlan.placements.get(id);
      const pooled = placement && arena.buffers[placement.arena];
      found = pooled && { buffer: pooled.buffer, offset: placement.offset };
    } else {
      found = this.#residents?.range(id, dispatch);
    }
    if (!found) throw disposedError(`program ${this.graph.name}`);
    return found;
  }
}

function rangeOf({ buffer, byteOffset }: GpuTensor): Range {
  return { buffer, offset: byteOffset };
}
