/**
 * A deflated zip entry of any size as a source: inflated front to back, with its beginning kept, so that a header can
 * be read and read again and the rest flows through once. Reading backwards beyond the kept part starts over.
 */
import { Inflate } from 'fflate';
import { assertRange, type ByteSource } from '../base/byte_source';
import { crc32 } from './crc32';
import { fileError } from './format_error';
import { dataStart, type ZipEntry } from './zip';

/** Headers of model files are below 25 MiB. */
const KEPT_BYTES = 32 * 2 ** 20;
const STEP_BYTES = 64 * 1024;

/** State of one pass over the entry. */
class Pass {
  /** Packed bytes given to the inflater. */
  #packed = 0;
  /** Inflated bytes not yet handed out. */
  #waiting: Uint8Array[] = [];
  #crc = 0;
  /** Inflated bytes handed out. */
  position = 0;
  readonly #inflater: Inflate;
  readonly #archive: ByteSource;
  readonly #entry: ZipEntry;

  constructor(archive: ByteSource, entry: ZipEntry) {
    this.#archive = archive;
    this.#entry = entry;
    this.#inflater = new Inflate((chunk) => this.#waiting.push(chunk));
  }

  /** The next bytes, at least one unless the data ends. */
  async next(signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { packedBytes, sizeBytes, crc } = this.#entry;
    const start = await dataStart(this.#archive, this.#entry, signal);
    const where = `${this.#archive.name}:${this.#entry.name}`;
    while (this.#waiting.length === 0 && this.#packed < packedBytes) {
      const length = Math.min(STEP_BYTES, packedBytes - this.#packed);
      const bytes = await this.#archive.read(start + this.#packed, length, signal);
      this.#packed += length;
      try {
        this.#inflater.push(bytes, this.#packed === packedBytes);
      } catch (cause) {
        throw fileError('file/bad-zip', where, 'the compressed data is damaged', { cause });
      }
    }
    const chunk = this.#waiting.shift();
    if (!chunk) throw fileError('file/bad-zip', where, `inflates to ${this.position} bytes, not ${sizeBytes}`);
    this.position += chunk.length;
    if (this.position > sizeBytes) {
      throw fileError('file/zip-bomb', where, `inflates to more than the ${sizeBytes} bytes the archive says`);
    }
    this.#crc = crc32(chunk, this.#crc);
    if (this.position === sizeBytes && this.#crc !== crc) {
      throw fileError(
        'file/bad-crc',
        where,
        `checksum ${this.#crc.toString(16)}, the archive says ${crc.toString(16)}`,
      );
    }
    return chunk;
  }
}

/**
 * @returns a source whose reads are fast in order; one read at a time is under way
 * @throws AppError 'file/*' from its reads: bad-zip, bad-crc, zip-bomb, out-of-bounds
 */
export function inflatedSource(archive: ByteSource, entry: ZipEntry): ByteSource {
  const kept = new Uint8Array(Math.min(KEPT_BYTES, entry.sizeBytes));
  let keptBytes = 0;
  let pass = new Pass(archive, entry);
  /** Bytes of the pass that lie before its position. */
  let tail: Uint8Array = new Uint8Array();
  let busy: Promise<unknown> = Promise.resolve();

  async function advance(signal: AbortSignal | undefined): Promise<void> {
    const start = pass.position;
    tail = await pass.next(signal);
    if (start !== keptBytes || keptBytes === kept.length) return;
    const taken = tail.subarray(0, kept.length - keptBytes);
    kept.set(taken, keptBytes);
    keptBytes += taken.length;
  }

  async function read(offset: number, length: number, signal: AbortSignal | undefined) {
    const out = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const at = offset + filled;
      const tailStart = pass.position - tail.length;
      let part: Uint8Array;
      if (at < keptBytes) part = kept.subarray(at, keptBytes);
      else if (at >= tailStart && at < pass.position) part = tail.subarray(at - tailStart);
      else {
        if (at < tailStart) {
          pass = new Pass(archive, entry);
          tail = new Uint8Array();
        }
        await advance(signal);
        continue;
      }
      const taken = part.subarray(0, length - filled);
      out.set(taken, filled);
      filled += taken.length;
    }
    return out;
  }

  const source: ByteSource = {
    name: entry.name,
    sizeBytes: entry.sizeBytes,
    read(offset, length, signal) {
      const mine = busy.then(() => {
        assertRange(source, offset, length);
        return read(offset, length, signal);
      });
      busy = mine.catch(() => undefined);
      return mine;
    },
  };
  return source;
}
