/** Encoders that read a limited number of tokens: what they leave out is told, never silently cut. */
import { describe, expect, it } from 'vitest';
import type { TextEncoderSlot } from '../../../src/lib/models/family';
import { encodePrompts } from '../../../src/lib/pipeline/encode_prompt';
import type { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import { clip } from './tiny_model';

/** One token a word; 1 is the end. */
const words = {
  encode: (text: string) => text.split(/\s+/).flatMap((word) => (word === '' ? [] : [2 + word.length])),
  endId: 1,
  padId: 0,
  unknownId: 2,
};

/** A model of one encoder whose outputs are known already; `lengths` lists the sequences asked for. */
function modelOf(slot: Partial<TextEncoderSlot> & Pick<TextEncoderSlot, 'id' | 'label' | 'tokenizer' | 'maxTokens'>) {
  const lengths: number[] = [];
  const model = {
    detected: {
      label: 'test',
      inputs: [],
      textEncoders: new Map([[slot.id, {}]]),
      family: {
        encoders: [{ pad: 0, hidden: true, pooled: false, minTokens: 4, ...slot }],
        conditioning: (output: unknown) => output,
      },
    },
    tokenizers: { clip, t5: words, qwen: words },
    stackState: () => '',
    withRoom: (_component: string, work: () => Promise<unknown>) => work(),
    encoding(key: string) {
      const tokens = (key.split('|')[2] ?? '').split(',').length;
      lengths.push(tokens);
      return { hidden: { shape: [1, tokens, 1], data: new Float32Array(tokens) } };
    },
  } as unknown as LoadedModel;
  return { model, lengths };
}

async function noticesOf(model: LoadedModel, prompt: string): Promise<string[]> {
  const notices: string[] = [];
  const options = { clipSkip: 1, emphasis: 'Original' as const, onNotice: (text: string) => notices.push(text) };
  await encodePrompts(model, [[{ text: prompt, count: 1 }]], options);
  return notices;
}

const long = Array.from({ length: 300 }, () => 'apple').join(' ');

describe('prompts longer than an encoder reads', () => {
  it.each([
    ['t5', { id: 't5', label: 'T5-XXL', tokenizer: 't5', maxTokens: 256 }, 301],
    ['qwen', { id: 'qwen3', label: 'Qwen3', tokenizer: 'qwen', maxTokens: 128 }, 300],
  ] as const)('%s: the end is left out, and the notice says how much', async (_name, slot, count) => {
    const { model, lengths } = modelOf(slot);
    const [notice, ...more] = await noticesOf(model, long);
    expect(more).toEqual([]);
    expect(notice).toContain(slot.label);
    expect(notice).toContain(`${count}`);
    expect(notice).toContain(`${count - slot.maxTokens} were left out`);
    expect(Math.max(...lengths)).toBe(slot.maxTokens);
  });

  it('short prompts say nothing', async () => {
    const { model } = modelOf({ id: 't5', label: 'T5-XXL', tokenizer: 't5', maxTokens: 256 });
    expect(await noticesOf(model, 'a red apple')).toEqual([]);
  });

  it('CLIP reads every chunk', async () => {
    const { model, lengths } = modelOf({ id: 'clip-l', label: 'CLIP', tokenizer: 'clip', maxTokens: 77 });
    expect(await noticesOf(model, long)).toEqual([]);
    expect(lengths).toEqual([77, 77, 77, 77]);
  });
});
