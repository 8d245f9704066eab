/** The shipped model with 8-bit weights (GGUF Q8_0) gives the picture of its half-precision file, within 30 dB. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createNodeBackend } from '../../../src/companion/node_backend';
import { psnr } from '../../../src/companion/baseline/similarity';
import { defaultModelFiles, loadNodeModel } from '../../../src/companion/node_model';
import type { Backend } from '../../../src/lib/backends/backend';
import { generate } from '../../../src/lib/pipeline/generate';
import type { PixelImage } from '../../../src/lib/rpc/engine';
import { BASE } from '../../unit/pipeline/base_request';

const root = resolve(import.meta.dirname, '../../..');
const beside = resolve(root, '../shared/models/tiny-icons-Q8_0.gguf');

let folder = '';
let quantized = beside;
let backend: Backend;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quantized-default-'));
  if (!existsSync(beside)) {
    quantized = join(folder, 'q8_0.gguf');
    const [unet = ''] = await defaultModelFiles();
    const words = ['src/companion/convert.ts', unet, '--type', 'q8_0', '--out', quantized];
    await promisify(execFile)(join(root, 'node_modules/.bin/tsx'), words, { cwd: root });
  }
  backend = await createNodeBackend('auto', 2);
}, 120_000);
afterAll(async () => {
  await backend.dispose();
  await rm(folder, { recursive: true });
});

async function picture(files: readonly string[]): Promise<PixelImage> {
  const { model, close } = await loadNodeModel([...files], backend);
  let made: PixelImage | undefined;
  try {
    await generate(
      model,
      {
        ...BASE,
        prompt: 'a red mushroom',
        steps: 12,
        cfgScale: 5,
        widthPx: 128,
        heightPx: 128,
        noiseSource: 'NV',
      },
      { onEvent: () => undefined, randomSeed: () => 0, onPicture: (image) => (made = image) },
    );
  } finally {
    await model.dispose();
    await close();
  }
  if (!made) throw new Error('no picture was made');
  return made;
}

it('lies within 30 dB of the half-precision picture', async () => {
  const [unet = '', ...rest] = await defaultModelFiles();
  const precise = await picture([unet, ...rest]);
  const rounded = await picture([quantized, ...rest]);
  const found = psnr(rounded, precise);
  console.log(`Q8_0 against half precision: ${found.toFixed(1)} dB`);
  expect(found).toBeGreaterThanOrEqual(30);
  expect(Number.isFinite(found)).toBe(true);
}, 120_000);
