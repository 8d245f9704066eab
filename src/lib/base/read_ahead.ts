/**
 * Small reads of a medium where every read is dear, served from larger ones. A browser answers a read of a Blob from
 * another process: measured in Chromium 156, 400 reads of 512 bytes take 530 ms, one by one or many at a time, and one
 * of 16 MiB takes 86 ms. A model of hundreds of small weights is read that way.
 */
import { assertRange, type ByteSource } from './byte_source';

/** Read at once; reads from half of it on go straight through. */
const WINDOW_BYTES = 2 ** 20;
/** Windows kept, the least recently used ones go first: networks ask for weights in nearly the order of their files. */
const MAX_WINDOWS = 4;

/** The same bytes; every read is a copy that the caller owns. Holds at most four windows of 1 MiB. */
export function readAhead(source: ByteSource): ByteSource {
  const windows = new Map<number, Promise<Uint8Array>>();

  function windowAt(index: number): Promise<Uint8Array> {
    const offset = index * WINDOW_BYTES;
    const found = windows.get(index) ?? source.read(offset, Math.min(WINDOW_BYTES, source.sizeBytes - offset));
    windows.delete(index);
    windows.set(index, found);
    const [oldest] = windows.keys();
    if (windows.size > MAX_WINDOWS && oldest !== undefined) windows.delete(oldest);
    // What failed is asked for again by the next reader.
    found.catch(() => windows.get(index) === found && windows.delete(index));
    return found;
  }

  return {
    ...source,
    async read(offset, length, signal) {
      assertRange(source, offset, length);
      if (length === 0 || length >= WINDOW_BYTES / 2) return source.read(offset, length, signal);
      const out = new Uint8Array(length);
      const first = Math.floor(offset / WINDOW_BYTES);
      const last = Math.floor((offset + length - 1) / WINDOW_BYTES);
      // Asked for together: two neighbours at most, since a read is shorter than a window.
      const parts = await Promise.all(first === last ? [windowAt(first)] : [windowAt(first), windowAt(last)]);
      let at = 0;
      for (const [i, bytes] of parts.entries()) {
        const start = offset + at - (first + i) * WINDOW_BYTES;
        const part = bytes.subarray(start, Math.min(start + length - at, bytes.length));
        out.set(part, at);
        at += part.length;
      }
      return out;
    },
  };
}
