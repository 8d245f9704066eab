import { expect, it } from 'vitest';
import { composeBatch } from '../../../src/lib/prompt/composition';
import { stripComments } from '../../../src/lib/prompt/comments';
import { chunkComfy, parseComfy } from '../../../src/lib/prompt/comfy';
import { extractBatchNetworks, isLoraProblem, readLoras } from '../../../src/lib/prompt/extra_networks';
import type { NetworkTag } from '../../../src/lib/prompt/extra_networks';
import { parseSchedule, schedulePrompt } from '../../../src/lib/prompt/schedule';
import { applyStyles, extractStyles } from '../../../src/lib/prompt/styles';
import { expandAll, expandRandom, expansionRandom } from '../../../src/lib/prompt/wildcards';
import { createClipTokenizer } from '../../../src/lib/tokenizers/clip';
import { expectClipChunks, expectRuns } from './compare';
import type { GoldenChunk } from './compare';
import { describeGolden, productFile } from './text_data';

type Named<T> = T & { readonly id: string };
interface Cases<T> {
  readonly cases: readonly Named<T>[];
}
const table = <T>(data: Cases<T>): (readonly [string, Named<T>])[] => data.cases.map((c) => [c.id, c] as const);

type Pair = readonly [number, string];
interface ScheduleRun {
  readonly steps: number;
  readonly hires_steps: number | null;
  readonly old_timelines: boolean;
  readonly schedule: readonly Pair[];
}
interface ScheduleCase {
  readonly text: string;
  readonly grammar_accepts: boolean;
  readonly runs: readonly ScheduleRun[];
  readonly unstable?: boolean;
  readonly seen_at_10_steps?: readonly (readonly Pair[])[];
}

describeGolden<Cases<ScheduleCase>>('prompts/schedule.json', (data) => {
  const run = (text: string, r: Omit<ScheduleRun, 'schedule'>): Pair[] =>
    schedulePrompt(text, {
      steps: r.steps,
      oldTimelines: r.old_timelines,
      ...(r.hires_steps === null ? {} : { hiresSteps: r.hires_steps }),
    }).map((entry) => [entry.until, entry.text] as const);
  it.each(table(data))('%s: the same texts at the same steps', (_, c) => {
    if (c.unstable === true) {
      const ours = run(c.text, { steps: 10, hires_steps: null, old_timelines: false });
      expect(c.seen_at_10_steps).toContainEqual(ours);
      return;
    }
    expect(parseSchedule(c.text).accepted).toBe(c.grammar_accepts);
    for (const r of c.runs) expect(run(c.text, r)).toEqual(r.schedule);
  });
});

interface AndCase {
  readonly prompts: readonly string[];
  readonly flat: readonly string[];
  readonly parts: readonly (readonly (readonly [number, number])[])[];
}
describeGolden<Cases<AndCase>>('prompts/and.json', (data) => {
  it.each(table(data))('%s: the same parts and weights', (_, c) => {
    const batch = composeBatch(c.prompts);
    expect(batch.flat).toEqual(c.flat);
    expect(batch.parts.map((p) => p.map((x) => [x.index, x.weight]))).toEqual(c.parts);
  });
});

interface NetworkCase {
  readonly prompts: readonly string[];
  readonly cleaned: readonly string[];
  readonly networks: Readonly<Record<string, readonly { items: string[]; positional: string[]; named: object }[]>>;
  readonly lora: readonly { name?: string; te?: number; unet?: number; dyn?: number | null; error?: string }[];
}
describeGolden<Cases<NetworkCase>>('prompts/extra_networks.json', (data) => {
  it.each(table(data))('%s: the same tags and strengths', (_, c) => {
    const { prompts, tags } = extractBatchNetworks(c.prompts);
    expect(prompts).toEqual(c.cleaned);
    const ofKind = (kind: string): NetworkTag[] => tags.filter((tag) => tag.kind === kind);
    expect([...new Set(tags.map((tag) => tag.kind))].sort()).toEqual(Object.keys(c.networks).sort());
    for (const [kind, expected] of Object.entries(c.networks)) {
      const ours = ofKind(kind).map((t) => ({
        items: t.items,
        positional: t.positional,
        named: Object.fromEntries(t.named),
      }));
      expect(ours).toEqual(expected);
    }
    const loras = readLoras(tags);
    expect(loras.length).toBe(c.lora.length);
    loras.forEach((lora, i) => {
      const expected = c.lora[i]!;
      if (isLoraProblem(lora)) expect(expected.error).toBeDefined();
      else
        expect({ name: lora.name, te: lora.textEncoder, unet: lora.denoiser, dyn: lora.rank ?? null }).toEqual(
          expected,
        );
    });
  });
});

describeGolden<Cases<{ text: string; expected: string }>>('prompts/comments.json', (data) => {
  it.each(table(data))('%s: the same text is left', (_, c) => {
    expect(stripComments(c.text)).toBe(c.expected);
  });
});

interface StyleCase {
  readonly kind: 'apply' | 'extract';
  readonly prompt: string;
  readonly negative: string;
  readonly styles?: readonly string[];
  readonly expected_styles?: readonly string[];
  readonly expected_prompt: string;
  readonly expected_negative: string;
}
interface StyleTable {
  readonly table: readonly { name: string; prompt: string; negative_prompt: string }[];
}
describeGolden<Cases<StyleCase> & StyleTable>('prompts/styles.json', (data) => {
  const styles = data.table.map((s) => ({ name: s.name, prompt: s.prompt, negative: s.negative_prompt }));
  it.each(table(data))('%s: the same prompts', (_, c) => {
    const pair = { prompt: c.prompt, negative: c.negative };
    const result = c.kind === 'apply' ? applyStyles(pair, c.styles ?? [], styles) : extractStyles(pair, styles);
    expect([result.prompt, result.negative]).toEqual([c.expected_prompt, c.expected_negative]);
    if ('names' in result) expect(result.names).toEqual(c.expected_styles);
  });
});

type Weighted = readonly [string, number | string];
describeGolden<Cases<{ text: string; expected: readonly Weighted[] }>>('prompts/comfy_weights.json', (data) => {
  it.each(table(data))('%s: the same runs', (_, c) => {
    // JSON has no infinity: the file writes "inf" and "nan".
    const number = (w: number | string): number =>
      typeof w === 'number' ? w : Number(w.replace('inf', 'Infinity').replace('nan', 'NaN'));
    expectRuns(
      parseComfy(c.text),
      c.expected.map(([text, weight]) => [text, number(weight)] as const),
    );
  });
});

describeGolden<Cases<{ text: string; chunks: readonly GoldenChunk[] }>>('tokenizers/chunks_comfy.json', (data) => {
  const tokenizer = createClipTokenizer(productFile('static/tokenizers/clip.txt'));
  it.each(table(data))('%s: the same chunks', (_, c) => {
    const runs = parseComfy(c.text);
    expectClipChunks(chunkComfy(runs, tokenizer), c.chunks, tokenizer.endId);
    expectClipChunks(chunkComfy(runs, tokenizer, { padId: 0 }), c.chunks, 0);
  });
});

interface WildcardData extends Cases<{ template: string; expected: readonly string[] }> {
  readonly files: Readonly<Record<string, readonly string[]>>;
}
describeGolden<WildcardData>('prompts/wildcards.json', (data) => {
  const source = (name: string): readonly string[] | undefined => data.files[name];
  it.each(table(data))('%s: every combination, and random ones among them', (_, c) => {
    expect(expandAll(c.template, source)).toEqual(c.expected);
    const random = expansionRandom(7);
    const seen = new Set<string>();
    for (let i = 0; i < 60 * c.expected.length; i++) seen.add(expandRandom(c.template, source, random).text);
    expect([...seen].sort()).toEqual([...new Set(c.expected)].sort());
  });
});
