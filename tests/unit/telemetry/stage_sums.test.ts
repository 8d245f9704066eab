/** Sums of a stage: timed runs stand for the others, layers of one operator stand together. */
import { describe, expect, it } from 'vitest';
import { StageSums } from '../../../src/lib/telemetry/stage_sums';

const nodes = [
  { op: 'linear', scope: 'a', ms: 2, flops: 100 },
  { op: 'linear', scope: 'b', ms: 1, flops: 50 },
  { op: 'attention', scope: 'a', ms: 5, flops: 10 },
];

describe('StageSums', () => {
  it('counts runs, dispatches, encoding and streaming of every program', () => {
    const sums = new StageSums();
    const [one, two] = [{}, {}];
    sums.addRun(one, { dispatches: 3, encodeMs: 0.5 });
    sums.addRun(one, { dispatches: 3, encodeMs: 0.25, streamed: { bytes: 10, loadMs: 4, waitMs: 1 } });
    sums.addRun(two, { dispatches: 7, encodeMs: 1, streamed: { bytes: 5, loadMs: 2, waitMs: 2 } });
    expect(sums.finish('denoise', 20)).toEqual({
      stage: 'denoise',
      ms: 20,
      runs: 3,
      timedRuns: 0,
      dispatches: 13,
      encodeMs: 1.75,
      operators: [],
      streamed: { bytes: 15, loadMs: 6, waitMs: 3 },
    });
  });

  it('takes one timed run for all of its program, the slowest operator first', () => {
    const sums = new StageSums();
    const program = {};
    for (let run = 0; run < 4; run++) sums.addRun(program, { dispatches: 3, encodeMs: 0 });
    sums.setTimes(program, nodes, true);
    const { operators, operatorMs, timedRuns } = sums.finish('denoise', 40);
    expect(timedRuns).toBe(1);
    expect(operatorMs).toBe(32);
    expect(operators).toEqual([
      { op: 'attention', calls: 4, ms: 20, flops: 40, layers: [{ scope: 'a', ms: 20 }] },
      {
        op: 'linear',
        calls: 8,
        ms: 12,
        flops: 600,
        layers: [
          { scope: 'a', ms: 8 },
          { scope: 'b', ms: 4 },
        ],
      },
    ]);
  });

  it('uses times known from before without counting them as timed here', () => {
    const sums = new StageSums();
    const program = {};
    sums.addRun(program, { dispatches: 1, encodeMs: 0 });
    sums.setTimes(program, nodes, false);
    expect(sums.finish('decode', 1)).toMatchObject({ timedRuns: 0, operatorMs: 8 });
  });

  it('lists the slowest eight layers of an operator', () => {
    const sums = new StageSums();
    const program = {};
    sums.addRun(program, { dispatches: 1, encodeMs: 0 });
    const many = Array.from({ length: 20 }, (_, i) => ({ op: 'linear', scope: `l${i}`, ms: i, flops: 0 }));
    sums.setTimes(program, many, true);
    const [linear] = sums.finish('denoise', 1).operators;
    expect(linear?.layers.map(({ scope }) => scope)).toEqual(Array.from({ length: 8 }, (_, i) => `l${19 - i}`));
    expect(linear?.ms).toBe(190);
  });
});
