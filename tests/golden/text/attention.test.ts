import { expect, it } from 'vitest';
import { parseAttention, parseForMode } from '../../../src/lib/prompt/attention';
import { describeGolden } from './text_data';
import { expectRuns } from './compare';

interface AttentionCase {
  readonly id: string;
  readonly text: string;
  readonly expected: readonly (readonly [string, number])[] | null;
}

describeGolden<{ cases: readonly AttentionCase[] }>('prompts/attention.json', (data) => {
  it.each(data.cases.map((c) => [c.id, c] as const))('%s: the same runs', (_, c) => {
    // Where the original crashes, the product keeps the text as typed at weight 1.
    expectRuns(parseAttention(c.text), c.expected ?? [[c.text, 1]]);
    expect(parseForMode(c.text, 'None')).toEqual([{ text: c.text, weight: 1 }]);
  });
});
