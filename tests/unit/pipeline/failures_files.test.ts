/** Bad model files: each is refused with a code and a remedy, and the model that was open stays in use. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng } from '../../../src/companion/node_images';
import { ggufHeader } from '../../../src/lib/formats/gguf_write';
import type { AppError } from '../../../src/lib/base/errors';
import { autoencoderBytes, changed, failure, file, modelBytes, TestEngine, tinyFiles } from './tiny_model';

const noise = Uint8Array.from({ length: 4096 }, (_, i) => (i * 7919 + (i >> 3) * 104729) & 255);
const png = encodePng({ widthPx: 8, heightPx: 8, rgba: new Uint8ClampedArray(256).fill(200) });
const text = (content: string) => new TextEncoder().encode(content);

function languageModel(): Uint8Array<ArrayBuffer> {
  const shape = [64, 64];
  const names = [
    'token_embd.weight',
    'blk.0.attn_q.weight',
    'blk.0.attn_k.weight',
    'blk.0.ffn_up.weight',
    'output.weight',
  ];
  const header = ggufHeader(
    names.map((name) => ({ name, type: 'F32' as const, shape })),
    new Map([['general.architecture', 'llama']]),
  );
  const bytes = new Uint8Array(header.bytes.length + names.length * 64 * 64 * 4);
  bytes.set(header.bytes);
  return bytes;
}

/** Two tensors of the denoiser and one of the text encoder. */
const dropped =
  /^model\.diffusion_model\.(input_blocks\.1\.0\.emb_layers\.1\.weight|time_embed\.2\.bias)$|text_model\.final_layer_norm\.bias$/;
const reshaped = /middle_block\.1\.transformer_blocks\.0\.attn1\.to_[qk]\.weight$/;

const files = {
  tiny: tinyFiles(),
  'cut in the header': tinyFiles(modelBytes.slice(0, 9000)),
  'cut in the data': tinyFiles(modelBytes.slice(0, modelBytes.length - 1000)),
  'PNG named as a model': [file('apple.safetensors', png)],
  'PNG under its own name': [file('apple.png', png)],
  'random bytes': [file('noise.bin', noise)],
  'random bytes without a name': [file('noise', noise)],
  'a web page': [file('model.safetensors', text('<!DOCTYPE html><html><body>Sign in</body></html>'))],
  'a Git LFS pointer': [file('model.safetensors', text('version https://git-lfs.github.com/spec/v1\noid sha256:00\n'))],
  'an empty file': [file('model.safetensors', new Uint8Array(0))],
  'a language model': [file('chat.gguf', languageModel())],
  'missing tensors': tinyFiles(changed(modelBytes, (name) => (dropped.test(name) ? null : undefined))),
  'missing tensors that tell the sizes': tinyFiles(
    changed(modelBytes, (name) => (name.endsWith('input_blocks.1.0.in_layers.2.weight') ? null : undefined)),
  ),
  'wrong shapes': tinyFiles(
    changed(modelBytes, (name, data, [a = 0, b = 0]) => {
      if (!reshaped.test(name)) return undefined;
      // Same bytes, other axes.
      return { shape: [a * 2, b / 2], data };
    }),
  ),
  'no autoencoder': [file('tiny-icons.safetensors', modelBytes)],
  'only an autoencoder': [file('tiny-icons-ae.safetensors', autoencoderBytes)],
};

let test: TestEngine;
beforeAll(async () => {
  test = await TestEngine.start(files);
  await test.job();
});
afterAll(() => test.engine.dispose());

const refusals: readonly (readonly [keyof typeof files, RegExp, (error: AppError) => void])[] = [
  ['cut in the header', /^file\/(truncated|truncated-header|out-of-bounds)$/, () => undefined],
  ['cut in the data', /^file\/(truncated|out-of-bounds|bad-offsets)$/, () => undefined],
  ['PNG named as a model', /^file\/unknown-format$/, ({ message }) => expect(message).toContain('PNG')],
  ['PNG under its own name', /^file\/unknown-format$/, ({ message }) => expect(message).toContain('PNG')],
  ['random bytes', /^file\//, () => undefined],
  ['random bytes without a name', /^file\/unknown-format$/, ({ message }) => expect(message).toContain('safetensors')],
  ['a web page', /^file\/unknown-format$/, ({ message }) => expect(message).toContain('web page')],
  ['a Git LFS pointer', /^file\/unknown-format$/, ({ message }) => expect(message).toContain('git lfs pull')],
  ['an empty file', /^file\//, () => undefined],
  ['a language model', /^model\/unrecognised$/, ({ message }) => expect(message).toContain('llama')],
  [
    'missing tensors',
    /^model\/missing-tensors$/,
    ({ message, details }) => {
      const { missing } = details as { missing: string[] };
      // By the names of the network; the file's own names differ from layout to layout.
      expect([...missing].sort()).toEqual([
        'down_blocks.0.resnets.0.time_emb_proj.weight',
        'text_model.final_layer_norm.bias',
        'time_embedding.linear_2.bias',
      ]);
      for (const name of missing) expect(message).toContain(name);
    },
  ],
  [
    'missing tensors that tell the sizes',
    /^model\/(missing-tensors|wrong-shape)$/,
    ({ message }) => expect(message).toContain('incomplete'),
  ],
  [
    'wrong shapes',
    /^model\/wrong-shape$/,
    ({ message, details }) => {
      const { misshapen } = details as { misshapen: { name: string }[] };
      expect(misshapen).toHaveLength(2);
      for (const { name } of misshapen) expect(message).toContain(name);
    },
  ],
  ['no autoencoder', /^model\/missing-part$/, ({ message }) => expect(message).toContain('autoencoder')],
  ['only an autoencoder', /^model\/unrecognised$/, () => undefined],
];

describe('bad model files', () => {
  it.each(refusals)('%s', async (name, code, check) => {
    const error = await failure(test.open(name));
    expect(error.code).toMatch(code);
    // What is wrong, then what to do: a whole sentence, with the file's name.
    expect(error.message).toMatch(/[.!]$/);
    expect(error.message.length).toBeGreaterThan(40);
    check(error);
    expect((await test.engine.status()).model?.id).toBe('tiny');
  });

  it('the model that was open still draws, and nothing stays in memory', async () => {
    const result = await test.job();
    expect(result.images).toHaveLength(1);
    expect(test.jobBytes).toBe(0);
  });
});
