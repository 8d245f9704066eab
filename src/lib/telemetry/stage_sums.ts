/** Runs of one stage summed up: per operator and layer, scaled from the runs that were timed to all. */
import type { JobStage, OperatorTime, StageTelemetry } from '../rpc/engine';

/** Time of one node in one run. */
export interface NodeTime {
  readonly op: string;
  readonly scope: string;
  readonly ms: number;
  readonly flops: number;
}

/** Layers listed per operator. */
const MAX_LAYERS = 8;

interface ProgramSums {
  runs: number;
  /** Of the timed runs of this stage. */
  timedRuns: number;
  /** Latest times of its nodes; those of an earlier stage or job serve where this one had none. */
  nodes: readonly NodeTime[] | undefined;
}

export class StageSums {
  readonly #programs = new Map<object, ProgramSums>();
  #dispatches = 0;
  #encodeMs = 0;
  #streamed = { bytes: 0, loadMs: 0, waitMs: 0 };

  /** @param program tells programs apart */
  addRun(
    program: object,
    run: {
      readonly dispatches: number;
      readonly encodeMs: number;
      readonly streamed?: { readonly bytes: number; readonly loadMs: number; readonly waitMs: number };
    },
  ): void {
    this.#program(program).runs += 1;
    this.#dispatches += run.dispatches;
    this.#encodeMs += run.encodeMs;
    const { bytes, loadMs, waitMs } = this.#streamed;
    const { streamed } = run;
    if (streamed) {
      this.#streamed = {
        bytes: bytes + streamed.bytes,
        loadMs: loadMs + streamed.loadMs,
        waitMs: waitMs + streamed.waitMs,
      };
    }
  }

  /** @param fresh whether a run of this stage was timed, or times are known from before */
  setTimes(program: object, nodes: readonly NodeTime[], fresh: boolean): void {
    const sums = this.#program(program);
    sums.nodes = nodes;
    if (fresh) sums.timedRuns += 1;
  }

  #program(program: object): ProgramSums {
    let sums = this.#programs.get(program);
    if (!sums) {
      sums = { runs: 0, timedRuns: 0, nodes: undefined };
      this.#programs.set(program, sums);
    }
    return sums;
  }

  /** @param ms wall time of the stage */
  finish(stage: JobStage, ms: number): StageTelemetry {
    const operators = this.#operators();
    const all = [...this.#programs.values()];
    return {
      stage,
      ms,
      runs: all.reduce((sum, { runs }) => sum + runs, 0),
      timedRuns: all.reduce((sum, { timedRuns }) => sum + timedRuns, 0),
      dispatches: this.#dispatches,
      encodeMs: this.#encodeMs,
      ...(operators.length > 0 ? { operatorMs: operators.reduce((sum, one) => sum + one.ms, 0) } : {}),
      operators,
      ...(this.#streamed.bytes > 0 ? { streamed: this.#streamed } : {}),
    };
  }

  #operators(): OperatorTime[] {
    const byOp = new Map<string, { calls: number; ms: number; flops: number; layers: Map<string, number> }>();
    for (const { runs, nodes = [] } of this.#programs.values()) {
      for (const { op, scope, ms, flops } of nodes) {
        const sum = byOp.get(op) ?? { calls: 0, ms: 0, flops: 0, layers: new Map<string, number>() };
        sum.calls += runs;
        sum.ms += runs * ms;
        sum.flops += runs * flops;
        sum.layers.set(scope, (sum.layers.get(scope) ?? 0) + runs * ms);
        byOp.set(op, sum);
      }
    }
    return [...byOp]
      .map(([op, { calls, ms, flops, layers }]) => ({ op, calls, ms, flops, layers: slowest(layers) }))
      .sort((a, b) => b.ms - a.ms);
  }
}

function slowest(layers: ReadonlyMap<string, number>): { scope: string; ms: number }[] {
  const all = [...layers].map(([scope, ms]) => ({ scope, ms }));
  return all.sort((a, b) => b.ms - a.ms).slice(0, MAX_LAYERS);
}
