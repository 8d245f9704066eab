/** The one way a golden number is compared: the assertion, and its error over the limit for the summary of the run. */
import { expect, TestRunner } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    /** Largest error over its limit that the test met; `tests/tools/golden_summary.mjs` reads it. */
    worst?: number;
    /** What computed the case, where that is not plain code in Node. */
    backend?: string;
  }
}

/** Keeps the largest error/limit of the running test. @param ratio  0 is exact, above 1 failed */
export function noteRatio(ratio: number, backend?: string): void {
  const meta = TestRunner.getCurrentTest()?.meta;
  if (meta === undefined) return;
  meta.worst = Math.max(meta.worst ?? 0, ratio);
  if (backend !== undefined) meta.backend = backend;
}

/** @param error  not negative; NaN fails @param limit  tolerance of the case, 0 for equality */
export function expectWithin(error: number, limit: number, what?: string): void {
  noteRatio(error === 0 ? 0 : error / limit);
  expect(error, what).toBeLessThanOrEqual(limit);
}
