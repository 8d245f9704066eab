import { expect, it } from 'vitest';
import { parseAttention } from '../../../src/lib/prompt/attention';
import { chunkPrompt } from '../../../src/lib/prompt/chunks';
import { embeddingTable } from '../../../src/lib/prompt/embeddings';
import { splitComposition } from '../../../src/lib/prompt/composition';
import { encodePlan, preparePrompt, textIndexAt } from '../../../src/lib/prompt/plan';
import { schedulePrompt } from '../../../src/lib/prompt/schedule';
import { createClipTokenizer } from '../../../src/lib/tokenizers/clip';
import { expectClipChunks, expectRuns } from './compare';
import type { GoldenChunk } from './compare';
import { describeGolden, productFile, readJson, textPath } from './text_data';

interface Entry {
  readonly until: number;
  readonly text: string;
  readonly runs?: readonly (readonly [string, number])[];
  readonly token_count: number;
  readonly chunks: readonly GoldenChunk[];
}
interface PipelineCase {
  readonly id: string;
  readonly prompt: string;
  readonly negative: string;
  readonly styles: readonly string[];
  readonly steps: number;
  readonly hires_steps: number | null;
  readonly styled_prompt: string;
  readonly styled_negative: string;
  readonly cleaned: string;
  readonly networks: Readonly<Record<string, readonly (readonly string[])[]>>;
  readonly positive: readonly { weight: number; schedule: readonly Entry[] }[];
  readonly negative_schedule: readonly Entry[];
}

const tokenizer = createClipTokenizer(productFile('static/tokenizers/clip.txt'));

describeGolden<{ cases: readonly PipelineCase[] }>('prompts/pipeline.json', (data) => {
  const stylesPath = textPath('prompts/styles.json');
  const chunksPath = textPath('tokenizers/chunks_clip.json');
  if (stylesPath === undefined || chunksPath === undefined) {
    it.skip('skipped: the style table or the embedding list is not in the golden folder', () => undefined);
    return;
  }
  const { table } = readJson<{ table: { name: string; prompt: string; negative_prompt: string }[] }>(stylesPath);
  const styles = table.map((s) => ({ name: s.name, prompt: s.prompt, negative: s.negative_prompt }));
  const names = readJson<{ embeddings: { name: string; vectors: number }[] }>(chunksPath).embeddings;
  const embeddings = embeddingTable(names, tokenizer);

  const checkSchedule = (text: string, c: PipelineCase, entries: readonly Entry[]): void => {
    const options = { steps: c.steps, ...(c.hires_steps === null ? {} : { hiresSteps: c.hires_steps }) };
    const ours = schedulePrompt(text, options);
    expect(ours).toEqual(entries.map(({ until, text: t }) => ({ until, text: t })));
    for (const entry of entries) {
      if (entry.runs !== undefined) expectRuns(parseAttention(entry.text), entry.runs);
      const chunked = chunkPrompt(entry.text, tokenizer, { embeddings });
      expect(chunked.tokenCount).toBe(entry.token_count);
      expectClipChunks(chunked.chunks, entry.chunks, tokenizer.endId);
    }
    const plan = encodePlan(text, { ...options, negative: true });
    for (let call = 1; call <= (c.hires_steps ?? c.steps); call++) {
      const wanted = entries.find((entry) => call <= entry.until)!.text;
      expect(plan.texts[textIndexAt(plan.parts[0]!, call)]).toBe(wanted);
    }
  };

  it.each(data.cases.map((c) => [c.id, c] as const))('%s: the same at every stage', (_, c) => {
    const prepared = preparePrompt(c.prompt, c.negative, { styles, styleNames: c.styles });
    expect(prepared.styledPrompt).toBe(c.styled_prompt);
    expect(prepared.styledNegative).toBe(c.styled_negative);
    expect(prepared.cleaned).toBe(c.cleaned);
    const networks: Record<string, (readonly string[])[]> = {};
    for (const tag of prepared.tags) (networks[tag.kind] ??= []).push(tag.items);
    expect(networks).toEqual(c.networks);
    const parts = splitComposition(prepared.cleaned);
    expect(parts.map((part) => part.weight)).toEqual(c.positive.map((part) => part.weight));
    parts.forEach((part, i) => checkSchedule(part.text, c, c.positive[i]!.schedule));
    checkSchedule(prepared.styledNegative, c, c.negative_schedule);
  });
});
