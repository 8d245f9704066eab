/**
 * What users bring beside models, used from the page alone: an embedding by its name in the prompt, another autoencoder,
 * upscalers as a pickle and as ONNX with its data beside it; and the memory that models may take.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { memorySource } from '../../src/lib/base/byte_source';
import { readSafetensors } from '../../src/lib/formats/safetensors';
import { writeSafetensors } from '../../src/lib/formats/safetensors_write';
import { dequantizeTensor } from '../../src/lib/quant/dequantize';
import { goldenGroup } from '../golden/golden_dir';
import { onnxWithData } from '../tools/onnx_initializers';
import { TINY, tinyModel } from '../tools/tiny_models';
import { expect, test, type AppPage } from './app';
import { drop } from './drop';

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);
const upscalers = join(goldenGroup('models') ?? '', 'upscalers');
const found = (page: Page) => page.getByRole('group', { name: 'Found' });
const library = (page: Page) => page.locator('li > article');

/** Writes everything that is dropped. @returns paths of the model's files, and of the rest */
async function writeFiles(folder: string): Promise<{ model: string[]; others: string[]; embeddingHash: string }> {
  const write = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const model = tinyModel(TINY.sd1).map(({ name, bytes }) => write(name, bytes));
  const [, , vae] = tinyModel(TINY.sd1, 2);
  if (!vae) throw new Error('no autoencoder was made');
  // Two tokens, far from what the text encoder's own table has.
  const vectors = Float32Array.from({ length: 2 * 64 }, (_, i) => 3 * Math.sin(i * i));
  const embedding = writeSafetensors([{ name: 'emb_params', shape: [2, 64], data: vectors }]);
  copyFileSync(join(upscalers, 'srvgg.pth'), join(folder, 'srvgg.pth'));
  const rrdb = await readSafetensors(
    memorySource('rrdb', Uint8Array.from(readFileSync(join(upscalers, 'rrdb_x2.safetensors')))),
  );
  const weights = await Promise.all(
    [...rrdb.tensors.values()].map(async (one) => ({
      name: one.name,
      shape: one.shape,
      data: bytesOf(await dequantizeTensor(one)),
    })),
  );
  const onnx = onnxWithData(weights, 'rrdb.onnx_data');
  return {
    model,
    others: [
      write('brushwork.safetensors', embedding),
      write('otherwise.safetensors', vae.bytes),
      join(folder, 'srvgg.pth'),
      write('rrdb.onnx', onnx.model),
      write('rrdb.onnx_data', onnx.data),
    ],
    embeddingHash: createHash('sha256').update(embedding).digest('hex').slice(0, 12),
  };
}

async function draw(app: AppPage, prompt: string): Promise<{ pixels: string; text: string }> {
  await app.generate({ prompt, seed: 7, steps: 1 });
  return { pixels: await app.pixels(), text: await app.infotext() };
}

/** Enlarges the chosen picture with an upscaler. @returns what the page says of the result */
async function enlarge(page: Page, upscaler: string): Promise<string> {
  await page.locator('#upscaler').selectOption(upscaler);
  const start = page.getByRole('button', { name: 'Upscale', exact: true });
  await start.click();
  // The button is away while it works.
  await expect(start).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  const result = page.getByRole('img', { name: /, enlarged$/ });
  await expect(result).toBeVisible();
  return (await result.getAttribute('src')) ?? '';
}

test('an embedding, an autoencoder, upscalers and a limit of memory, all from the page', async ({ app, page }) => {
  test.skip(!existsSync(join(upscalers, 'srvgg.pth')), 'skipped: the golden folder has no upscalers');
  const folder = mkdtempSync(join(tmpdir(), 'sketchforge-uses-'));
  try {
    const { model, others, embeddingHash } = await writeFiles(folder);
    await page.goto(`${app.url}models`);
    await expect(library(page)).not.toHaveCount(0);
    const before = await library(page).count();
    await drop(page, model);
    await found(page)
      .getByRole('button', { name: /^(Add|Copy into the browser)$/ })
      .click();
    await expect(library(page)).toHaveCount(before + 1);

    // Without the file that holds its weights, an ONNX model is refused by the name of that file.
    await page.locator('#model-files').setInputFiles(join(folder, 'rrdb.onnx'));
    await expect(page.getByRole('alert')).toContainText('file/missing-shard');
    await expect(page.getByRole('alert')).toContainText('rrdb.onnx_data');
    await drop(page, others);
    await expect(found(page).getByRole('article')).toHaveCount(4);
    await page.getByRole('button', { name: 'Add all' }).click();
    await expect(library(page)).toHaveCount(before + 5);
    // The same content under the same name is kept once.
    const again = { name: 'brushwork.safetensors', mimeType: '', buffer: readFileSync(others[0] ?? '') };
    await page.locator('#model-files').setInputFiles(again);
    await found(page).getByRole('button', { name: 'Add', exact: true }).click();
    await expect(page.getByText(/“brushwork” is here already/)).toBeVisible();
    await expect(library(page)).toHaveCount(before + 5);

    const own = library(page).filter({ has: page.getByRole('heading', { name: 'tiny-sd1-denoiser' }) });
    await own.getByRole('button', { name: 'Use', exact: true }).click();
    await expect(own.getByText('In use')).toBeVisible();
    await app.visit('Create');
    await app.ready();
    await app.set('size', { widthPx: '64', heightPx: '64' });

    const plain = await draw(app, 'a cat');
    const styled = await draw(app, 'a cat brushwork');
    expect(styled.pixels).not.toBe(plain.pixels);
    expect(styled.text).toContain(`TI hashes: "brushwork: ${embeddingHash}"`);
    expect(plain.text).not.toContain('TI hashes');
    const group = page.locator('#group-model');
    if ((await group.getAttribute('aria-expanded')) !== 'true') await group.click();
    await page.locator('#vaeId').selectOption({ label: 'otherwise' });
    const other = await draw(app, 'a cat');
    expect(other.pixels).not.toBe(plain.pixels);
    expect(other.text).toMatch(/VAE hash: [0-9a-f]{10}, VAE: otherwise/);

    await page.getByRole('button', { name: 'Upscale', exact: true }).click();
    await expect(page.getByRole('heading', { name: 'Upscale' })).toBeVisible();
    await page.locator('#upscale-scale').fill('2');
    await page.locator('#upscale-scale').press('Tab');
    const pickled = await enlarge(page, 'srvgg');
    await expect(page.getByText('128×128')).toBeVisible();
    expect(await enlarge(page, 'rrdb')).not.toBe(pickled);

    await app.visit('Settings');
    await page.getByLabel('Memory for models').selectOption('0.5');
    await page.getByRole('button', { name: /^Apply/ }).click();
    await app.visit('Create');
    await app.ready();
    await app.visit('Models');
    await own.getByRole('button', { name: 'Details' }).click();
    await own.getByRole('button', { name: /fit/i }).click();
    await own.getByText('The numbers').click();
    await expect(own.getByText(/500 MB/)).toBeVisible();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
