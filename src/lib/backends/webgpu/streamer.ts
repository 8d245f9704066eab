/** Fills the slots of a streamed program: the next group is read and packed while the device works on the present one. */
import { throwIfAborted } from '../../base/abort';
import { namedWeight } from '../../graph/load_weight';
import type { WeightMap } from '../../graph/weights';
import type { StreamTimes } from '../backend';
import type { PooledBuffer } from './buffer_pool';
import type { Engine } from './executor';
import type { BufferId, ProgramPlan } from './plan_types';
import { STREAM_SLOTS, type StreamPlan } from './weight_stream';

export class Streamer {
  readonly plan: StreamPlan;
  readonly #engine: Engine;
  readonly #recorded: ProgramPlan;
  readonly #weights: WeightMap;
  readonly #slots: PooledBuffer[] = [];
  /** By group: where each buffer lies in its slot. */
  readonly #offsets: readonly ReadonlyMap<BufferId, number>[];
  readonly #groupOf: Int32Array;
  /** Slots belong to one run at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine, recorded: ProgramPlan, plan: StreamPlan, weights: WeightMap) {
    this.#engine = engine;
    this.#recorded = recorded;
    this.plan = plan;
    this.#weights = weights;
    this.#offsets = plan.groups.map(({ parts }) => new Map(parts.map(({ buffer, offset }) => [buffer, offset])));
    this.#groupOf = new Int32Array(recorded.dispatches.length);
    for (const [g, { first, end }] of plan.groups.entries()) this.#groupOf.fill(g, first, end);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    try {
      for (let i = 0; i < STREAM_SLOTS; i++) {
        const label = `${recorded.graph.name} slot ${i}`;
        this.#slots.push(engine.pool.allocate(label, plan.slotBytes, 'weights', usage));
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Where a dispatch finds a streamed weight. */
  range(id: BufferId, dispatch: number): { buffer: GPUBuffer; offset: number } | undefined {
    const group = this.#groupOf[dispatch] ?? 0;
    const offset = this.#offsets[group]?.get(id);
    const slot = this.#slots[group % STREAM_SLOTS];
    return offset === undefined || !slot ? undefined : { buffer: slot.buffer, offset };
  }

  /**
   * Runs all groups in order; `submit` hands the dispatches of one to the device.
   * @throws what reading and `submit` throw; no read is under way then
   */
  async run(submit: (first: number, end: number) => Promise<void>, signal?: AbortSignal): Promise<StreamTimes> {
    const before = this.#last;
    const mine = (async () => {
      await before.catch(() => undefined);
      return this.#runGroups(submit, signal);
    })();
    this.#last = mine;
    return mine;
  }

  async #runGroups(
    submit: (first: number, end: number) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<StreamTimes> {
    let [loadMs, waitMs] = [0, 0];
    /** Since when the device has had no dispatches of this run. */
    let idleSince: number | undefined = performance.now();
    let current = -1;
    const load = async (group: number): Promise<void> => {
      const begun = performance.now();
      await this.#load(group, signal);
      loadMs += performance.now() - begun;
    };
    let next = load(0);
    try {
      for (const [g, { first, end }] of this.plan.groups.entries()) {
        await next;
        if (idleSince !== undefined) waitMs += performance.now() - idleSince;
        idleSince = undefined;
        // Its slot was read by group g - 1 last, whose commands are all in the queue: writes come behind them.
        if (g + 1 < this.plan.groups.length) next = load(g + 1);
        current = g;
        await submit(first, end);
        const noteIdle = () => {
          if (current === g) idleSince = performance.now();
        };
        // A lost device is reported by what waits for it.
        this.#engine.gpu.idle().then(noteIdle, noteIdle);
      }
    } finally {
      await next.catch(() => undefined);
    }
    return { bytes: this.plan.bytesPerRun, loadMs, waitMs };
  }

  async #load(group: number, signal: AbortSignal | undefined): Promise<void> {
    const slot = this.#slots[group % STREAM_SLOTS];
    if (!slot) return;
    for (const { buffer, offset } of this.plan.groups[group]?.parts ?? []) {
      throwIfAborted(signal);
      const planned = this.#recorded.buffers[buffer];
      if (planned?.kind !== 'weight') continue;
      const weight = this.#recorded.weights[planned.weight];
      const part = weight?.plan.parts[planned.part];
      if (!weight || !part) continue;
      const named = namedWeight(this.#weights, weight.plan.name);
      await this.#engine.weights.write(weight, part, named, { buffer: slot.buffer, offset }, signal);
    }
  }

  dispose(): void {
    for (const slot of this.#slots.splice(0)) this.#engine.pool.free(slot);
  }
}
