/** Timestamps as times: pairs, resets, and the step of the clock. */
import { expect, it } from 'vitest';
import { timesOf } from '../../../../src/lib/backends/webgpu/op_timer';

it('gives milliseconds of each pair and the clock step that explains all of them', () => {
  const stamps = BigUint64Array.of(1_000_000n, 1_300_000n, 1_300_000n, 2_400_000n, 2_500_000n, 2_500_000n);
  expect(timesOf(stamps)).toEqual({ ms: [0.3, 1.1, 0], stepMs: 0.1 });
});

it('takes a clock that was reset, or went backwards, for nothing', () => {
  expect(timesOf(BigUint64Array.of(500n, 100n)).ms).toEqual([0]);
});

it('knows no step where all times are equal', () => {
  expect(timesOf(BigUint64Array.of(7n, 7n, 7n, 7n))).toEqual({ ms: [0, 0], stepMs: 0 });
});
