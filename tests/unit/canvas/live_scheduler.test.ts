import { describe, expect, it } from 'vitest';
import {
  averageMs,
  beginLive,
  DEFAULT_LIVE,
  liveEvaluations,
  reduceLive,
  type LiveEvent,
  type LiveInput,
  type LiveState,
} from '../../../src/lib/canvas/live_scheduler';

const input = (revision: number): LiveInput => ({ revision, prompt: 'p', strength: 0.3, seed: 1 });

/** [time, what] with what = revision for a tick ("r+" pen down), or an event. */
type Row = readonly [t: number, what: string];

function play(rows: readonly Row[], from: LiveState = beginLive()): { log: string[]; state: LiveState } {
  let state = from;
  const log: string[] = [];
  for (const [t, what] of rows) {
    const [word, ...args] = what.split(' ');
    const [first = '0', second = '0', third = '0'] = args;
    const event: LiveEvent =
      word === 'tick'
        ? { type: 'tick', t, input: input(Number(first)), penDown: second === 'down' }
        : word === 'step'
          ? { type: 'step-done', t, jobId: Number(first), step: Number(second), steps: Number(third) }
          : word === 'pause' || word === 'resume'
            ? { type: word, t }
            : { type: 'job-ended', t, jobId: Number(first), outcome: word as 'done' };
    const step = reduceLive(state, event);
    state = step.state;
    for (const command of step.commands) {
      if (command.type === 'start') log.push(`${t} ${command.kind} ${command.jobId} r${command.input.revision}`);
      if (command.type === 'cancel') log.push(`${t} cancel ${command.jobId}`);
    }
  }
  return { log, state };
}

const withAverage = (ms: number): LiveState => ({ ...beginLive(), durationsMs: [ms, ms], nextJobId: 1 });

const TABLE: { name: string; rows: Row[]; want: string[]; from?: LiveState }[] = [
  { name: 'starts at the first poll', rows: [[0, 'tick 1']], want: ['0 draft 1 r1'] },
  {
    name: 'one job in flight, nothing new without a change',
    rows: [
      [0, 'tick 1'],
      [100, 'tick 1'],
      [150, 'done 1'],
      [200, 'tick 1'],
      [300, 'tick 1'],
    ],
    want: ['0 draft 1 r1'],
  },
  {
    name: 'latest wins: changes during a job give one new job',
    from: withAverage(200),
    rows: [
      [0, 'tick 1'],
      [60, 'tick 2'],
      [120, 'tick 3'],
      [180, 'done 1'],
      [180, 'tick 3'],
    ],
    want: ['0 draft 1 r1', '180 draft 2 r3'],
  },
  {
    name: 'cancels a stale job with much left',
    from: withAverage(1000),
    rows: [
      [0, 'tick 1'],
      [100, 'tick 2'],
      [110, 'cancelled 1'],
      [110, 'tick 2'],
    ],
    want: ['0 draft 1 r1', '100 cancel 1', '110 draft 2 r2'],
  },
  {
    name: 'cancels once only',
    from: withAverage(1000),
    rows: [
      [0, 'tick 1'],
      [100, 'tick 2'],
      [200, 'tick 3'],
    ],
    want: ['0 draft 1 r1', '100 cancel 1'],
  },
  {
    name: 'finishes a stale job that measured steps show nearly done',
    from: withAverage(1000),
    rows: [
      [0, 'tick 1'],
      [800, 'step 1 4 5'],
      [800, 'tick 2'],
    ],
    want: ['0 draft 1 r1'],
  },
  {
    name: 'measured steps say it is slow',
    from: withAverage(300),
    rows: [
      [0, 'tick 1'],
      [200, 'step 1 1 5'],
      [200, 'tick 2'],
    ],
    want: ['0 draft 1 r1', '200 cancel 1'],
  },
  {
    name: 'unknown speed counts as slow',
    rows: [
      [0, 'tick 1'],
      [100, 'tick 2'],
    ],
    want: ['0 draft 1 r1', '100 cancel 1'],
  },
  {
    name: 'continuous drawing: after one average without a picture the job runs to its end',
    from: withAverage(1000),
    rows: [
      [0, 'tick 1'],
      [400, 'tick 2'],
      [410, 'cancelled 1'],
      [410, 'tick 3'],
      [1100, 'tick 4'],
      [1410, 'done 2'],
      [1410, 'tick 4'],
    ],
    want: ['0 draft 1 r1', '400 cancel 1', '410 draft 2 r3', '1410 draft 3 r4'],
  },
  {
    name: 'grace after the last edit when generation is slow',
    from: withAverage(2000),
    rows: [
      [0, 'tick 1'],
      [100, 'tick 2'],
      [200, 'tick 2'],
      [300, 'tick 2'],
      [350, 'tick 2'],
    ],
    want: ['350 draft 1 r2'],
  },
  { name: 'no grace at the limit', from: withAverage(1500), rows: [[0, 'tick 1']], want: ['0 draft 1 r1'] },
  {
    name: 'never waits longer than the maximum, and lets that job finish',
    from: withAverage(4000),
    rows: [...Array.from({ length: 33 }, (_, i): Row => [i * 100, `tick ${i} down`])],
    want: ['3000 draft 1 r30'],
  },
  {
    name: 'refines when the pen rests, once',
    from: withAverage(200),
    rows: [
      [0, 'tick 1'],
      [200, 'done 1'],
      [500, 'tick 1'],
      [1000, 'tick 1'],
      [3000, 'done 2'],
      [3100, 'tick 1'],
      [9000, 'tick 1'],
    ],
    want: ['0 draft 1 r1', '1000 refine 2 r1'],
  },
  {
    name: 'does not refine with the pen down',
    from: withAverage(200),
    rows: [
      [0, 'tick 1'],
      [200, 'done 1'],
      [2000, 'tick 1 down'],
    ],
    want: ['0 draft 1 r1'],
  },
  {
    name: 'an edit always cancels a refining job',
    from: withAverage(200),
    rows: [
      [0, 'tick 1'],
      [200, 'done 1'],
      [1000, 'tick 1'],
      [1100, 'tick 2'],
      [1110, 'cancelled 2'],
      [1110, 'tick 2'],
    ],
    want: ['0 draft 1 r1', '1000 refine 2 r1', '1100 cancel 2', '1110 draft 3 r2'],
  },
  {
    name: 'pause cancels and starts nothing; resume goes on',
    from: withAverage(1000),
    rows: [
      [0, 'tick 1'],
      [50, 'pause'],
      [60, 'cancelled 1'],
      [100, 'tick 2'],
      [5000, 'resume'],
      [5000, 'tick 2'],
    ],
    want: ['0 draft 1 r1', '50 cancel 1', '5000 draft 2 r2'],
  },
  {
    name: 'a failing input is not tried again until it changes',
    rows: [
      [0, 'tick 1'],
      [50, 'failed 1'],
      [100, 'tick 1'],
      [200, 'tick 2'],
    ],
    want: ['0 draft 1 r1', '200 draft 2 r2'],
  },
  {
    name: 'undo back to what is shown starts nothing',
    from: withAverage(200),
    rows: [
      [0, 'tick 1'],
      [200, 'done 1'],
      [300, 'tick 2 down'],
      [310, 'cancelled 2'],
      [320, 'tick 1 down'],
    ],
    want: ['0 draft 1 r1', '300 draft 2 r2'],
  },
  {
    name: 'reports of other jobs are ignored',
    rows: [
      [0, 'tick 1'],
      [10, 'done 7'],
      [20, 'step 9 1 2'],
      [100, 'tick 1'],
    ],
    want: ['0 draft 1 r1'],
  },
];

describe('live scheduler', () => {
  for (const { name, rows, want, from } of TABLE) {
    it(name, () => expect(play(rows, from).log).toEqual(want));
  }

  it('detects a change of prompt, strength, seed or other settings', () => {
    for (const change of [{ prompt: 'q' }, { strength: 0.4 }, { seed: 2 }, { settings: 'x' }]) {
      const first = reduceLive(beginLive(), { type: 'tick', t: 0, input: input(1), penDown: false });
      const done = reduceLive(first.state, { type: 'job-ended', t: 100, jobId: 1, outcome: 'done' });
      const next = reduceLive(done.state, { type: 'tick', t: 200, input: { ...input(1), ...change }, penDown: true });
      expect(next.commands.some((command) => command.type === 'start')).toBe(true);
    }
  });

  it('asks to be woken at each poll and averages the last ten drafts', () => {
    const { commands } = reduceLive(beginLive(), { type: 'tick', t: 40, input: input(1), penDown: false });
    expect(commands.at(-1)).toEqual({ type: 'wake', at: 40 + DEFAULT_LIVE.pollMs });
    let state = beginLive({ ...DEFAULT_LIVE, refineAfterMs: undefined });
    for (let i = 1; i <= 15; i++) {
      state = reduceLive(state, { type: 'tick', t: i * 1000, input: input(i), penDown: false }).state;
      state = reduceLive(state, { type: 'job-ended', t: i * 1000 + i, jobId: i, outcome: 'done' }).state;
    }
    expect(averageMs(state)).toBe(10.5);
  });

  it('counts the evaluations that a strength really runs', () => {
    expect([liveEvaluations(0.3, 4), liveEvaluations(0.6, 20), liveEvaluations(1, 8), liveEvaluations(0, 8)]).toEqual([
      2, 13, 8, 1,
    ]);
  });
});
