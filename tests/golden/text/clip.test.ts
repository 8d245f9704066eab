import { expect, it } from 'vitest';
import { createClipTokenizer } from '../../../src/lib/tokenizers/clip';
import { describeGolden, productFile } from './text_data';

interface ClipCase {
  readonly id: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly ids_fast?: readonly number[];
}

const tokenizer = createClipTokenizer(productFile('static/tokenizers/clip.txt'));

describeGolden<{ begin: number; end: number; cases: readonly ClipCase[] }>('tokenizers/clip.json', (data) => {
  it('names the begin and end tokens', () => {
    expect([tokenizer.beginId, tokenizer.endId]).toEqual([data.begin, data.end]);
  });
  // The product follows the column `ids_fast` (no ftfy); a case without that column has one answer for all.
  it.each(data.cases.map((c) => [c.id, c] as const))('%s: the same ids', (_, c) => {
    expect(tokenizer.encode(c.text)).toEqual(c.ids_fast ?? c.ids);
  });
});
