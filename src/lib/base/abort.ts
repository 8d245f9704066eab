/** Cancellation helpers around AbortSignal. */
import { AppError } from './errors';

/** Throws `job/cancelled` when the signal has fired; call it between steps, never inside a tight loop. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  if (signal.reason instanceof AppError) throw signal.reason;
  throw new AppError('job/cancelled', 'The job was cancelled.', { cause: signal.reason });
}
