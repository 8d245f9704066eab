/** Random access over the shards of a stored file. */
import { assertRange, type ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import { readAhead } from '../base/read_ahead';
import type { StoredFile } from './database';

/** @param blobs the file's shards in order */
export function shardSource(modelName: string, file: StoredFile, blobs: readonly Blob[]): ByteSource {
  let start = 0;
  const places = blobs.map((blob) => ({ first: (start += blob.size) - blob.size, blob }));
  const source: ByteSource = {
    name: file.path,
    sizeBytes: file.sizeBytes,
    contentId: file.sha256,
    async read(offset, length) {
      assertRange(source, offset, length);
      const out = new Uint8Array(length);
      for (const { first, blob } of places) {
        const from = Math.max(offset, first);
        const to = Math.min(offset + length, first + blob.size);
        if (from >= to) continue;
        const bytes = await blob
          .slice(from - first, to - first)
          .arrayBuffer()
          .catch((cause: unknown) => {
            throw new AppError(
              'storage/corrupt',
              `model ${modelName}: ${file.path} cannot be read any more; the browser may have evicted it. Delete the model and add it again.`,
              { details: { path: file.path }, cause },
            );
          });
        out.set(new Uint8Array(bytes), from - offset);
      }
      return out;
    },
  };
  return readAhead(source);
}
