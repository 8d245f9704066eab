/** What a job is told to have cost: by stage, with the highest bytes held, what was planned, and what was given up. */
import { expect, it } from 'vitest';
import type { Backend, HeldBytes, Program, RunObserver } from '../../../src/lib/backends/backend';
import { JobClock } from '../../../src/lib/pipeline/job_clock';
import { JobMeter } from '../../../src/lib/pipeline/job_meter';
import { Residency } from '../../../src/lib/pipeline/residency';

const held = (weightsBytes: number, arenaBytes: number): HeldBytes => ({
  weightsBytes,
  arenaBytes,
  tensorBytes: 1,
  stagingBytes: 2,
  peakBytes: weightsBytes + arenaBytes + 3,
});
const program = (weightsBytes: number, arenaBytes: number): Program =>
  ({ plan: { weightsBytes, arenaBytes, naiveArenaBytes: 10 * arenaBytes, peakBytes: 0 } }) as Program;
const nodes = [{ op: 'linear', scope: 'a', ms: 2, flops: 4 }];

function started() {
  let observer: RunObserver | undefined;
  const backend = { id: 'test', observe: (one: RunObserver | undefined) => (observer = one) } as unknown as Backend;
  const residency = new Residency(backend);
  const clock = new JobClock();
  const meter = new JobMeter(residency, clock);
  return { residency, clock, meter, observer: () => observer };
}

it('sums up stages, keeps the highest bytes and the smallest clock step', async () => {
  const { residency, clock, meter, observer } = started();
  const [encoder, denoiser] = [program(100, 10), program(500, 40)];
  clock.enter('encode');
  // One long dispatch: its length is a multiple of the clock's step.
  const coarse = Promise.resolve({ clock: 'timestamps' as const, stepMs: 23, nodes: [] });
  observer()?.onRun({ program: encoder, dispatches: 3, encodeMs: 1, held: held(100, 10), timings: coarse });
  clock.enter('denoise');
  const timings = Promise.resolve({ clock: 'timestamps' as const, stepMs: 0.1, nodes });
  observer()?.onRun({ program: denoiser, dispatches: 5, encodeMs: 2, held: held(600, 40), timings });
  observer()?.onRun({ program: denoiser, dispatches: 5, encodeMs: 2, held: held(550, 40) });
  residency.onMeasure?.('denoiser: one condition at a time');
  residency.onMeasure?.('denoiser: one condition at a time');
  clock.stop();
  const telemetry = await meter.finish();
  expect(observer()).toBeUndefined();
  expect(telemetry).toMatchObject({
    backend: 'test',
    clock: 'timestamps',
    clockStepMs: 0.1,
    measures: ['denoiser: one condition at a time'],
    memory: { weightsBytes: 600, arenaBytes: 40, peakBytes: 643, naiveBytes: 100 + 100 + 500 + 400 },
  });
  expect(telemetry.stages.map(({ stage, runs, dispatches }) => [stage, runs, dispatches])).toEqual([
    ['encode', 1, 3],
    ['denoise', 2, 10],
  ]);
  // One timed run stands for both.
  expect(telemetry.stages[1]?.operators).toMatchObject([{ op: 'linear', calls: 2, ms: 4 }]);
  expect(telemetry.stages[0]?.operators).toEqual([]);
});

it('asks for times until a warm run was timed, and survives a run that failed meanwhile', async () => {
  const { clock, meter, observer } = started();
  const one = program(1, 1);
  clock.enter('denoise');
  for (const expected of [true, true, false]) {
    expect(observer()?.wantsTimings(one)).toBe(expected);
    const timings = Promise.resolve({ clock: 'host' as const, stepMs: 0, nodes });
    observer()?.onRun({ program: one, dispatches: 1, encodeMs: 0, held: held(1, 1), ...(expected ? { timings } : {}) });
    await Promise.resolve();
    await Promise.resolve();
  }
  observer()?.onRun({
    program: program(1, 1),
    dispatches: 1,
    encodeMs: 0,
    held: held(1, 1),
    timings: Promise.resolve(undefined),
  });
  clock.stop();
  expect((await meter.finish()).clockStepMs).toBeUndefined();
});

it('plans weights that two programs share once', async () => {
  const { residency, clock, meter, observer } = started();
  const [shared, own] = [{ bytes: 70 }, { bytes: 30 }];
  const programs = [
    { ...program(100, 10), sharedWeights: [shared, own] },
    { ...program(70, 40), sharedWeights: [shared] },
  ];
  Object.defineProperty(residency, 'programs', { value: programs });
  clock.enter('denoise');
  for (const one of programs) observer()?.onRun({ program: one, dispatches: 1, encodeMs: 0, held: held(100, 40) });
  clock.stop();
  expect((await meter.finish()).memory.plannedPeakBytes).toBe(100 + 40);
});
