import { describe, expect, it } from 'vitest';
import { completeFields } from '../../../src/lib/infotext/complete';
import { parseInfotext, quote, readPairs, serialiseInfotext, unquote } from '../../../src/lib/infotext/grammar';
import { readParameters, writeParameters } from '../../../src/lib/infotext/parameter_fields';
import { readSampler } from '../../../src/lib/infotext/samplers';
import { scheduleLabel, shownSchedule } from '../../../src/lib/sampling/names';
import { getSampler } from '../../../src/lib/sampling/registry';
import { describeGolden } from './text_data';

interface Target {
  readonly keep_upstream: boolean;
  readonly prompt?: string;
  readonly negative?: string;
  readonly sampler?: string;
  readonly scheduler?: string;
  readonly warning?: boolean;
  readonly fields?: Readonly<Record<string, unknown>>;
}
interface ParseCase {
  readonly id: string;
  readonly name: string;
  readonly text: string;
  readonly prompt: string;
  readonly negative: string;
  readonly pairs: readonly (readonly [string, string])[];
  readonly expected: Readonly<Record<string, unknown>>;
  readonly sampler: string;
  readonly scheduler: string;
  readonly serialised?: string;
  readonly round_trip_exact?: boolean;
  readonly target?: Target;
}

describeGolden<{ cases: readonly ParseCase[] }>('infotext/parse.json', (data) => {
  const rows = data.cases.map((c) => [`${c.id} ${c.name}`, c] as const);
  it.each(rows)('%s: read as the original reads it, and written back', (_, c) => {
    const read = parseInfotext(c.text, 'reference');
    expect(read).toMatchObject({ prompt: c.prompt, negative: c.negative, pairs: c.pairs });
    expect(Object.fromEntries(completeFields(read))).toEqual(c.expected);
    if (c.serialised !== undefined) expect(serialiseInfotext(read, 'reference')).toBe(c.serialised);
    if (c.round_trip_exact === true) {
      expect(serialiseInfotext(parseInfotext(c.text))).toBe(c.text);
      expect(writeParameters(readParameters(c.text))).toBe(c.text);
    }
  });

  it.each(rows)('%s: the same sampler and schedule', (_, c) => {
    const read = readSampler(readParameters(c.text));
    const sampler = getSampler(read.sampler);
    const target = c.target?.keep_upstream === false ? c.target : undefined;
    // The original takes the first sampler for what it does not know; the product reports it and uses its default.
    const known = read.problems.length === 0;
    if (target?.warning === true) expect(known).toBe(false);
    if (!known) return;
    if (target !== undefined && target.sampler === undefined) return; // the target case says nothing of samplers
    const wanted = { sampler: target?.sampler ?? c.sampler, scheduler: target?.scheduler ?? c.scheduler };
    // The original cuts `Uniform` off `… SGM Uniform` and then does not know the sampler; the longer name is right.
    if (scheduleLabel(read.schedule).endsWith(` ${wanted.scheduler}`)) return;
    expect(sampler.label).toBe(wanted.sampler);
    const shown = scheduleLabel(shownSchedule(sampler, read.schedule));
    const plain = scheduleLabel(read.schedule);
    expect([shown, plain]).toContain(wanted.scheduler);
  });

  const targets = rows.filter(([, c]) => c.target !== undefined);
  if (targets.length === 0) return;
  describe('target', () => {
    it.each(targets)('%s: read better than the original', (_, c) => {
      const target = c.target!;
      const read = parseInfotext(c.text);
      if (target.prompt !== undefined) expect(read.prompt).toBe(target.prompt);
      if (target.negative !== undefined) expect(read.negative).toBe(target.negative);
      const fields = completeFields(read);
      for (const [key, wanted] of Object.entries(target.fields ?? {})) {
        const ours = fields.get(key);
        if (typeof wanted === 'object') expect(JSON.parse(String(ours))).toEqual(wanted);
        else expect(ours).toEqual(wanted);
      }
    });
  });
});

interface QuoteCase {
  readonly value: string;
  readonly quoted: string;
  readonly reads_back: string;
  readonly exact: boolean;
}
describeGolden<{ cases: readonly QuoteCase[] }>('infotext/quote.json', (data) => {
  it.each(data.cases.map((c) => [JSON.stringify(c.value), c] as const))('%s survives', (_, c) => {
    expect(quote(c.value, 'reference')).toBe(c.quoted);
    expect(readPairs(`Key: ${quote(c.value)}, Next: 1`)).toEqual([
      ['Key', c.value],
      ['Next', '1'],
    ]);
    const readAsOriginal = readPairs(`Key: ${c.quoted}, Next: 1`, 'reference');
    expect(readAsOriginal[0]).toEqual(['Key', c.reads_back]);
    expect(unquote(JSON.stringify(c.value))).toBe(c.value);
  });
});
