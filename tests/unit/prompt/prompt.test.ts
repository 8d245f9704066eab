import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { parseAttention } from '../../../src/lib/prompt/attention';
import { changeWeight, completionAt, moveElement } from '../../../src/lib/prompt/autocomplete';
import { parseComfy } from '../../../src/lib/prompt/comfy';
import { splitComposition } from '../../../src/lib/prompt/composition';
import { applyComfyWeights, applyEmphasis } from '../../../src/lib/prompt/emphasis';
import { extractNetworks } from '../../../src/lib/prompt/extra_networks';
import { hasBracketProblem, promptHints } from '../../../src/lib/prompt/hints';
import { encodePlan, textIndexAt } from '../../../src/lib/prompt/plan';
import { schedulePrompt } from '../../../src/lib/prompt/schedule';
import { applyStyles, extractStyles } from '../../../src/lib/prompt/styles';
import { expandRandom, expansionRandom } from '../../../src/lib/prompt/wildcards';

const pieces = [
  '(',
  ')',
  '[',
  ']',
  ':',
  '|',
  '\\',
  '<lora:',
  '>',
  'AND',
  'BREAK',
  '1.2',
  ' ',
  'ab',
  '猫',
  '#',
  '{',
  '}',
  '__',
  ',',
  '\n',
];
const prompts = fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((parts) => parts.join(''));

describe('prompts of any kind', () => {
  it('never make a parser throw', () => {
    fc.assert(
      fc.property(prompts, (text) => {
        expect(parseAttention(text).length).toBeGreaterThan(0);
        expect(schedulePrompt(text, { steps: 7 }).at(-1)?.until).toBe(7);
        expect(splitComposition(text).length).toBeGreaterThan(0);
        extractNetworks(text);
        parseComfy(text);
        promptHints(text);
        expandRandom(text, () => ['x', '__y__'], expansionRandom(1));
        for (const at of [0, 3, text.length]) {
          const state = { text, start: Math.min(at, text.length), end: Math.min(at + 2, text.length) };
          changeWeight(state, 1);
          moveElement(state, -1);
          completionAt(text, at);
        }
      }),
      { seed: 5, numRuns: 1500 },
    );
  });

  it('of 100,000 characters are read without a hang, brackets of all sorts included', () => {
    // The runner's time limit is the bound: a parser that costs time squared needs minutes here.
    const units = [
      '(',
      '[',
      ')',
      '(a',
      '[a:',
      '[a|',
      '(a:1.1)',
      '[a:b:3]',
      '\\',
      ':',
      ' ',
      '<a:',
      '<lora:x:1>',
      'AND ',
      ' BREAK',
      'a,',
      '#',
      '{',
      '{a|',
      '__a',
      '((a:1',
      'a :',
    ];
    for (const unit of units) {
      const text = unit.repeat(Math.ceil(100_000 / unit.length));
      parseAttention(text);
      schedulePrompt(text, { steps: 2 });
      splitComposition(text);
      extractNetworks(text);
      parseComfy(text);
      promptHints(text);
      expandRandom(text, () => undefined, expansionRandom(1));
    }
  });
});

describe('encode plan', () => {
  it('encodes equal texts once and joins equal neighbours', () => {
    const plan = encodePlan('[a|b] AND [a:b:2] :0.5', { steps: 4 });
    expect(plan.texts).toEqual(['a', 'b', ' a', ' b']);
    expect(plan.parts.map((p) => p.weight)).toEqual([1, 0.5]);
    expect([1, 2, 3, 4].map((call) => textIndexAt(plan.parts[0]!, call))).toEqual([0, 1, 0, 1]);
    expect(plan.parts[1]!.ranges).toEqual([
      { until: 2, text: 2 },
      { until: 4, text: 3 },
    ]);
    expect(encodePlan('[x:x:2]', { steps: 4 }).parts[0]!.ranges).toEqual([{ until: 4, text: 0 }]);
  });

  it('does not split a negative prompt', () => {
    expect(encodePlan('a AND b', { steps: 4, negative: true }).texts).toEqual(['a AND b']);
  });
});

describe('emphasis', () => {
  it('leaves the numbers alone where their mean is zero', () => {
    const [out] = applyEmphasis([{ hidden: Float32Array.of(1, -1), weights: [2, 2] }], 'Original');
    expect([...out!]).toEqual([2, -2]);
  });

  it('counts a row as often as it stands in the batch', () => {
    const a = { hidden: Float32Array.of(1, 3), weights: [2, 1] };
    const b = { hidden: Float32Array.of(5, -1), weights: [1, 3] };
    const [once, other] = applyEmphasis([{ ...a, count: 2 }, b], 'Original');
    const listed = applyEmphasis([a, b, a], 'Original');
    expect([once, other, once]).toEqual(listed);
  });

  it('moves tokens away from the empty prompt in the mode of ComfyUI', () => {
    const row = { hidden: Float32Array.of(1, 2, 3, 4), weights: [1, 1.5] };
    expect([...applyComfyWeights(row, Float32Array.of(9, 9, 1, 2))]).toEqual([1, 2, 4, 5]);
  });
});

describe('hints', () => {
  const codes = (text: string) => promptHints(text).map((hint) => hint.code);
  it('name what is malformed, with its place', () => {
    expect(promptHints('a (b')).toEqual([{ code: 'unclosed-bracket', start: 2, end: 3 }]);
    expect(hasBracketProblem(promptHints('a)'))).toBe(true);
    expect(codes('(a:1.2.3)')).toEqual(['bad-weight']);
    expect(codes('(a:1e2)')).toEqual(['bad-weight']);
    expect(codes('[a:1.2]')).toEqual(['square-weight']);
    expect(codes('(a BREAK b)')).toEqual(['break-in-brackets']);
    expect(codes('hair #ff0000, red')).toEqual(['colour-in-comment']);
    expect(codes('ratio 16:9 AND b')).toEqual(['weight-before-and']);
    expect(codes('a|b [c:d:0.5]')).toEqual(['bar-outside-brackets']);
    expect(codes('（a：1.2）')).toEqual(['full-width', 'full-width', 'full-width']);
    expect(codes('<lora:x')).toEqual(['unclosed-tag']);
  });
  it('say nothing of a good prompt', () => {
    expect(codes('a (b:1.2), [c:d:0.5], [e|f] \\(g\\) <lora:x:1> BREAK h AND i :0.5')).toEqual([]);
  });
});

describe('editing keys', () => {
  const at = (marked: string) => {
    const start = marked.indexOf('‹');
    const end = marked.indexOf('›') - 1;
    return { text: marked.replace(/[‹›]/g, ''), start, end };
  };
  const show = (s: { text: string; start: number; end: number }) =>
    `${s.text.slice(0, s.start)}‹${s.text.slice(s.start, s.end)}›${s.text.slice(s.end)}`;

  it('raise and lower weights', () => {
    expect(show(changeWeight(at('a ‹›cat b'), 1))).toBe('a (‹cat›:1.1) b');
    expect(show(changeWeight(at('a ‹cat b›'), -1))).toBe('a (‹cat b›:0.9)');
    expect(show(changeWeight(at('a (‹cat›:1.1) b'), 1))).toBe('a (‹cat›:1.2) b');
    expect(show(changeWeight(at('a (‹cat›:1.1) b'), -1))).toBe('a ‹cat› b');
    expect(changeWeight(at('<lora:‹›x:0.8>'), 1).text).toBe('<lora:x:0.85>');
    expect(changeWeight(at('x ‹› y'), 1).text).toBe('x  y');
  });

  it('move elements', () => {
    expect(show(moveElement(at('a, ‹›b, c'), 1))).toBe('a, c, ‹›b');
    expect(show(moveElement(at('a, ‹b›, c'), -1))).toBe('‹b›, a, c');
    expect(moveElement(at('‹›a, (b, c:1.2), d'), 1).text).toBe('(b, c:1.2), a, d');
    expect(moveElement(at('‹›a, b'), -1).text).toBe('a, b');
  });

  it('find what to complete', () => {
    expect(completionAt('x <lora:fo', 10)).toEqual({
      kind: 'network',
      network: 'lora',
      prefix: 'fo',
      start: 8,
      end: 10,
    });
    expect(completionAt('x <lo', 5)).toEqual({ kind: 'tag', prefix: 'lo', start: 3, end: 5 });
    expect(completionAt('a, blue ey', 10)).toEqual({ kind: 'word', prefix: 'blue ey', start: 3, end: 10 });
    expect(completionAt('a, b', 4)).toBeUndefined();
  });
});

describe('wildcards', () => {
  it('expand the same way for the same seed and end in circles', () => {
    const source = (name: string) => (name === 'loop' ? ['__loop__ x'] : ['red', 'green', 'blue']);
    const once = (seed: number) => expandRandom('{a|b|c} __color__ {1-2$$x|y|z}', source, expansionRandom(seed)).text;
    expect(once(42)).toBe(once(42));
    expect(new Set(Array.from({ length: 20 }, (_, seed) => once(seed))).size).toBeGreaterThan(5);
    expect(expandRandom('__loop__', source, expansionRandom(1)).text).toContain('x');
  });
});

describe('styles', () => {
  const styles = [
    { name: 'twice', prompt: '{prompt} by {prompt}', negative: '' },
    { name: 'film', prompt: ' film grain # note', negative: '{prompt}, text' },
  ];

  it('are joined to the trimmed prompt, and what a place leaves at the ends stays', () => {
    expect(applyStyles({ prompt: '', negative: ' a ' }, ['twice', 'film'], styles)).toEqual({
      prompt: ' by , film grain',
      negative: 'a, text',
      missing: [],
    });
  });

  it('are found with line breaks kept, comments gone and only the first place as a place', () => {
    const pair = { prompt: 'a\nb  c # x\n, film grain', negative: 'n, text' };
    expect(extractStyles(pair, styles)).toEqual({ names: ['film'], prompt: 'a\nb  c \n', negative: 'n' });
    expect(extractStyles({ prompt: 'cat by cat', negative: '' }, styles).names).toEqual([]);
  });
});
