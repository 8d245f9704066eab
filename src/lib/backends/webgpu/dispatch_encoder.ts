/** Dispatches of a recorded program on their way into a pass: pipelines, parameters, bind groups. */
import { disposedError } from '../check_inputs';
import type { ArenaPlan } from './arena';
import type { Arena } from './arena_cache';
import { DUMMY_SLOT, gridOf, PARAMS_STRIDE, type Engine } from './executor';
import type { Pipeline } from './pipelines';
import type { BufferId, DispatchPlan, ProgramPlan } from './plan_types';
import type { Range, Residents } from './residents';

/** What one run binds besides the residents. */
export interface RunBuffers {
  readonly arena: Arena;
  readonly inputs: ReadonlyMap<string, Range>;
  readonly outputs: ReadonlyMap<string, Range>;
}

export class DispatchEncoder {
  readonly #engine: Engine;
  readonly #recorded: ProgramPlan;
  readonly #arenaPlan: ArenaPlan;
  readonly #pipelines: readonly Pipeline[];
  readonly #residents: Residents;
  readonly #paramsGroup: GPUBindGroup | undefined;
  /** Bind groups without inputs and outputs are the same in every run on one arena. */
  #groupsArena: Arena | undefined;
  readonly #groups = new Map<number, GPUBindGroup>();

  constructor(
    engine: Engine,
    recorded: ProgramPlan,
    arenaPlan: ArenaPlan,
    pipelines: readonly Pipeline[],
    residents: Residents,
  ) {
    this.#engine = engine;
    this.#recorded = recorded;
    this.#arenaPlan = arenaPlan;
    this.#pipelines = pipelines;
    this.#residents = residents;
    this.#paramsGroup =
      residents.params &&
      engine.gpu.device.createBindGroup({
        label: `${recorded.graph.name} params`,
        layout: engine.pipelines.paramsLayout,
        entries: [{ binding: 0, resource: { buffer: residents.params, size: PARAMS_STRIDE } }],
      });
  }

  /** Records dispatch `index`. @throws AppError when the program was disposed of */
  encode(pass: GPUComputePassEncoder, buffers: RunBuffers, index: number): void {
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
      if (!operand) return { binding, resource: { ...this.#dummy(binding), size: DUMMY_SLOT } };
      const kind = this.#recorded.buffers[operand.buffer]?.kind;
      passing ||= kind === 'input' || kind === 'output';
      const { buffer, offset } = this.#locate(operand.buffer, buffers, index);
      return { binding, resource: { buffer, offset: offset + operand.offset, size: operand.bytes } };
    });
    const group = this.#engine.gpu.device.createBindGroup({ label: kernel.label, layout, entries });
    if (!passing) this.#groups.set(index, group);
    return group;
  }

  #dummy(binding: number): Range {
    return this.#held(this.#residents.dummy(binding));
  }

  #locate(id: BufferId, { arena, inputs, outputs }: RunBuffers, dispatch: number): Range {
    const planned = this.#recorded.buffers[id];
    if (planned?.kind === 'input' || planned?.kind === 'output') {
      return this.#held((planned.kind === 'input' ? inputs : outputs).get(planned.name));
    }
    if (planned?.kind === 'temp') {
      const placement = this.#arenaPlan.placements.get(id);
      const pooled = placement && arena.buffers[placement.arena];
      return this.#held(pooled && { buffer: pooled.buffer, offset: placement.offset });
    }
    return this.#held(this.#residents.range(id, dispatch));
  }

  #held(range: Range | undefined): Range {
    if (!range) throw disposedError(`program ${this.#recorded.graph.name}`);
    return range;
  }
}
