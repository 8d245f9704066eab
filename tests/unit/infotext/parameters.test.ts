import { describe, expect, it } from 'vitest';
import { completeFields } from '../../../src/lib/infotext/complete';
import { parseInfotext, readPairs, serialiseInfotext } from '../../../src/lib/infotext/grammar';
import { readParameters, writeParameters } from '../../../src/lib/infotext/parameter_fields';
import { emptyParameters } from '../../../src/lib/infotext/parameters';
import { compareVersions, parseWriterVersion } from '../../../src/lib/infotext/versions';

const text = [
  'a cat, (sharp:1.2)',
  'Negative prompt: blurry',
  'Steps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 18446744073709551615, Size: 512x768, Model: m, ' +
    'Hires upscale: 1.50, Hires upscaler: Latent, Lora hashes: "a: 0123, b: 4567", Own key: "x: y", Version: v1.9.0',
].join('\n');

describe('generation parameters', () => {
  it('reads typed values and keeps unknown keys', () => {
    const p = readParameters(text);
    expect(p).toMatchObject({ steps: 20, sampler: 'Euler a', cfgScale: 7, widthPx: 512, heightPx: 768 });
    expect(p.hires).toEqual({ upscale: 1.5, upscaler: 'Latent' });
    expect([...(p.loraHashes ?? [])]).toEqual([
      ['a', '0123'],
      ['b', '4567'],
    ]);
    expect([...p.extra]).toEqual([['Own key', 'x: y']]);
  });

  it('reads values without a space behind the comma', () => {
    const pairs = readPairs('Steps: 20,Sampler: Euler a,Seed: 7,Own: {"a": 1},Next: "q, r",Last: z');
    expect(pairs.map(([key]) => key)).toEqual(['Steps', 'Sampler', 'Seed', 'Own', 'Next', 'Last']);
  });

  it('takes a first pass without a width as that of old versions: about 512 x 512', () => {
    const fields = completeFields(
      parseInfotext('x\nSteps: 20, Sampler: Euler, Seed: 1, Size: 1024x1024, First pass size: 0x512'),
    );
    const value = (key: string) => [fields.get(`${key}-1`), fields.get(`${key}-2`)];
    expect([value('Size'), value('Hires resize')]).toEqual([
      [512, 512],
      [1024, 1024],
    ]);
  });

  it('writes an unchanged text byte for byte, numbers included', () => {
    expect(writeParameters(readParameters(text))).toBe(text);
  });

  it('writes only the changed value anew', () => {
    const changed = writeParameters({ ...readParameters(text), steps: 30 });
    expect(changed).toBe(text.replace('Steps: 20', 'Steps: 30'));
  });

  it('puts a new key where the original writes it', () => {
    const line = writeParameters({ ...readParameters(text), clipSkip: 2 })
      .split('\n')
      .at(-1);
    expect(line).toContain('Model: m, Clip skip: 2, Hires upscale');
  });

  it('writes own parameters in the order of the original', () => {
    const own = {
      ...emptyParameters('x'),
      version: 'v1',
      seed: 5,
      steps: 4,
      sampler: 'Euler',
      widthPx: 64,
      heightPx: 64,
    };
    expect(writeParameters(own)).toBe('x\nSteps: 4, Sampler: Euler, Seed: 5, Size: 64x64, Version: v1');
  });

  it('keeps keys of objects harmless', () => {
    const p = readParameters('x\n__proto__: 1, constructor: 2, toString: 3');
    expect([...p.extra.keys()]).toEqual(['__proto__', 'constructor', 'toString']);
  });

  it('takes long hostile lines in linear time', () => {
    for (const unit of ['a', 'a:', 'a ', '"', '"\\', '{', '[{"', 'ab: "', 'ab: {', 'ab: {,', 'ab: {},']) {
      expect(readPairs(unit.repeat(100_000 / unit.length)).length).toBeGreaterThanOrEqual(0);
    }
  });

  it('does not read parameters out of two pairs', () => {
    expect(parseInfotext('x\nSteps: 20, Sampler: Euler').prompt).toBe('x\nSteps: 20, Sampler: Euler');
  });

  it('survives a round trip with any value', () => {
    const pairs = ['a,b', ' lead', 'tail ', '"q"', '"', 'x: "y', '\u2028', '{"a": [1, 2]}', '{', ''].map(
      (value, i) => [`Key ${i}`, value] as const,
    );
    const again = parseInfotext(serialiseInfotext({ prompt: 'p', negative: 'n', pairs }));
    expect(again.pairs).toEqual(pairs);
  });
});

describe('writer versions', () => {
  it('orders releases and commits behind them', () => {
    const of = (t: string) => parseWriterVersion(t)!;
    expect(compareVersions(of('v1.5.1-199-gabc'), of('v1.6.0'))).toBeLessThan(0);
    expect(compareVersions(of('v1.7.0'), of('v1.7.0-225-g1'))).toBeLessThan(0);
    expect(parseWriterVersion('f2.0.1v1.10.1-previous-659-gc055f2d4')).toBeUndefined();
  });
});
