/**
 * A file in parts over several connections, handed out in order. A part that breaks goes on where it stopped, a few
 * times; what is held never exceeds the parts under way.
 */
import { AppError } from '../base/errors';
import { brokenConnection, networkError, requestPart, type Expected, type Fetch } from './range_request';

export interface PartsOptions {
  /** Parts under way at once. Default 4. */
  readonly connections?: number;
  /** Default 8 MiB. */
  readonly partBytes?: number;
  /** First byte that is not wanted. Default: the end of the file. */
  readonly end?: number;
  /** Waits between tries, milliseconds; their number is that of the tries after the first. */
  readonly waitsMs?: readonly number[];
}

const CONNECTIONS = 4;
const PART_BYTES = 8 * 2 ** 20;
const WAITS_MS = [500, 1500, 4000];

/**
 * @param file a file whose host sends parts
 * @throws AppError through the stream: 'network/failed', 'network/changed', 'job/cancelled'
 */
export function partsStream(
  file: Expected,
  offset: number,
  get: Fetch,
  signal: AbortSignal | undefined,
  options: PartsOptions = {},
): ReadableStream<Uint8Array> {
  const { connections = CONNECTIONS, partBytes = PART_BYTES, end = file.sizeBytes, waitsMs = WAITS_MS } = options;
  // One part's failure stops the others.
  const abort = new AbortController();
  const stop = () => abort.abort(signal?.reason);
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  let next = offset;
  const underWay: Promise<Uint8Array>[] = [];

  const begin = () => {
    while (underWay.length < connections && next < end) {
      const to = Math.min(end, next + partBytes);
      const part = loadPart(file, next, to, get, abort.signal, waitsMs);
      // Handled when its turn comes.
      part.catch(() => undefined);
      underWay.push(part);
      next = to;
    }
  };
  const finish = () => {
    signal?.removeEventListener('abort', stop);
    abort.abort();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        begin();
        const part = underWay.shift();
        if (!part) {
          finish();
          return controller.close();
        }
        try {
          controller.enqueue(await part);
        } catch (error) {
          finish();
          throw error;
        }
      },
      cancel: finish,
    },
    { highWaterMark: 0 },
  );
}

async function loadPart(
  file: Expected,
  start: number,
  end: number,
  get: Fetch,
  signal: AbortSignal,
  waitsMs: readonly number[],
): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  let filled = 0;
  for (let tries = 0; ; tries++) {
    try {
      const body = await requestPart(file, start + filled, end, get, signal);
      await readInto(file, body, signal, (chunk) => {
        if (filled + chunk.length > bytes.length) throw networkError(file.url, 'the host sent more than was asked for');
        bytes.set(chunk, filled);
        filled += chunk.length;
      });
      if (filled === bytes.length) return bytes;
      throw brokenConnection(file.url, signal, `${filled} of ${bytes.length} bytes came`);
    } catch (error) {
      const passing = error instanceof AppError && error.details['passing'] === true;
      const wait = waitsMs[tries];
      if (!passing || wait === undefined) throw error;
      await pause(wait, signal);
    }
  }
}

async function readInto(
  file: Expected,
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  take: (chunk: Uint8Array) => void,
): Promise<void> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw brokenConnection(file.url, signal, cause);
      });
      if (done) return;
      take(value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Waits, and gives up waiting when stopped. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
