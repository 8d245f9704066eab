/**
 * A model file behind a URL: what the host says of it, and its bytes from any offset on, over several connections where
 * the host sends parts. Every part is checked against what was asked, so that a file that changed in between, or a host
 * that answers with other bytes, is never glued to what is there.
 */
import { assertRange, type ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import { cleanPath, nameOf } from '../base/file_path';
import type { ImportFile } from './model_import';
import { partsStream, type PartsOptions } from './parallel_parts';
import { oneWayStream } from './one_way_file';
import { answerOf, networkError, type Fetch } from './range_request';

export interface RemoteFile {
  readonly url: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly etag?: string;
  readonly lastModified?: string;
  /** SHA-256 where the host of large files tells it (its linked ETag). */
  readonly sha256?: string;
  readonly resumable: boolean;
}

const defaultFetch: Fetch = (url, init) => fetch(url, init);

/** Addresses of a text, one per line or between spaces. @throws AppError 'argument/invalid' */
export function webAddresses(text: string): string[] {
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) throw notAnAddress(text);
  return words.map((word) => {
    const url = URL.canParse(word) ? new URL(word) : undefined;
    if (!url || !['https:', 'http:'].includes(url.protocol)) throw notAnAddress(word);
    // The page about a file, instead of the file: what people copy from the address bar.
    if (url.hostname === 'huggingface.co')
      url.pathname = url.pathname.replace(/^(\/[^/]+\/[^/]+)\/blob\//, '$1/resolve/');
    return url.href;
  });
}

function notAnAddress(text: string): AppError {
  return new AppError('argument/invalid', `download: needs a web address (https://…), got "${text.slice(0, 80)}".`, {
    details: { url: text.slice(0, 200) },
  });
}

/**
 * Asks for the first byte: tells size, name, tag and whether the host can resume, where HEAD is often forbidden.
 * @throws AppError 'network/failed'
 */
export async function probeRemoteFile(url: string, signal?: AbortSignal, get = defaultFetch): Promise<RemoteFile> {
  const response = await answerOf(get, url, { Range: 'bytes=0-0' }, signal);
  await response.body?.cancel().catch(() => undefined);
  const total = /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1];
  const size = response.status === 206 ? Number(total) : Number(response.headers.get('Content-Length') ?? NaN);
  if (!Number.isSafeInteger(size) || size < 0) {
    throw networkError(url, 'the host does not tell the size of the file; download it and add it from disk');
  }
  if (size === 0) throw networkError(url, 'the file is empty');
  const linked = /^"?([0-9a-f]{64})"?$/.exec(response.headers.get('X-Linked-Etag') ?? '')?.[1];
  const etag = response.headers.get('ETag');
  const lastModified = response.headers.get('Last-Modified');
  return {
    url,
    name: fileName(url, response.headers.get('Content-Disposition')),
    sizeBytes: size,
    // A weak tag does not promise equal bytes.
    ...(etag && !etag.startsWith('W/') ? { etag } : {}),
    ...(lastModified ? { lastModified } : {}),
    ...(linked ? { sha256: linked } : {}),
    resumable: response.status === 206,
  };
}

/** What tells one content of an address from another. */
function versionOf({ url, etag, lastModified, sizeBytes }: RemoteFile): string {
  return `${url} ${etag ?? lastModified ?? sizeBytes}`;
}

/** The remote file as the store takes it. */
export function remoteImportFile(file: RemoteFile, get = defaultFetch, options: PartsOptions = {}): ImportFile {
  return {
    path: file.name,
    sizeBytes: file.sizeBytes,
    version: versionOf(file),
    ...(file.sha256 ? { sha256: file.sha256 } : {}),
    open: (offset, signal) =>
      file.resumable
        ? Promise.resolve(partsStream(file, offset, get, signal, options))
        : oneWayStream(file, offset, get, signal),
  };
}

/** Headers are read at once in pieces of this size: many small reads are one request. */
const HEADER_PIECE_BYTES = 256 * 1024;

/**
 * A remote file as a source, for reading headers before anything is downloaded.
 * @throws AppError 'network/failed', 'network/changed' from its reads
 */
export function remoteSource(file: RemoteFile, get = defaultFetch): ByteSource {
  let held: { readonly offset: number; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;
  const source: ByteSource = {
    name: file.name,
    sizeBytes: file.sizeBytes,
    distant: true,
    async read(offset, length, signal) {
      assertRange(source, offset, length);
      if (length === 0) return new Uint8Array();
      const inside = held && offset >= held.offset && offset + length <= held.offset + held.bytes.length;
      if (!inside || !held) {
        const wanted = Math.min(Math.max(length, HEADER_PIECE_BYTES), file.sizeBytes - offset);
        held = { offset, bytes: await readRemoteRange(file, offset, wanted, signal, get) };
      }
      return held.bytes.slice(offset - held.offset, offset - held.offset + length);
    },
  };
  return source;
}

async function readRemoteRange(
  file: RemoteFile,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
  get: Fetch,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  const reader = partsStream(file, offset, get, signal, { connections: 1, end: offset + length }).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes;
    bytes.set(value, filled);
    filled += value.length;
  }
}

function fileName(url: string, disposition: string | null): string {
  const given = /filename\*?=(?:UTF-8'')?"?([^";]+)"?/i.exec(disposition ?? '')?.[1];
  const last = new URL(url).pathname.split('/').pop() ?? '';
  return nameOf(cleanPath(decoded(given ?? last))).replace(/^file$/, 'model');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
