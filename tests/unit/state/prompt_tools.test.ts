import { describe, expect, it } from 'vitest';
import { readStylesCsv, writeStylesCsv } from '../../../src/lib/prompt/styles_csv';
import { completionsAt, type CompletionSources } from '../../../src/lib/state/completions';
import type { Parameters } from '../../../src/lib/state/generation.svelte';
import { loraTags, newestByLora, withLora, withoutLora, withWord } from '../../../src/lib/state/lora_tags';
import type { ParameterContext } from '../../../src/lib/state/parameters/parameter';
import { composeJobs } from '../../../src/lib/state/parameters/prompt_templates';
import { presetOf, withPreset } from '../../../src/lib/state/parameters/presets.svelte';
import { piecesOf, remarksOf } from '../../../src/lib/state/prompt_marks';
import { form as someForm } from './form';

/** With a seed of its own, so that what is drawn by it comes again. */
const form = (change: Partial<Parameters> = {}): Parameters => someForm({ seed: 5, ...change });
const context = (parameters: Parameters): ParameterContext => ({
  parameters,
  model: undefined,
  models: [],
  upscalers: [],
  vaes: [],
  sketching: false,
});

it('a LoRA is shown by the newest picture made with it', () => {
  const rows = [
    { id: 'c', infotext: 'a house <lora:oil:1>' },
    { id: 'b', infotext: 'a tree <lora:ink:0.5:te=1><lora:oil:1>' },
    { id: 'a', infotext: 'a star <lora:ink:1>' },
    { id: '0', infotext: 'nothing' },
  ];
  expect([...newestByLora(rows)]).toEqual([
    ['oil', 'c'],
    ['ink', 'b'],
  ]);
});

describe('styles.csv', () => {
  it('is read as the web UIs write it: byte order mark, quotes, line breaks in cells', () => {
    const csv =
      '\uFEFFname,prompt,negative_prompt\r\n"Oil, old","{prompt}, ""oil""\npainting",blurry\r\n-----------,,\r\nPlain,soft,\r\n';
    expect(readStylesCsv(csv)).toEqual([
      { name: 'Oil, old', prompt: '{prompt}, "oil"\npainting', negative: 'blurry' },
      { name: 'Plain', prompt: 'soft', negative: '' },
    ]);
  });
  it('leaves out separators, comments and rows without a name', () => {
    const csv = 'name,prompt,negative_prompt\n------- OWN -------,,\n# later,x,y\n,x,y\nkept,x,y\n';
    expect(readStylesCsv(csv).map(({ name }) => name)).toEqual(['kept']);
  });
  it('comes back as it was written', () => {
    const styles = [{ name: 'a,"b"', prompt: 'x\ny', negative: ' z ' }];
    expect(readStylesCsv(writeStylesCsv(styles))).toEqual(styles);
  });
  it('refuses a file without the columns', () => {
    expect(() => readStylesCsv('a,b\n1,2')).toThrowError(
      expect.objectContaining({ code: 'argument/invalid' }) as Error,
    );
  });
});

describe('composing jobs', () => {
  const parts = {
    styles: [{ name: 'oil', prompt: '{prompt}, oil', negative: 'photo' }],
    wildcards: { colour: ['red', 'green', 'blue', 'black', 'white'] },
  };
  it('applies styles and leaves plain prompts alone', () => {
    const { jobs } = composeJobs(form({ styles: ['oil', 'gone'] }), parts, () => 0);
    expect(jobs).toEqual([form({ prompt: 'a cat, oil', negativePrompt: 'photo' })]);
    expect(composeJobs(form({ styles: ['gone'] }), parts, () => 0).missing).toEqual(['gone']);
    expect(composeJobs(form({ prompt: '{plain} braces' }), parts, () => 0).jobs[0]?.prompt).toBe('{plain} braces');
  });
  it('draws words by the seed: the same seed gives the same prompt, each batch its own', () => {
    const parameters = form({ prompt: 'a __colour__ {cat|dog|owl}', batchCount: 6, batchSize: 2 });
    const { jobs } = composeJobs(parameters, parts, () => 0);
    expect(jobs.map(({ seed }) => seed)).toEqual([5, 7, 9, 11, 13, 15]);
    expect(new Set(jobs.map(({ prompt }) => prompt)).size).toBeGreaterThan(1);
    expect(composeJobs(parameters, parts, () => 99).jobs).toEqual(jobs);
    expect(composeJobs(form({ prompt: jobs[2]?.prompt ?? '', seed: 9 }), parts, () => 0).jobs[0]?.prompt).toBe(
      jobs[2]?.prompt,
    );
  });
  it('names wildcards that are not here and keeps them as typed', () => {
    const { jobs, missing } = composeJobs(form({ prompt: 'a __shape__' }), parts, () => 0);
    expect(jobs[0]?.prompt).toBe('a __shape__');
    expect(missing).toEqual(['__shape__']);
  });
});

describe('LoRA tags', () => {
  it('are read with their weight', () => {
    expect(loraTags('a <lora:x:0.8> b <lora:y> <lora:z:1:0.5>').map(({ name, weight }) => [name, weight])).toEqual([
      ['x', 0.8],
      ['y', 1],
      ['z', 1],
    ]);
  });
  it('are changed in place, added at the end, and taken out without a trace', () => {
    expect(withLora('a cat', 'x', 0.7)).toBe('a cat <lora:x:0.7>');
    expect(withLora('a <lora:x:1:0.5:dyn=4> cat', 'x', 0.25)).toBe('a <lora:x:0.25:0.5:dyn=4> cat');
    expect(withoutLora('a cat <lora:x:0.7>', 'x')).toBe('a cat');
    expect(withoutLora('a <lora:x:0.7> cat', 'x')).toBe('a cat');
    expect(withoutLora('<lora:x:1> cat', 'x')).toBe('cat');
  });
  it('bring trigger words once', () => {
    expect(withWord('a cat,', 'stones')).toBe('a cat, stones');
    expect(withWord('a cat, Stones', 'stones')).toBe('a cat, Stones');
  });
});

describe('completions', () => {
  const network = { id: '1', fits: true, triggerWords: [], sizeBytes: 1, hash: '' } as const;
  const sources: CompletionSources = {
    networks: [
      { ...network, name: 'stones', kind: 'lora' },
      { ...network, name: 'easyneg', kind: 'embedding' },
    ],
    styles: [{ name: 'Oil painting' }],
    wildcards: { colour: ['red'] },
    tags: [{ name: 'long_hair' }, { name: 'stone_(series)' }],
    prompts: ['a castle, long shadows'],
  };
  const at = (text: string) =>
    completionsAt(text, text.length, sources)?.offers.map(({ insert, kind }) => [kind, insert]);
  it('offer what fits the place', () => {
    expect(at('a <lora:st')).toEqual([['lora', 'stones:1>']]);
    expect(at('a <')).toEqual([['lora', 'lora:stones:1>']]);
    expect(at('a, easy')).toEqual([['embedding', 'easyneg']]);
    expect(at('a, __co')).toEqual([['wildcard', '__colour__']]);
    expect(at('x, long')).toEqual([
      ['tag', 'long hair'],
      ['word', 'long shadows'],
    ]);
    expect(at('x, stone')).toEqual([
      ['lora', '<lora:stones:1>'],
      ['tag', 'stone \\(series\\)'],
    ]);
    expect(at('x, o')).toBeUndefined();
  });
});

describe('marks in a prompt', () => {
  it('join to the text and name the place', () => {
    const text = 'a (red, #ff0000 [b:1.2]';
    const remarks = remarksOf(text);
    const pieces = piecesOf(text, remarks);
    expect(pieces.map((piece) => piece.text).join('')).toBe(text);
    expect(remarks.map(({ code }) => code)).toEqual(['unclosed-bracket', 'colour-in-comment', 'square-weight']);
  });
});

describe('presets', () => {
  it('keep what differs and bring it back, seed and prompts excepted', () => {
    const hires = {
      upscaler: 'Lanczos',
      scale: 1.5,
      widthPx: 0,
      heightPx: 0,
      steps: 4,
      strength: 0.4,
      sampler: '',
      schedule: '',
      prompt: '',
      negativePrompt: '',
    };
    const mine = form({ steps: 9, hires, cfgRescale: 0.5, sampler: 'euler_ancestral', samplerOptions: { eta: 0.5 } });
    const preset = presetOf('mine', context(mine), false);
    const other = form({ prompt: 'other', seed: 77, guidance: { skipEarly: 0.2 } });
    const after = withPreset(JSON.parse(JSON.stringify(preset)) as typeof preset, context(other));
    expect(after).toEqual({ ...mine, prompt: 'other', seed: 77 });
  });
  it('leave out values of wrong kinds and unknown names', () => {
    const broken = { name: 'x', values: { steps: 'many', cfgScale: 1e9, 'no.such': 1 } };
    const { steps, cfgScale } = withPreset(broken, context(form({ steps: 3 })));
    expect([steps, cfgScale]).toEqual([20, 7]);
  });
});
