import { afterAll, beforeAll, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { writeSafetensors } from '../../../src/lib/formats/safetensors_write';
import { weightShape } from '../../../src/lib/graph/weights';
import type { ModelPart } from '../../../src/lib/models/part';
import type { Embedding } from '../../../src/lib/pipeline/embeddings';
import { NetworkStacks, type LoraFile } from '../../../src/lib/pipeline/networks';
import { openDefault, run, type Opened } from './harness';

let opened: Opened;
let file: LoraFile;
let width: number;

function values(count: number, scale: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => scale * Math.sin(1.7 * i + 0.3));
}

/** Rank 2 factors for the first few layers of a part, and one key that fits nothing. */
async function adapter(model: Opened['model']): Promise<LoraFile> {
  const { denoiser, textEncoders } = model.detected;
  const tensors: { name: string; shape: number[]; data: Float32Array<ArrayBuffer> }[] = [];
  const add = (prefix: string, part: ModelPart, wanted: RegExp) => {
    const layers = [...part.weights].filter(([name]) => wanted.test(name)).slice(0, 3);
    expect(layers.length).toBeGreaterThan(0);
    for (const [name, weight] of layers) {
      const [out = 0, ...inner] = weightShape(weight);
      const key = `${prefix}${name.replace(/\.weight$/, '').replaceAll('.', '_')}`;
      const size = inner.reduce((a, b) => a * b, 1);
      tensors.push({ name: `${key}.lora_down.weight`, shape: [2, ...inner], data: values(2 * size, 0.2) });
      const ones = inner.slice(1).map(() => 1);
      tensors.push({ name: `${key}.lora_up.weight`, shape: [out, 2, ...ones], data: values(2 * out, 0.2) });
    }
  };
  add('lora_unet_', denoiser, /(to_q|to_out\.0|conv1)\.weight$/);
  const encoder = [...textEncoders.values()][0]!;
  add('lora_te_', encoder, /(fc1|q_proj)\.weight$/);
  tensors.push({ name: 'lora_unet_nowhere.lora_down.weight', shape: [2, 3], data: values(6, 1) });
  tensors.push({ name: 'lora_unet_nowhere.lora_up.weight', shape: [3, 2], data: values(6, 1) });
  const index = await openTensorIndex(memorySource('style.safetensors', writeSafetensors(tensors)));
  return { id: 'abc123', index, shortHash: 'abcdef012345' };
}

beforeAll(async () => {
  opened = await openDefault();
  file = await adapter(opened.model);
  const encoder = [...opened.model.detected.textEncoders.values()][0]!;
  width = (encoder.config as { width: number }).width;
}, 60_000);
afterAll(() => opened.close());

const SLOW = 60_000;

it('puts a LoRA onto denoiser and text encoder, and takes it away without a trace', { timeout: SLOW }, async () => {
  const networks = new NetworkStacks();
  const host = { networks, resolveLora: (name: string) => Promise.resolve(name === 'style' ? file : undefined) };
  const draw = (tags: string) => run(opened.model, { prompt: `a red apple${tags}` }, host);
  const plain = await draw('');
  const both = await draw('<lora:style:0.8>');
  const unetOnly = await draw('<lora:style:0:0.8>');
  const textOnly = await draw('<lora:style:0.8:0>');
  const again = await draw('<lora:style:0.8>');
  const after = await draw('');
  const [a, b, c, d] = [plain, both, unetOnly, textOnly].map((one) => one.latents[0]!.data);
  for (const [x, y] of [
    [a, b],
    [a, c],
    [a, d],
    [b, c],
    [b, d],
  ] as const)
    expect(x).not.toEqual(y);
  expect(again.latents[0]!.data).toEqual(b);
  expect(after.latents[0]!.data).toEqual(a);
  expect(both.infotexts[0]).toContain('Lora hashes: "style: abcdef012345"');
  expect(both.infotexts[0]).toContain('<lora:style:0.8>');
  expect(both.notices.join()).toMatch(/style.safetensors: 2 of .* fit nothing/);
  expect(opened.backend.memory().tensorBytes).toBe(0);
});

it('says which LoRA is not there and which tag is none', { timeout: SLOW }, async () => {
  const { notices, result } = await run(
    opened.model,
    { prompt: 'x <lora:gone:1> <lora:style:much>' },
    { resolveLora: () => Promise.resolve(undefined) },
  );
  expect(result.images.length).toBe(1);
  expect(notices.join()).toMatch(/<lora:gone>: no such file.*/);
  expect(notices.join()).toMatch(/style:much/);
});

it('puts embedding vectors in place of their name', { timeout: SLOW }, async () => {
  const embedding = (columns: number): Embedding => ({
    name: 'mystyle',
    hash: columns === width ? 'c0ffee' : 'other',
    inversion: { vectors: { 'clip-l': { shape: [3, columns], data: values(3 * columns, 0.5) } } },
  });
  const prompt = 'an apple in (mystyle:1.1)';
  const plain = await run(opened.model, { prompt });
  const used = await run(opened.model, { prompt }, { embeddings: [embedding(width)] });
  const unused = await run(opened.model, { prompt: 'an apple' }, { embeddings: [embedding(width)] });
  expect(used.latents[0]!.data).not.toEqual(plain.latents[0]!.data);
  expect(used.infotexts[0]).toContain('TI hashes: "mystyle: c0ffee"');
  expect(unused.infotexts[0]).not.toContain('TI hashes');
  await expect(run(opened.model, { prompt }, { embeddings: [embedding(width + 1)] })).rejects.toMatchObject({
    code: 'model/wrong-shape',
  });
});
