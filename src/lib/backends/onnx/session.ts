/** Opens sessions one at a time and turns what the libraries throw into typed errors. */
import { AppError } from '../../base/errors';
import type { ErrorCode } from '../../base/error_codes';
import type { ExternalData, OnnxRuntime, OnnxSession, OnnxTensor, SessionOptions } from './runtime';

const OUT_OF_MEMORY =
  /bad_alloc|out of memory|\bOOM\b|failed to allocate|allocation failed|cannot enlarge memory|could not allocate|invalid (typed )?array length/i;
const NO_KERNEL =
  /could not find an implementation|not_implemented|ERROR_CODE: 9\b|is not a registered function|no opset import|unsupported model IR version/i;

/**
 * The typed error for something a runtime threw.
 * @param fallback code when the text names neither memory nor a missing kernel
 */
export function runtimeError(where: string, cause: unknown, fallback: ErrorCode): AppError {
  if (cause instanceof AppError) return cause;
  // The WASM build throws C++ exceptions that leave the heap as bare pointers; in practice that is bad_alloc.
  const text = typeof cause === 'number' ? 'bad_alloc' : cause instanceof Error ? cause.message : String(cause);
  const details = { where, runtime: text };
  if (OUT_OF_MEMORY.test(text)) {
    return new AppError(
      'backend/out-of-memory',
      `${where}: the runtime ran out of memory (${text}); use a smaller size, a smaller model or tiled decoding, or close other models.`,
      { details, cause },
    );
  }
  if (NO_KERNEL.test(text)) {
    return new AppError(
      'backend/unsupported-op',
      `${where}: the runtime has no kernel for an operator of this model (${text}); choose another backend.`,
      { details, cause },
    );
  }
  return new AppError(fallback, `${where}: the runtime reported: ${text}`, { details, cause });
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs `task` after every earlier task has settled. Concurrent session creation mixes up external data in the WASM
 * runtime and throws in its WebGPU one.
 */
function oneAtATime<T>(task: () => Promise<T>): Promise<T> {
  const result = last.then(task, task);
  last = result.catch(() => undefined);
  return result;
}

/**
 * Creates a session.
 * @throws AppError 'backend/compile', 'backend/unsupported-op' or 'backend/out-of-memory'
 */
export function openSession(
  runtime: OnnxRuntime,
  where: string,
  model: Uint8Array,
  externalData: readonly ExternalData[],
  options: SessionOptions,
): Promise<OnnxSession> {
  // An empty blob is a null pointer to the native runtime.
  const blobs = externalData.filter(({ data }) => data.length > 0);
  return oneAtATime(async () => {
    try {
      return await runtime.createSession(model, blobs, options);
    } catch (cause) {
      throw runtimeError(where, cause, 'backend/compile');
    }
  });
}

/**
 * Runs a session once.
 * @throws AppError 'backend/run', 'backend/unsupported-op' or 'backend/out-of-memory'
 */
export async function runSession(
  session: OnnxSession,
  where: string,
  feeds: Readonly<Record<string, OnnxTensor>>,
): Promise<Record<string, OnnxTensor>> {
  try {
    return await session.run(feeds);
  } catch (cause) {
    throw runtimeError(where, cause, 'backend/run');
  }
}
