import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { chunkT5 } from '../../../src/lib/prompt/t5_chunks';
import { qwenChat } from '../../../src/lib/tokenizers/qwen';
import {
  SHIPPED_VOCABULARIES,
  shippedTokenizer,
  vocabularyText,
  type TokenizerKind,
} from '../../../src/lib/tokenizers/vocabularies';
import { expectWeights } from './compare';
import type { GoldenChunk } from './compare';
import { describeGolden } from './text_data';

interface IdCase {
  readonly id: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly prompt?: string;
}

/** As the app ships it. */
async function shipped(kind: TokenizerKind) {
  const path = resolve(import.meta.dirname, '../../../static/tokenizers', SHIPPED_VOCABULARIES[kind]);
  return shippedTokenizer(kind, await vocabularyText(Uint8Array.from(readFileSync(path))));
}

const t5 = (await shipped('t5')).t5!;
const qwen = (await shipped('qwen')).qwen!;

describeGolden<{ end: number; pad: number; unknown: number; cases: readonly IdCase[] }>(
  'tokenizers/t5.json',
  (data) => {
    it('names the special ids', () => {
      expect([t5.endId, t5.padId, t5.unknownId]).toEqual([data.end, data.pad, data.unknown]);
    });
    it.each(data.cases.map((c) => [c.id, c] as const))('%s: the same ids', (_, c) => {
      expect(t5.encode(c.text)).toEqual(c.ids);
    });
  },
);

interface T5Chunk {
  readonly id: string;
  readonly text: string;
  readonly token_count: number;
  readonly chunks: readonly GoldenChunk[];
}
describeGolden<{ cases: readonly T5Chunk[] }>('tokenizers/chunks_t5.json', (data) => {
  it.each(data.cases.map((c) => [c.id, c] as const))('%s: the same sequences', (_, c) => {
    const { chunks, tokenCount } = chunkT5(c.text, t5);
    expect(tokenCount).toBe(c.token_count);
    expect(chunks.length).toBe(c.chunks.length);
    chunks.forEach((chunk, i) => {
      const wanted = c.chunks[i]!;
      const fill = Array.from({ length: Math.max(0, wanted.length - wanted.tokens.length) }, () => t5.padId);
      expect(chunk.tokens).toEqual([...wanted.tokens, ...fill]);
      expectWeights(chunk.weights, wanted);
    });
  });
});

describeGolden<{ special: Record<string, number>; chat_template: string; cases: readonly IdCase[] }>(
  'tokenizers/qwen3.json',
  (data) => {
    it('knows the special tokens and the chat template', () => {
      for (const [text, id] of Object.entries(data.special)) expect(qwen.encode(text)).toEqual([id]);
      expect(qwenChat('{}')).toBe(data.chat_template);
    });
    it.each(data.cases.map((c) => [c.id, c] as const))('%s: the same ids', (_, c) => {
      if (c.prompt !== undefined) expect(qwenChat(c.prompt)).toBe(c.text);
      expect(qwen.encode(c.text)).toEqual(c.ids);
    });
  },
);
