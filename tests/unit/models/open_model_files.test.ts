import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { memorySource, type ByteSource } from '../../../src/lib/base/byte_source';
import { cleanPath, distinctPaths } from '../../../src/lib/base/file_path';
import { writeSafetensors } from '../../../src/lib/formats/safetensors_write';
import { groupFiles } from '../../../src/lib/models/group_files';
import { notesFromJson, notesFromModelCard } from '../../../src/lib/models/notes_beside';
import { openModelFiles } from '../../../src/lib/models/open_model_files';

const weights = (...names: string[]) =>
  writeSafetensors(names.map((name, i) => ({ name, shape: [2, 2], data: Float32Array.of(i, 1, 2, 3) })));
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const file = (name: string, bytes: Uint8Array): ByteSource => memorySource(name, Uint8Array.from(bytes));
const names = (sources: readonly ByteSource[]) => sources.map((source) => source.name).sort();
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'read',
    (error: { code?: string }) => error.code,
  );

const PIPELINE = {
  'model_index.json': json({ _class_name: 'StableDiffusionPipeline' }),
  'unet/config.json': json({ _class_name: 'UNet2DConditionModel', attention_head_dim: 4 }),
  'unet/diffusion_pytorch_model.safetensors': weights('a'),
  'unet/diffusion_pytorch_model.fp16.safetensors': weights('a'),
  'unet/diffusion_pytorch_model.bin': weights('a'),
  'vae/config.json': json({ _class_name: 'AutoencoderKL' }),
  'vae/diffusion_pytorch_model.safetensors': weights('b'),
  'safety_checker/model.safetensors': weights('c'),
  'tokenizer/vocab.json': json({}),
  'whole.safetensors': weights('d'),
};
const pipelineFiles = (root: string) => Object.entries(PIPELINE).map(([path, bytes]) => file(root + path, bytes));

describe('openModelFiles', () => {
  it('takes one weight file of each component of a pipeline, the half-precision one where there is a choice', async () => {
    const { files, others, pipeline } = await openModelFiles(pipelineFiles('sd/'));
    expect(pipeline).toBe('sd');
    expect(names(files.flatMap((one) => one.sources))).toEqual([
      'sd/unet/diffusion_pytorch_model.fp16.safetensors',
      'sd/vae/diffusion_pytorch_model.safetensors',
    ]);
    expect(names(others)).toContain('sd/tokenizer/vocab.json');
  });

  it.each([0, 6] as const)('opens a zip of the same folder, deflated at level %i', async (level) => {
    const zip = zipSync(Object.fromEntries(Object.entries(PIPELINE).map(([path, bytes]) => [`sd/${path}`, bytes])), {
      level,
    });
    const { files } = await openModelFiles([file('sd.zip', zip)]);
    expect(files).toHaveLength(2);
    const source = files[0]!.sources[0]!;
    expect(await source.read(0, source.sizeBytes)).toEqual(Uint8Array.from(weights('a')));
    // Backwards, too: the beginning is kept or inflated again.
    expect(await source.read(3, 5)).toEqual(Uint8Array.from(weights('a').slice(3, 8)));
  });

  it('refuses a zip whose data do not have the promised checksum', async () => {
    const zip = zipSync({ 'a.safetensors': weights('a') }, { level: 6 });
    const at = zip.findIndex((_, i) => zip[i] === 0x50 && zip[i + 1] === 0x4b && zip[i + 2] === 1 && zip[i + 3] === 2);
    for (const place of [14, at + 16]) zip[place] = (zip[place] ?? 0) ^ 1;
    expect(await code(openModelFiles([file('a.zip', zip)]))).toBe('file/bad-crc');
  });

  it('joins shards by their index, and by their numbers where there is none', async () => {
    const one = file('m-00001-of-00002.safetensors', weights('a'));
    const two = file('m-00002-of-00002.safetensors', weights('b'));
    const index = file('m.safetensors.index.json', json({ weight_map: { a: one.name, b: two.name } }));
    for (const chosen of [
      [index, two, one],
      [two, one],
    ]) {
      const { files } = await openModelFiles(chosen);
      expect(files).toHaveLength(1);
      expect([...files[0]!.detected.index.tensors.keys()].sort()).toEqual(['a', 'b']);
      expect(files[0]!.sources).toHaveLength(chosen.length);
    }
    expect(await code(openModelFiles([two]))).toBe('file/missing-shard');
    expect(await code(openModelFiles([index, one]))).toBe('file/missing-shard');
  });

  it('refuses an index that names files outside its folder', async () => {
    const index = file('m.safetensors.index.json', json({ weight_map: { a: '../../a.safetensors' } }));
    expect(await code(openModelFiles([index, file('a.safetensors', weights('a'))]))).toBe('file/path-traversal-name');
  });

  it('says what a single file of another kind is, whatever its name', async () => {
    const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 0, 0, 0, 0, 0);
    expect(await code(openModelFiles([file('picture.png', png)]))).toBe('file/unknown-format');
    expect(await code(openModelFiles([file('empty.safetensors', new Uint8Array())]))).toMatch(/^file\//);
  });
});

describe('groupFiles', () => {
  it('keeps files that are no model of pictures apart', async () => {
    const { files } = await openModelFiles([file('a.safetensors', weights('x')), file('b.safetensors', weights('y'))]);
    expect(groupFiles(files).map((group) => group.length)).toEqual([1, 1]);
  });
});

describe('paths', () => {
  it('lose everything that leaves a folder or hides', () => {
    expect(cleanPath('../../etc/passwd')).toBe('etc/passwd');
    expect(cleanPath('C:\\models\\..\\a\u0000b\u202e.gguf')).toBe('C:/models/ab.gguf');
    expect(cleanPath('/./..//')).toBe('file');
  });
  it('are made distinct', () => {
    expect(distinctPaths(['a/m.gguf', 'a/M.gguf', 'b/m.gguf'])).toEqual(['a/m.gguf', 'a/M (2).gguf', 'b/m.gguf']);
  });
});

describe('notes beside a model', () => {
  it('reads what civitai and the web UIs write, as plain text', () => {
    const civitai = {
      modelId: 5,
      trainedWords: ['sks dog', '<b>x</b>'],
      baseModel: 'SD 1.5',
      model: { name: 'Dog' },
      description: '<p>Nice</p>',
    };
    expect(notesFromJson(civitai)).toEqual({
      name: 'Dog',
      triggerWords: ['sks dog', 'x'],
      baseModel: 'SD 1.5',
      description: 'Nice',
      pageUrl: 'https://civitai.com/models/5',
    });
    expect(notesFromJson({ 'activation text': 'a, b', 'sd version': 'SDXL', notes: 'n' })).toEqual({
      triggerWords: ['a', 'b'],
      baseModel: 'SDXL',
      notes: 'n',
    });
    expect(notesFromJson([1])).toEqual({});
  });
  it('reads the head of a model card', () => {
    const card = '---\nlicense: openrail++\ntags:\n- art\n- "pen"\nbase_model: a/b\n---\n# Model';
    expect(notesFromModelCard(card)).toEqual({ licence: 'openrail++', tags: ['art', 'pen'], baseModel: 'a/b' });
  });
});
