import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findModels } from '../../../src/companion/validate/find_models';
import { validateAll } from '../../../src/companion/validate/validate_model';
import { TINY, tinyLora, tinyModel, type TinyFile } from '../../tools/tiny_models';
import { tinyBackend } from '../pipeline/tiny_set';

const root = resolve(import.meta.dirname, '../../..');
let folder = '';

async function put(below: string, files: readonly TinyFile[]): Promise<void> {
  await mkdir(join(folder, below), { recursive: true });
  await Promise.all(files.map(({ name, bytes }) => writeFile(join(folder, below, name), bytes)));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sketchforge-validate-'));
  // Two models whose encoders and autoencoders do not fit each other, all in reach of both.
  await put('flux', tinyModel(TINY.flux));
  await put('', tinyModel(TINY.sd1));
  await put('loras', [
    tinyLora(TINY.flux, { name: 'ink', seed: 1 }),
    tinyLora(TINY.sd1, { name: 'chalk', seed: 2 }),
    { name: 'broken.safetensors', bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9) },
  ]);
  // For the report: one model, one LoRA for it, one for another family, one damaged.
  await put('small', tinyModel(TINY.sd1));
  await put('small', [
    tinyLora(TINY.flux, { name: 'ink', seed: 1 }),
    tinyLora(TINY.sd1, { name: 'chalk', seed: 2 }),
    { name: 'broken.safetensors', bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9) },
  ]);
  await put('alone', [{ ...tinyModel(TINY.fluxDepth)[0]!, name: 'depth.safetensors' }]);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('models of a folder', () => {
  it('are completed by the parts that fit, the nearest first; what cannot be used is named', async () => {
    const { models, loras, problems } = await findModels(folder);
    const found = new Map(models.map(({ name, completedBy }) => [name, completedBy]));
    expect(found.get('flux/tiny-flux-denoiser.safetensors')).toEqual([
      'flux/tiny-flux-clip-l.safetensors',
      'flux/tiny-flux-t5.safetensors',
      'flux/tiny-flux-vae.safetensors',
    ]);
    expect(found.get('tiny-sd1-denoiser.safetensors')).toEqual([
      'tiny-sd1-clip-l.safetensors',
      'tiny-sd1-vae.safetensors',
    ]);
    expect(found.has('alone/depth.safetensors')).toBe(true);
    expect(loras.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['loras/chalk.safetensors', 'loras/ink.safetensors', 'small/ink.safetensors']),
    );
    expect(problems.map(({ name }) => name)).toEqual(['loras/broken.safetensors', 'small/broken.safetensors']);
  });

  it('pipes, links in circles and damaged indexes are passed over or named', { timeout: 60_000 }, async () => {
    const below = join(folder, 'hostile');
    await mkdir(below);
    // Nobody writes into it: opening it for reading would wait for ever.
    await promisify(execFile)('mkfifo', [join(below, 'pipe.safetensors')]);
    await symlink('..', join(below, 'loop'));
    await writeFile(join(below, 'model.safetensors.index.json'), '{"weight_map":');
    const { models, problems } = await findModels(below);
    expect(models).toEqual([]);
    expect(problems.map(({ name }) => name)).toEqual(['model.safetensors.index.json']);
    await rm(below, { recursive: true });
  });

  it('a stop names what was not drawn', async () => {
    const found = await findModels(join(folder, 'small'));
    const signal = AbortSignal.abort();
    const settings = { prompt: 'a lamp', side: 64, steps: 1, seed: 1 };
    const surroundings = { backend: await tinyBackend(), settings, signal, tell: () => undefined };
    const { models, left } = await validateAll(found, surroundings);
    expect(models).toEqual([]);
    expect(left).toEqual(['tiny-sd1-denoiser.safetensors', 'tiny-sd1-denoiser.safetensors + chalk.safetensors']);
  });

  it('a folder of parts alone gives no model, and says nothing wrong of them', async () => {
    const { models, problems } = await findModels(resolve(root, 'tests/golden/data/models'));
    expect(models).toEqual([]);
    expect(problems).toEqual([]);
  });
});

it(
  'the report has a picture of every model and pair, times, memory and what is wrong',
  { timeout: 300_000 },
  async () => {
    const out = join(folder, 'report.html');
    const json = join(folder, 'report.json');
    const words = [
      'src/companion/validate.ts',
      join(folder, 'small'),
      '--side',
      '64',
      '--steps',
      '1',
      '--out',
      out,
      '--json',
      json,
    ];
    const { stdout } = await promisify(execFile)(resolve(root, 'node_modules/.bin/tsx'), words, { cwd: root });
    expect(stdout.trim().split('\n').at(-1)).toBe(out);
    const report = JSON.parse(await readFile(json, 'utf8')) as {
      counts: Record<string, number>;
      models: {
        name: string;
        times: { stage: string }[];
        memory: { peakBytes: number };
        loras: { name: string; psnr: number }[];
      }[];
    };
    expect(report.counts).toMatchObject({ failed: 0, unusable: 1 });
    const [model, ...others] = report.models;
    expect(others).toEqual([]);
    expect(model!.times.map(({ stage }) => stage)).toContain('denoise');
    expect(model!.memory.peakBytes).toBeGreaterThan(0);
    // Only the LoRA made for it, and it changes the picture.
    expect(model!.loras).toEqual([expect.objectContaining({ name: 'chalk.safetensors' })]);
    expect(model!.loras[0]!.psnr).toBeLessThan(100);
    const html = await readFile(out, 'utf8');
    expect(html.match(/<img /g)).toHaveLength(report.counts['pictures']!);
    expect(html).toContain('broken.safetensors');
    expect(html).toMatch(/ink\.safetensors.*made for FLUX\.1/);
  },
);
