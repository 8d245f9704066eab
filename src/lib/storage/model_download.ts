/**
 * A model file behind a URL: what the host says of it, and its bytes from any offset on. A download that stopped goes
 * on by Range with If-Range, so that a file that changed in between is never glued to the old one's beginning.
 */
import { AppError } from '../base/errors';
import type { ImportFile } from './model_store';

export interface RemoteFile {
  readonly url: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly etag?: string;
  /** SHA-256 where the host of large files tells it (its linked ETag). */
  readonly sha256?: string;
  readonly resumable: boolean;
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;
const defaultFetch: Fetch = (url, init) => fetch(url, init);

/**
 * Asks for the first byte: tells size, name, tag and whether the host can resume, where HEAD is often forbidden.
 * @throws AppError 'argument/invalid' for no web address, 'network/failed'
 */
export async function probeRemoteFile(text: string, signal?: AbortSignal, get = defaultFetch): Promise<RemoteFile> {
  const url = webAddress(text);
  const response = await request(get, url, { Range: 'bytes=0-0' }, signal);
  await response.body?.cancel().catch(() => undefined);
  const total = /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1];
  const size = response.status === 206 ? Number(total) : Number(response.headers.get('Content-Length') ?? NaN);
  if (!Number.isSafeInteger(size) || size <= 0) {
    throw networkError(url, 'the host does not tell the size of the file; download it and add it from disk');
  }
  const linked = /^"?([0-9a-f]{64})"?$/.exec(response.headers.get('X-Linked-Etag') ?? '')?.[1];
  const etag = response.headers.get('ETag');
  return {
    url,
    name: fileName(url, response.headers.get('Content-Disposition')),
    sizeBytes: size,
    // A weak tag does not promise equal bytes.
    ...(etag && !etag.startsWith('W/') ? { etag } : {}),
    ...(linked ? { sha256: linked } : {}),
    resumable: response.status === 206,
  };
}

/** The remote file as `ModelStore.import` takes it. */
export function remoteImportFile(file: RemoteFile, get = defaultFetch): ImportFile {
  return {
    path: file.name,
    sizeBytes: file.sizeBytes,
    ...(file.sha256 ? { sha256: file.sha256 } : {}),
    async open(offset, signal) {
      const range: Record<string, string> = offset > 0 ? { Range: `bytes=${offset}-` } : {};
      if (offset > 0 && file.etag) range['If-Range'] = file.etag;
      const response = await request(get, file.url, range, signal);
      if (!response.body) throw networkError(file.url, 'the answer has no body');
      if (offset === 0) return checked(response.body, file.url, signal);
      if (response.status === 206) {
        const start = /^bytes (\d+)-/.exec(response.headers.get('Content-Range') ?? '')?.[1];
        if (start !== undefined && Number(start) !== offset) {
          throw networkError(file.url, `the host sent bytes from ${start} instead of ${offset}`);
        }
        return checked(response.body, file.url, signal);
      }
      // 200: the host ignores Range, or the file changed; the whole file's hash or size will tell which.
      return checked(response.body.pipeThrough(skipBytes(offset)), file.url, signal);
    },
  };
}

/** Bytes `offset … offset + length` for reading a header before the download; undefined when the host ignores Range. */
export async function readRemoteRange(
  file: RemoteFile,
  offset: number,
  length: number,
  signal?: AbortSignal,
  get = defaultFetch,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(get, file.url, { Range: `bytes=${offset}-${offset + length - 1}` }, signal);
  if (response.status !== 206) {
    await response.body?.cancel().catch(() => undefined);
    throw networkError(file.url, 'the host cannot send parts of the file');
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length !== length) throw networkError(file.url, `the host sent ${bytes.length} bytes instead of ${length}`);
  return bytes;
}

function webAddress(text: string): string {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined;
  if (url && ['https:', 'http:'].includes(url.protocol)) return url.href;
  throw new AppError('argument/invalid', `download: needs a web address (https://…), got "${text.slice(0, 80)}".`, {
    details: { url: text.slice(0, 200) },
  });
}

function fileName(url: string, disposition: string | null): string {
  const given = /filename="?([^";]+)"?/i.exec(disposition ?? '')?.[1];
  const last = decodeURIComponent(new URL(url).pathname.split('/').pop() ?? '');
  return (given ?? last).replace(/[\\/]/g, '_') || 'model';
}

async function request(
  get: Fetch,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<Response> {
  let response: Response;
  try {
    response = await get(url, { headers, credentials: 'omit', ...(signal ? { signal } : {}) });
  } catch (cause) {
    if (signal?.aborted) throw new AppError('job/cancelled', 'The download was stopped.', { cause });
    throw networkError(url, 'the host does not answer, or does not allow other sites to read it (CORS)', cause);
  }
  if (!response.ok) throw networkError(url, `the host answered ${response.status}`);
  return response;
}

/** A connection that breaks in the middle becomes our error; what arrived stays for the next attempt. */
function checked(
  body: ReadableStream<Uint8Array>,
  url: string,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (cause) {
        if (signal?.aborted) throw new AppError('job/cancelled', 'The download was stopped.', { cause });
        throw networkError(url, 'the connection broke', cause);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function skipBytes(count: number): TransformStream<Uint8Array, Uint8Array> {
  let left = count;
  return new TransformStream({
    transform(chunk, controller) {
      const skipped = Math.min(left, chunk.byteLength);
      left -= skipped;
      if (skipped < chunk.byteLength) controller.enqueue(chunk.subarray(skipped));
    },
  });
}

function networkError(url: string, what: string, cause?: unknown): AppError {
  return new AppError('network/failed', `${url}: ${what}; check the address and the connection, then try again.`, {
    details: { url },
    cause,
  });
}
