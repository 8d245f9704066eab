/** One request to a host of files, and what its answer must say to be believed. */
import { AppError } from '../base/errors';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** The file that a part must belong to. */
export interface Expected {
  readonly url: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly etag?: string;
  readonly lastModified?: string;
}

export function networkError(url: string, what: string, cause?: unknown, details: object = {}): AppError {
  return new AppError('network/failed', `${url}: ${what}; check the address and the connection, then try again.`, {
    details: { url, ...details },
    cause,
  });
}

export function brokenConnection(url: string, signal: AbortSignal | undefined, cause: unknown): AppError {
  if (signal?.aborted) return stopped(cause);
  return networkError(url, 'the connection broke', cause, { passing: true });
}

function stopped(cause: unknown): AppError {
  return new AppError('job/cancelled', 'The download was stopped.', { cause });
}

/** Statuses that a host sends when it is busy: worth another try. */
const PASSING = [408, 425, 429, 500, 502, 503, 504];

/** @throws AppError 'network/failed', with `details.passing` when another try may succeed; 'job/cancelled' */
export async function answerOf(
  get: Fetch,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<Response> {
  let response: Response;
  try {
    // No cache of the browser's own: gigabytes in pieces would push everything else out of it.
    response = await get(url, { headers, credentials: 'omit', cache: 'no-store', ...(signal ? { signal } : {}) });
  } catch (cause) {
    if (signal?.aborted) throw stopped(cause);
    throw networkError(url, 'the host does not answer, or does not allow other sites to read it (CORS)', cause, {
      passing: true,
    });
  }
  if (response.ok) return response;
  await response.body?.cancel().catch(() => undefined);
  const login = response.status === 401 || response.status === 403;
  const remedy = login
    ? ' (it wants an account or a licence accepted: download the file there and add it from disk)'
    : '';
  throw networkError(url, `the host answered ${response.status}${remedy}`, undefined, {
    status: response.status,
    passing: PASSING.includes(response.status),
  });
}

function changed({ url, name }: Expected, what: string): AppError {
  return new AppError(
    'network/changed',
    `${name}: the file on the server is not the one the download began with (${what}); what was stored of it was thrown away. Start it again.`,
    { details: { url } },
  );
}

/** Refuses an answer that belongs to another content than the first one. @throws AppError 'network/changed' */
export function sameVersion(file: Expected, response: Response): void {
  const etag = response.headers.get('ETag');
  if (file.etag !== undefined && etag && etag !== file.etag) throw changed(file, `tag ${etag}, it was ${file.etag}`);
  const date = response.headers.get('Last-Modified');
  if (file.etag === undefined && file.lastModified !== undefined && date && date !== file.lastModified) {
    throw changed(file, `of ${date}, it was of ${file.lastModified}`);
  }
  const length = response.status === 200 ? response.headers.get('Content-Length') : null;
  const encoded = response.headers.get('Content-Encoding') !== null;
  if (length !== null && !encoded && Number(length) !== file.sizeBytes) {
    throw changed(file, `${length} bytes, it had ${file.sizeBytes}`);
  }
}

/**
 * Asks for bytes `start` … `end - 1`.
 * @returns the body of exactly these bytes, as far as the headers tell
 * @throws AppError 'network/changed', 'network/failed', 'job/cancelled'
 */
export async function requestPart(
  file: Expected,
  start: number,
  end: number,
  get: Fetch,
  signal: AbortSignal | undefined,
): Promise<ReadableStream<Uint8Array>> {
  const guardValue = file.etag ?? file.lastModified;
  const headers = { Range: `bytes=${start}-${end - 1}`, ...(guardValue ? { 'If-Range': guardValue } : {}) };
  const response = await answerOf(get, file.url, headers, signal).catch((error: unknown) => {
    if (error instanceof AppError && error.details['status'] === 416) throw changed(file, 'it became shorter');
    throw error;
  });
  try {
    checkPart(file, start, end, response);
    if (response.body) return response.body;
    throw networkError(file.url, 'the answer has no body');
  } catch (error) {
    await response.body?.cancel().catch(() => undefined);
    throw error;
  }
}

function checkPart(file: Expected, start: number, end: number, response: Response): void {
  sameVersion(file, response);
  if (response.status !== 206) throw networkError(file.url, 'the host sent the whole file where a part was asked for');
  const said = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get('Content-Range') ?? '');
  // Hosts of another origin may hide the header; then the count of bytes has to do.
  if (!said) return;
  const [, from, to, total] = said;
  if (total !== '*' && Number(total) !== file.sizeBytes)
    throw changed(file, `${total} bytes, it had ${file.sizeBytes}`);
  if (Number(from) !== start || Number(to) !== end - 1) {
    throw networkError(file.url, `the host sent bytes ${from} to ${to} instead of ${start} to ${end - 1}`);
  }
}
