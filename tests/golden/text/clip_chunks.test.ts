import { expect, it } from 'vitest';
import { chunkPrompt } from '../../../src/lib/prompt/chunks';
import { embeddingTable } from '../../../src/lib/prompt/embeddings';
import { createClipTokenizer } from '../../../src/lib/tokenizers/clip';
import { expectClipChunks } from './compare';
import type { GoldenChunk } from './compare';
import { describeGolden, productFile } from './text_data';

interface ChunkData {
  readonly embeddings: readonly { name: string; vectors: number }[];
  readonly cases: readonly { id: string; text: string; token_count: number; chunks: readonly GoldenChunk[] }[];
}

const tokenizer = createClipTokenizer(productFile('static/tokenizers/clip.txt'));

describeGolden<ChunkData>('tokenizers/chunks_clip.json', (data) => {
  const embeddings = embeddingTable(data.embeddings, tokenizer);
  it.each(data.cases.map((c) => [c.id, c] as const))('%s: the same chunks', (_, c) => {
    const chunked = chunkPrompt(c.text, tokenizer, { embeddings });
    expect(chunked.tokenCount).toBe(c.token_count);
    expectClipChunks(chunked.chunks, c.chunks, tokenizer.endId);
    expectClipChunks(chunkPrompt(c.text, tokenizer, { embeddings, padId: 0 }).chunks, c.chunks, 0);
  });
});
