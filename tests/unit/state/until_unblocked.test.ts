import { describe, expect, it } from 'vitest';
import { AppError, toPlainError } from '../../../src/lib/base/errors';
import { untilUnblocked } from '../../../src/lib/state/until_unblocked';

const error = (code: 'storage/blocked' | 'storage/quota') => toPlainError(new AppError(code, code));

/** Attempts with these outcomes, and the waits that were asked for. */
async function run(outcomes: readonly (ReturnType<typeof error> | undefined)[], waitsMs: readonly number[]) {
  const waits: number[] = [];
  let attempts = 0;
  const result = await untilUnblocked(
    () => Promise.resolve(outcomes[Math.min(attempts++, outcomes.length - 1)]),
    waitsMs,
    (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
  );
  return { result, attempts, waits };
}

describe('untilUnblocked', () => {
  it('goes on as soon as the other tab lets go', async () => {
    const { result, waits } = await run([error('storage/blocked'), error('storage/blocked'), undefined], [1, 2, 3]);
    expect(result).toBeUndefined();
    expect(waits).toEqual([1, 2]);
  });

  it('ends, with the reason, when the other tab never lets go', async () => {
    const { result, attempts } = await run([error('storage/blocked')], [1, 2, 3]);
    expect(result?.code).toBe('storage/blocked');
    expect(attempts).toBe(4);
  });

  it('does not repeat what fails for another reason', async () => {
    const { result, attempts } = await run([error('storage/quota')], [1, 2, 3]);
    expect(result?.code).toBe('storage/quota');
    expect(attempts).toBe(1);
  });
});
