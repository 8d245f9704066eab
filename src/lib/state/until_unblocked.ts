/** What another tab keeps from happening for a while: tried again some times, further and further apart. */
import type { PlainError } from '../base/errors';

/** Together about two minutes: longer than any upgrade of the database, and an end for what never lets go. */
const WAITS_MS: readonly number[] = [500, 1500, 4000, 10_000, 30_000, 60_000];

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * @param attempt resolves with what went wrong; each one may itself wait for the other tab
 * @returns of the last attempt; undefined when it went well
 */
export async function untilUnblocked(
  attempt: () => Promise<PlainError | undefined>,
  waitsMs = WAITS_MS,
  wait: (ms: number) => Promise<void> = pause,
): Promise<PlainError | undefined> {
  let error = await attempt();
  for (const ms of waitsMs) {
    if (error?.code !== 'storage/blocked') break;
    await wait(ms);
    error = await attempt();
  }
  return error;
}
