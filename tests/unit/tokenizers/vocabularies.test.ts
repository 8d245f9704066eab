import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseTokenizerJson } from '../../../src/lib/tokenizers/tokenizer_json';
import {
  isVocabularyFile,
  SHIPPED_VOCABULARIES,
  shippedTokenizer,
  tokenizerOfFile,
  tokenizerOfGguf,
  vocabularyText,
  type TokenizerKind,
} from '../../../src/lib/tokenizers/vocabularies';

const text = (kind: TokenizerKind) =>
  vocabularyText(
    Uint8Array.from(
      readFileSync(resolve(import.meta.dirname, '../../../static/tokenizers', SHIPPED_VOCABULARIES[kind])),
    ),
  );
const SAMPLE = "A fox's den, 12 km away — naïve café 狐 <|im_end|></s>";

describe('vocabularies', () => {
  it('reads a server-side unpacked file as well as the packed one', async () => {
    const plain = await text('t5');
    expect(await vocabularyText(new TextEncoder().encode(plain))).toBe(plain);
  });

  it('reads the same T5 vocabulary out of a GGUF header', async () => {
    const json = await text('t5');
    const { t5 } = shippedTokenizer('t5', json);
    const { root, model, specials } = parseTokenizerJson(json, 'Unigram');
    const vocab = model['vocab'] as [string, number][];
    const map = /"precompiled_charsmap":"([^"]+)"/.exec(JSON.stringify(root))![1]!;
    const found = tokenizerOfGguf(
      new Map<string, unknown>([
        ['tokenizer.ggml.model', 't5'],
        ['tokenizer.ggml.tokens', vocab.map(([piece]) => piece)],
        ['tokenizer.ggml.scores', vocab.map(([, score]) => score)],
        ['tokenizer.ggml.token_type', vocab.map(([piece]) => (specials.has(piece) ? 3 : 1))],
        ['tokenizer.ggml.unknown_token_id', 2],
        ['tokenizer.ggml.precompiled_charsmap', [...Buffer.from(map, 'base64')]],
      ]),
    );
    expect(found.t5!.encode(SAMPLE)).toEqual(t5!.encode(SAMPLE));
    expect(found.t5!.endId).toBe(1);
  });

  it('reads the same Qwen vocabulary out of a GGUF header', async () => {
    const json = await text('qwen');
    const { qwen } = shippedTokenizer('qwen', json);
    const { model, specials } = parseTokenizerJson(json, 'BPE');
    const size = qwen!.size;
    const tokens = Array.from(
      { length: size },
      (_, id) => [...specials].find(([, own]) => own === id)?.[0] ?? `#${id}`,
    );
    const merges = model['merges'] as string[];
    const bytes = Array.from({ length: 256 }, (_, id) => id);
    for (const id of bytes) tokens[id] = byteToken(id);
    for (const [rank, merge] of merges.entries()) tokens[256 + rank] = merge.replace(' ', '');
    const found = tokenizerOfGguf(
      new Map<string, unknown>([
        ['tokenizer.ggml.model', 'gpt2'],
        ['tokenizer.ggml.tokens', tokens],
        ['tokenizer.ggml.merges', merges],
        ['tokenizer.ggml.token_type', tokens.map((token) => (specials.has(token) ? 3 : 1))],
      ]),
    );
    expect(found.qwen!.encode(SAMPLE)).toEqual(qwen!.encode(SAMPLE));
  });

  it('has nothing for headers without a vocabulary, and refuses half a one', () => {
    expect(tokenizerOfGguf(new Map([['general.architecture', 't5encoder']]))).toEqual({});
    const half = new Map<string, unknown>([
      ['tokenizer.ggml.model', 't5'],
      ['tokenizer.ggml.tokens', ['a', 'b']],
    ]);
    expect(() => tokenizerOfGguf(half)).toThrow(expect.objectContaining({ code: 'tokenizer/vocabulary' }) as Error);
  });

  it("takes a smaller model's own merges", async () => {
    const lines = (await text('clip')).split('\n').slice(0, 300);
    const { clip } = tokenizerOfFile('tokenizer/merges.txt', lines.join('\n'));
    expect(clip!.size).toBe(clip!.endId + 1);
    expect(clip!.beginId).toBe(512 + lines.filter((line) => line !== '' && !line.startsWith('#')).length);
    expect(Math.max(...clip!.encode('a photograph of a fox'))).toBeLessThan(clip!.beginId);
  });

  it('knows vocabulary files by name', () => {
    expect(['tokenizer/merges.txt', 'tokenizer_2/tokenizer.json', 'tokenizer.json'].every(isVocabularyFile)).toBe(true);
    expect(['tokenizer/tokenizer_config.json', 'config.json', 'notes.txt'].some(isVocabularyFile)).toBe(false);
  });
});

/** Bytes in the order of the vocabulary, as the characters that stand for them. */
function byteToken(id: number): string {
  const printable = [...range(33, 127), ...range(161, 173), ...range(174, 256)];
  return id < printable.length
    ? String.fromCodePoint(printable[id]!)
    : String.fromCodePoint(256 + (id - printable.length));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
