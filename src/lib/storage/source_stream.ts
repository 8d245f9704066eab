/** Any byte source as a stream, for copying it. */
import type { ByteSource } from '../base/byte_source';

const STEP_BYTES = 4 * 2 ** 20;

/** The bytes from `offset` on, read as they are taken. */
export function sourceStream(source: ByteSource, offset: number): ReadableStream<Uint8Array> {
  let at = offset;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at >= source.sizeBytes) return controller.close();
        const length = Math.min(STEP_BYTES, source.sizeBytes - at);
        controller.enqueue(await source.read(at, length));
        at += length;
      },
    },
    { highWaterMark: 0 },
  );
}
