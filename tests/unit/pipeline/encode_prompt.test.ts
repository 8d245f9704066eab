/** Weights of a prompt on the default model's encodings. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddingSet } from '../../../src/lib/pipeline/embeddings';
import { encodePrompts } from '../../../src/lib/pipeline/encode_prompt';
import type { EmphasisMode } from '../../../src/lib/prompt/attention';
import { openDefault, run, type Opened } from './harness';

let opened: Opened;
beforeAll(async () => {
  opened = await openDefault();
}, 60_000);
afterAll(() => opened.close());

type Batch = readonly (readonly [text: string, count: number])[];

/** Hidden states of every text. */
async function encode(emphasis: EmphasisMode, ...batches: readonly Batch[]): Promise<Float32Array[][]> {
  const texts = batches.map((batch) => batch.map(([text, count]) => ({ text, count })));
  const encoded = await encodePrompts(opened.model, texts, { clipSkip: 1, emphasis });
  return encoded.map((batch) => batch.map((one) => one['context']!.data));
}

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
const factor = (a: Float32Array, b: Float32Array): number => sum(a) / sum(b);

describe('emphasis Original', () => {
  it('restores the mean over all texts of a schedule, as often as they stand in it', async () => {
    const [weighted, other] = ['a (red:1.6) apple', 'a blue car'];
    const [[plain], [raw]] = (await encode('Ignore', [[weighted, 1]], [[other, 1]])) as [
      Float32Array[],
      Float32Array[],
    ];
    const [[bare]] = (await encode('No norm', [[weighted, 1]])) as [Float32Array[]];
    const [[alone]] = (await encode('Original', [[weighted, 1]])) as [Float32Array[]];
    expect(sum(alone!)).toBeCloseTo(sum(plain!), 1);
    const batch = [
      [weighted, 1],
      [other, 2],
    ] as const;
    const [[together, beside]] = (await encode('Original', batch)) as [Float32Array[]];
    const expected = (sum(plain!) + 2 * sum(raw!)) / (sum(bare!) + 2 * sum(raw!));
    expect(factor(together!, bare!)).toBeCloseTo(expected, 4);
    // The text without weights is scaled along.
    expect(factor(beside!, raw!)).toBeCloseTo(expected, 4);
    expect(expected).not.toBeCloseTo(1, 3);
  });

  it('leaves prompts of other batches alone', async () => {
    const [[negative]] = (await encode('Original', [['blurry', 1]])) as [Float32Array[]];
    const encoded = await encode('Original', [['a (red:1.6) apple', 1]], [['blurry', 1]]);
    expect(encoded[1]![0]).toEqual(negative);
  });
});

describe('ComfyUI', () => {
  it('moves weighted tokens away from the empty prompt, whole chunks for themselves', async () => {
    const encoded = await encode('ComfyUI', [['a (red:1.5) apple', 1]], [['a red apple', 1]], [['', 1]]);
    const [[weighted], [plain], [empty]] = encoded as [Float32Array[], Float32Array[], Float32Array[]];
    const width = plain!.length / 77;
    const at = (values: Float32Array, token: number) => values.subarray(token * width, (token + 1) * width);
    // Begin, "a", "red", "apple", end.
    for (const token of [0, 1, 3, 4]) expect(at(weighted!, token)).toEqual(at(plain!, token));
    const moved = at(plain!, 2).map((z, i) => (z - at(empty!, 2)[i]!) * 1.5 + at(empty!, 2)[i]!);
    expect(Math.max(...moved.map((z, i) => Math.abs(z - at(weighted!, 2)[i]!)))).toBeLessThan(1e-5);
    const long = Array.from({ length: 80 }, () => 'apple').join(' ');
    const [[two], [one]] = (await encode('ComfyUI', [[long, 1]], [['', 1]])) as [Float32Array[], Float32Array[]];
    expect([two!.length, one!.length]).toEqual([2 * 77 * width, 77 * width]);
  });

  it('places the vectors of embedding:name, and leaves unknown names out', { timeout: 60_000 }, async () => {
    const [[plain]] = (await encode('ComfyUI', [['', 1]])) as [Float32Array[]];
    const width = plain!.length / 77;
    const vectors = { shape: [2, width], data: Float32Array.from({ length: 2 * width }, (_, i) => Math.sin(i) / 10) };
    const toy = { name: 'toy', hash: '0123456789ab', inversion: { vectors: { 'clip-l': vectors } } };
    const embeddings = new EmbeddingSet([toy]);
    const read = async (emphasis: EmphasisMode, text: string) => {
      const options = { clipSkip: 1, emphasis, embeddings };
      const [[one] = []] = await encodePrompts(opened.model, [[{ text, count: 1 }]], options);
      return one!['context']!.data;
    };
    // The same places as the bare name takes in the web UIs.
    const web = await read('Ignore', 'a toy, apple');
    expect(await read('ComfyUI', 'a embedding:toy, apple')).toEqual(web);
    expect(await read('ComfyUI', 'a embedding:my/toy.safetensors, apple')).toEqual(web);
    expect(embeddings.used).toEqual(new Map([['toy', '0123456789ab']]));
    expect(await read('ComfyUI', 'a embedding:nobody, apple')).toEqual(await read('ComfyUI', 'a , apple'));
    // The bare name is a word there.
    expect(await read('ComfyUI', 'a toy, apple')).not.toEqual(web);
    // Both vectors are weighted, nothing else.
    const weighted = await read('ComfyUI', 'a (embedding:toy:1.5), apple');
    const moved = Array.from({ length: 77 }, (_, token) => token).filter((token) =>
      web.subarray(token * width, (token + 1) * width).some((value, i) => value !== weighted[token * width + i]),
    );
    expect(moved).toEqual([2, 3]);
    // One that does not fit the rest of a chunk begins the next.
    const words = Array.from({ length: 74 }, () => 'apple').join(' ');
    expect((await read('ComfyUI', `${words} embedding:toy`)).length).toBe(2 * 77 * width);
    expect((await read('ComfyUI', `${words} apple`)).length).toBe(77 * width);
  });

  it('knows no editing, AND, BREAK and comments, and is written down', { timeout: 60_000 }, async () => {
    const prompt = 'a red apple';
    const drawn = async (over: object) =>
      (await run(opened.model, { prompt, emphasis: 'ComfyUI', ...over })).latents[0]!;
    const same = await drawn({});
    const { latents, infotexts } = await run(opened.model, { prompt });
    expect(same.data).toEqual(latents[0]!.data);
    expect(infotexts[0]).not.toContain('Emphasis');
    for (const other of ['[a red apple:a car:1]', 'a red apple AND a car', 'a red apple # a car']) {
      const comfy = await run(opened.model, { prompt: other, emphasis: 'ComfyUI' });
      expect(comfy.infotexts[0]).toContain('Emphasis: ComfyUI');
      const web = await run(opened.model, { prompt: other });
      expect(comfy.latents[0]!.data).not.toEqual(web.latents[0]!.data);
    }
  });
});
