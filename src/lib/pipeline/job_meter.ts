/** Listens to a backend while a job runs and says afterwards what the job cost. */
import type { HeldBytes, Program, RunObserver, RunReport, RunTimings } from '../backends/backend';
import { JOB_STAGES, type JobMemory, type JobStage, type JobTelemetry } from '../rpc/engine';
import { StageSums } from '../telemetry/stage_sums';
import type { JobClock } from './job_clock';
import type { Residency } from './residency';

/** Timed once more when older: the device may have become busy or warm. */
const FRESH_MS = 10_000;

interface Known {
  readonly at: number;
  readonly timings: RunTimings;
  /** A first run compiles and warms up. */
  readonly warm: boolean;
}

/** Times of a program's nodes outlive a job, so that a live canvas is not measured at every stroke. */
const knownTimes = new WeakMap<Program, Known>();

export class JobMeter implements RunObserver {
  readonly #residency: Residency;
  readonly #clock: JobClock;
  readonly #stages = new Map<JobStage, StageSums>();
  readonly #programs = new Set<Program>();
  readonly #waiting: Promise<void>[] = [];
  readonly #measures: string[] = [];
  #held: HeldBytes = { weightsBytes: 0, arenaBytes: 0, tensorBytes: 0, stagingBytes: 0, peakBytes: 0 };
  #plannedPeakBytes = 0;
  readonly #readBefore: number | undefined;
  #timings: Pick<JobTelemetry, 'clock' | 'clockStepMs'> = { clock: 'none' };

  /** Listens from now on. */
  constructor(residency: Residency, clock: JobClock) {
    this.#residency = residency;
    this.#clock = clock;
    this.#readBefore = residency.backend.readBytes;
    residency.backend.observe(this);
    residency.onMeasure = (text) => this.note(text);
  }

  /** Something was done to fit the memory or to survive. */
  note(measure: string): void {
    if (!this.#measures.includes(measure)) this.#measures.push(measure);
  }

  wantsTimings(program: Program): boolean {
    const known = knownTimes.get(program);
    return !known?.warm || performance.now() - known.at > FRESH_MS;
  }

  onRun({ program, dispatches, encodeMs, held, timings, streamed }: RunReport): void {
    const sums = this.#sums();
    sums.addRun(program, { dispatches, encodeMs, ...(streamed ? { streamed } : {}) });
    this.#programs.add(program);
    this.#noteMemory(program, held);
    const known = knownTimes.get(program);
    if (!timings) {
      if (known) this.#use(sums, program, known.timings, false);
      return;
    }
    this.#waiting.push(
      timings.then((found) => {
        if (!found) return;
        knownTimes.set(program, { at: performance.now(), timings: found, warm: known !== undefined });
        this.#use(sums, program, found, true);
      }),
    );
  }

  #use(sums: StageSums, program: Program, { clock, stepMs, nodes }: RunTimings, fresh: boolean): void {
    sums.setTimes(program, nodes, fresh);
    // Equal times say nothing about the clock, and few times show a multiple of its step.
    const step = stepMs > 0 ? { clockStepMs: Math.min(stepMs, this.#timings.clockStepMs ?? Infinity) } : {};
    this.#timings = { ...this.#timings, clock, ...step };
  }

  #sums(): StageSums {
    const stage = this.#clock.stage ?? 'load';
    let sums = this.#stages.get(stage);
    if (!sums) {
      sums = new StageSums();
      this.#stages.set(stage, sums);
    }
    return sums;
  }

  #noteMemory(program: Program, held: HeldBytes): void {
    const most = this.#held;
    this.#held = {
      weightsBytes: Math.max(most.weightsBytes, held.weightsBytes),
      arenaBytes: Math.max(most.arenaBytes, held.arenaBytes),
      tensorBytes: Math.max(most.tensorBytes, held.tensorBytes),
      stagingBytes: Math.max(most.stagingBytes, held.stagingBytes),
      peakBytes: Math.max(most.peakBytes, held.peakBytes),
    };
    const weights = plannedWeights(this.#residency.programs);
    this.#plannedPeakBytes = Math.max(this.#plannedPeakBytes, weights + program.plan.arenaBytes);
  }

  /** Stops listening. `clock` must have stopped. */
  async finish(): Promise<JobTelemetry> {
    const { backend } = this.#residency;
    backend.observe(undefined);
    this.#residency.onMeasure = undefined;
    await Promise.all(this.#waiting);
    const times = new Map(this.#clock.times.map(({ stage, ms }) => [stage, ms]));
    const stages = JOB_STAGES.filter((stage) => times.has(stage) || this.#stages.has(stage));
    return {
      backend: backend.id,
      ...this.#timings,
      stages: stages.map((stage) => (this.#stages.get(stage) ?? new StageSums()).finish(stage, times.get(stage) ?? 0)),
      memory: this.#memory(),
      measures: this.#measures,
    };
  }

  #memory(): JobMemory {
    let naiveBytes = 0;
    for (const { plan } of this.#programs) {
      naiveBytes += plan.weightsBytes + (plan.streamedBytes ?? 0) + plan.naiveArenaBytes;
    }
    const { readBytes } = this.#residency.backend;
    const read = readBytes === undefined ? {} : { readBytes: readBytes - (this.#readBefore ?? 0) };
    return { ...this.#held, ...read, plannedPeakBytes: this.#plannedPeakBytes, naiveBytes };
  }
}

/** What programs were planned to keep, weights that they share counted once. */
function plannedWeights(programs: readonly Program[]): number {
  const seen = new Set<object>();
  let bytes = 0;
  for (const { plan, sharedWeights = [] } of programs) {
    bytes += plan.weightsBytes;
    for (const weight of sharedWeights) {
      if (seen.has(weight)) bytes -= weight.bytes;
      seen.add(weight);
    }
  }
  return bytes;
}
