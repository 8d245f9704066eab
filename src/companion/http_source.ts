/** A file behind HTTP Range as a ByteSource. Headers of many gigabytes of weights cost a few hundred kilobytes. */
import { throwIfAborted } from '../lib/base/abort';
import { assertRange, type ByteSource } from '../lib/base/byte_source';
import { AppError } from '../lib/base/errors';

/** Read at once, so that a header of many small reads is one request. */
const CHUNK_BYTES = 1 << 20;

function unreadable(url: string, what: string, cause?: unknown): AppError {
  return new AppError('file/unreadable', `${url}: ${what}; check the address and the connection.`, {
    details: { url },
    cause,
  });
}

async function fetchRange(url: string, first: number, last: number, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(url, {
    headers: { Range: `bytes=${first}-${last}` },
    ...(signal ? { signal } : {}),
  }).catch((cause: unknown) => {
    throwIfAborted(signal);
    throw unreadable(url, 'the server cannot be reached', cause);
  });
  if (response.status === 206) return response;
  // Anything but a part would be the whole file.
  await response.body?.cancel();
  throw unreadable(url, `a part of the file was asked for, the server answered ${response.status}`);
}

/**
 * Opens a file on a server that serves ranges.
 * @param url http: or https:
 * @throws AppError 'file/unreadable'
 */
export async function openHttpSource(url: string, signal?: AbortSignal): Promise<ByteSource> {
  const probe = await fetchRange(url, 0, 0, signal);
  await probe.body?.cancel();
  const sizeBytes = Number(/\/(\d+)$/.exec(probe.headers.get('content-range') ?? '')?.[1] ?? NaN);
  if (!Number.isSafeInteger(sizeBytes)) throw unreadable(url, 'the server does not tell the size of the file');
  let held: { readonly offset: number; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;
  const source: ByteSource = {
    name: decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? url),
    sizeBytes,
    distant: true,
    async read(offset, length, readSignal = signal) {
      assertRange(source, offset, length);
      const inside = held && offset >= held.offset && offset + length <= held.offset + held.bytes.byteLength;
      if (length > 0 && !inside) {
        const end = Math.min(sizeBytes, offset + Math.max(length, CHUNK_BYTES));
        const response = await fetchRange(url, offset, end - 1, readSignal);
        const bytes = new Uint8Array(await response.arrayBuffer());
        if (bytes.byteLength !== end - offset) throw unreadable(url, `bytes ${offset}..${end} came incomplete`);
        held = { offset, bytes };
      }
      if (length === 0 || !held) return new Uint8Array(0);
      return held.bytes.slice(offset - held.offset, offset - held.offset + length);
    },
  };
  return source;
}
