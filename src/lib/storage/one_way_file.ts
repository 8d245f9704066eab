/**
 * Files of hosts that send no parts: one answer, from the first byte on. The header is read off its beginning, and the
 * copy goes on with the same answer, so that nothing is asked for twice.
 */
import { throwIfAborted } from '../base/abort';
import { assertRange, type ByteSource } from '../base/byte_source';
import { answerOf, brokenConnection, networkError, sameVersion, type Expected, type Fetch } from './range_request';

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** Headers of model files are smaller (100 MB is the formats' own bound, tens of MB the largest seen). */
const MAX_HEADER_BYTES = 64 * 2 ** 20;

async function begin(file: Expected, get: Fetch, signal: AbortSignal | undefined): Promise<Reader> {
  const response = await answerOf(get, file.url, {}, signal);
  if (!response.body) throw networkError(file.url, 'the answer has no body');
  sameVersion(file, response);
  return response.body.getReader();
}

/**
 * The bytes from `offset` on of a new answer; those before are read and dropped.
 * @throws AppError through the stream: 'network/failed', 'network/changed', 'job/cancelled'
 */
export async function oneWayStream(
  file: Expected,
  offset: number,
  get: Fetch,
  signal: AbortSignal | undefined,
): Promise<ReadableStream<Uint8Array>> {
  return rest(file, await begin(file, get, signal), offset, signal);
}

function rest(
  file: Expected,
  reader: Reader,
  offset: number,
  signal: AbortSignal | undefined,
  held: Uint8Array[] = [],
) {
  let skip = offset;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          throwIfAborted(signal);
          const value = held.shift() ?? (await next(file, reader, signal));
          if (!value) return controller.close();
          const skipped = Math.min(skip, value.byteLength);
          skip -= skipped;
          if (skipped === value.byteLength) continue;
          return controller.enqueue(value.subarray(skipped));
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

async function next(file: Expected, reader: Reader, signal?: AbortSignal): Promise<Uint8Array | undefined> {
  const { done, value } = await reader.read().catch((cause: unknown) => {
    throw brokenConnection(file.url, signal, cause);
  });
  return done ? undefined : value;
}

/** The file before it is copied: its beginning can be read, its end cannot. */
export class OneWayFile implements ByteSource {
  readonly name: string;
  readonly sizeBytes: number;
  readonly #file: Expected;
  readonly #get: Fetch;
  /** What came so far, from the first byte on. */
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;
  #reader: Promise<Reader> | undefined;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(file: Expected, get: Fetch) {
    this.name = file.name;
    this.sizeBytes = file.sizeBytes;
    this.#file = file;
    this.#get = get;
  }

  /** @throws AppError 'network/failed' for what lies too far behind the beginning to be held */
  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    assertRange(this, offset, length);
    const end = offset + length;
    if (end > MAX_HEADER_BYTES) {
      const what = 'the host sends the file only from its beginning, and this format is read from its end';
      throw networkError(this.#file.url, `${what}: download it and add it from disk`);
    }
    // Reads that overlap wait for each other: there is one stream.
    const turn = this.#reading.then(() => this.#holdUntil(end, signal));
    this.#reading = turn.catch(() => undefined);
    await turn;
    return this.#copy(offset, length);
  }

  /** The bytes from `offset` on: the held ones and what follows them, once; a new answer afterwards. */
  async open(offset: number, signal: AbortSignal | undefined): Promise<ReadableStream<Uint8Array>> {
    const reader = await this.#reader?.catch(() => undefined);
    const held = this.#held.splice(0);
    this.#forget();
    return reader
      ? rest(this.#file, reader, offset, signal, held)
      : oneWayStream(this.#file, offset, this.#get, signal);
  }

  /** Lets the connection go. */
  close(): void {
    const reader = this.#reader;
    this.#held.length = 0;
    this.#forget();
    void reader?.then((one) => one.cancel()).catch(() => undefined);
  }

  #forget(): void {
    this.#reader = undefined;
    this.#heldBytes = 0;
  }

  async #holdUntil(end: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.#heldBytes < end) {
      // The answer outlives this read, so it is not bound to its signal.
      this.#reader ??= begin(this.#file, this.#get, undefined);
      const reader = await this.#reader.catch((error: unknown) => {
        this.#reader = undefined;
        throw error;
      });
      throwIfAborted(signal);
      const value = await next(this.#file, reader).catch((error: unknown) => {
        this.close();
        throw error;
      });
      if (!value)
        throw networkError(this.#file.url, `the file ends after ${this.#heldBytes} of ${this.sizeBytes} bytes`);
      this.#held.push(value);
      this.#heldBytes += value.byteLength;
    }
  }

  #copy(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of this.#held) {
      const from = Math.max(offset, at);
      const to = Math.min(offset + length, at + chunk.byteLength);
      if (from < to) bytes.set(chunk.subarray(from - at, to - at), from - offset);
      at += chunk.byteLength;
    }
    return bytes;
  }
}
