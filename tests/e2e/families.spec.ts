/**
 * Models as people have them, through the page alone: a transformer as GGUF completed by stored text encoders and an
 * autoencoder, LoRAs from the panel, and a control network on the shipped model.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { PREPROCESSORS } from '../../src/lib/canvas/preprocess/registry';
import { encodePng } from '../../src/companion/node_images';
import { readParameters } from '../../src/lib/infotext/parameter_fields';
import { converted, TINY, tinyLora, tinyModel, type TinyFile } from '../tools/tiny_models';
import { controlNetBytes } from '../unit/pipeline/control_model';
import { pattern } from '../unit/pipeline/harness';
import { expect, test, type AppPage } from './app';
import { around, centre, draw, openPanel, surface } from './canvas_page';

let folder = '';
let parts: string[] = [];
let gguf = '';

async function write(files: readonly TinyFile[]): Promise<string[]> {
  const paths = files.map(({ name }) => join(folder, name));
  await Promise.all(files.map(({ bytes }, i) => writeFile(paths[i] ?? '', bytes)));
  return paths;
}

/** Enough of them that the panel offers its search. */
const OTHERS = ['chalk', 'crayon', 'glass', 'stone', 'wool'];

// Two models are opened and three pictures drawn in one visit: a minute on two crowded cores.
test.describe.configure({ timeout: 360_000 });

test.beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sketchforge-families-'));
  const [denoiser, ...rest] = tinyModel(TINY.flux);
  if (!denoiser) throw new Error('no denoiser was made');
  const metadata = new Map([['modelspec.trigger_phrase', 'inkwash']]);
  const loras = [
    tinyLora(TINY.flux, { name: 'ink', seed: 1, metadata }),
    tinyLora(TINY.flux, { name: 'oil', seed: 2 }),
    tinyLora(TINY.sd1, { name: 'foreign', seed: 3 }),
    ...OTHERS.map((name, i) => tinyLora(TINY.flux, { name, seed: 4 + i })),
  ];
  const edges = { name: 'edges.safetensors', bytes: await controlNetBytes(1) };
  parts = await write([...rest, ...loras, edges]);
  [gguf = ''] = await write([await converted(denoiser, 'q8_0', 'gguf', 'flux')]);
});
test.afterAll(() => rm(folder, { recursive: true, force: true }));

async function visit(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name }).click();
  await expect(page.getByRole('navigation').getByRole('link', { name })).toHaveAttribute('aria-current', 'page');
}

/** Adds a transformer, takes every part that it needs from the store, and opens it. */
async function addAndUse(page: Page, path: string, name: string): Promise<void> {
  await page.locator('#model-files').setInputFiles(path);
  const proposal = page.getByRole('group', { name: 'Found' }).getByRole('article');
  await expect(proposal).toContainText('Still needs: CLIP-L, T5-XXL, autoencoder');
  for (const part of ['CLIP-L', 'T5-XXL', 'autoencoder']) {
    await proposal.getByLabel(part, { exact: true }).selectOption({ index: 1 });
  }
  await proposal.getByRole('button', { name: 'Add', exact: true }).click();
  const card = page.locator('li > article').filter({ has: page.getByRole('heading', { name, exact: true }) });
  await card.getByRole('button', { name: 'Use', exact: true }).click();
  await expect(card.getByText('In use', { exact: true })).toBeVisible();
}

async function parametersOf(app: AppPage) {
  const text = await app.infotext();
  return { text, read: readParameters(text) };
}

test('a GGUF transformer with stored parts draws with two LoRAs from the panel', async ({ app, page }) => {
  await page.goto(`${app.url}models`);
  const library = page.locator('li > article');
  await expect(library).toHaveCount(1);
  await page.locator('#model-files').setInputFiles(parts);
  await expect(page.getByRole('group', { name: 'Found' }).getByRole('article')).toHaveCount(parts.length);
  await page.getByRole('button', { name: 'Add all' }).click();
  await expect(library).toHaveCount(1 + parts.length);
  await addAndUse(page, gguf, 'tiny-flux-denoiser-q8_0');

  await visit(page, 'Create');
  await app.ready();
  // The family's own settings, and no control that it has no use for.
  await expect(page.locator('#steps')).toHaveValue('20');
  await expect(page.locator('#cfgScale')).toHaveValue('1');
  await expect(page.locator('#distilledGuidance')).toHaveValue('3.5');
  await expect(page.locator('#group-control')).toHaveCount(0);
  await app.openGroup('size');
  await expect(page.locator('#widthPx')).toHaveValue('1024');
  await app.fill('widthPx', '64');
  await app.fill('heightPx', '64');

  await app.prompt.fill('a lighthouse');
  await page.locator('#group-loras').click();
  const panel = page.locator('#group-loras-body');
  await expect(panel.getByRole('listitem')).toHaveCount(3 + OTHERS.length);
  await expect(panel.getByRole('listitem').filter({ hasText: 'foreign' })).toContainText('Made for sd1');
  await panel.getByLabel('Search LoRA').fill('ink');
  await expect(panel.getByRole('listitem')).toHaveCount(1);
  await panel.getByRole('checkbox').check();
  await panel.getByRole('button', { name: 'inkwash' }).click();
  await panel.getByLabel('Weight of ink').first().fill('0.6');
  await panel.getByLabel('Weight of ink').first().press('Tab');
  await panel.getByLabel('Search LoRA').fill('');
  await panel.getByRole('listitem').filter({ hasText: 'oil' }).getByRole('checkbox').check();
  const prompt = await app.prompt.inputValue();
  expect(prompt).toContain('<lora:ink:0.6>');
  expect(prompt).toContain('<lora:oil:1>');
  expect(prompt).toContain('inkwash');

  await app.generate({ prompt, seed: 5, steps: 2 });
  const first = await parametersOf(app);
  expect(first.read.prompt).toContain('<lora:ink:0.6>');
  expect([...(first.read.loraHashes ?? new Map<string, string>()).keys()]).toEqual(['ink', 'oil']);
  for (const hash of first.read.loraHashes?.values() ?? []) expect(hash).toMatch(/^[0-9a-f]{10,12}$/);
  expect(first.read.model).toBe('tiny-flux-denoiser-q8_0');
  expect(first.text).toContain('Distilled CFG Scale: 3.5');
  // The newest picture made with a LoRA stands for it.
  await expect(panel.getByRole('listitem').filter({ hasText: 'oil' }).locator('img')).toBeVisible();

  // The shipped model is a U-Net: units of control, and every preprocessor in its worker.
  await visit(page, 'Models');
  const builtin = library.filter({ hasText: 'Built in' });
  await builtin.getByRole('button', { name: 'Use', exact: true }).click();
  await expect(builtin.getByText('In use', { exact: true })).toBeVisible();
  await visit(page, 'Create');
  await app.ready();
  await page.locator('#group-control').click();
  await page.getByRole('button', { name: 'Add a unit' }).click();
  const unit = page.getByRole('region', { name: 'Unit 1' });
  const picture = join(folder, 'picture.png');
  await writeFile(picture, encodePng(pattern(96, 96)));
  await unit.locator('input[type=file]').setInputFiles(picture);
  const seen = new Set<string>();
  for (const { id } of PREPROCESSORS) {
    await unit.getByLabel('Preprocessor').selectOption(id);
    await expect
      .poll(async () => {
        const shown = await unit.locator('.preview canvas').evaluate((node) => (node as HTMLCanvasElement).toDataURL());
        if (seen.has(shown)) return false;
        seen.add(shown);
        return true;
      })
      .toBe(true);
  }
  await unit.getByLabel('Preprocessor').selectOption('canny');
  await app.fill('control-weight-1', '0.8');
  await app.generate({ prompt: 'a red apple, 3d', seed: 7, steps: 2 });
  const controlled = await parametersOf(app);
  expect(controlled.text).toMatch(/ControlNet 0: "Module: canny, Model: edges \[[0-9a-f]+\], Weight: 0\.8/);

  // A layer drawn for control steers too, as it is; erased, it steers to another picture.
  await page.getByRole('radio', { name: 'Sketch' }).click();
  await expect(surface(page)).toBeVisible();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await openPanel(page, 'Add a layer');
  await page
    .locator('.studio-popup')
    .getByRole('button', { name: /^Control/ })
    .click();
  const middle = await centre(page);
  await draw(page, around(middle, -120, 40), around(middle, 60, 60));
  await page.getByRole('button', { name: 'Shape the picture with it' }).click();
  // So does one to draw from, by its edges, though it is not in the picture.
  await openPanel(page, 'Add a layer');
  await page
    .locator('.studio-popup')
    .getByRole('button', { name: /^Reference/ })
    .click();
  await draw(page, around(middle, -120, -40), around(middle, 60, -60));
  await page.getByRole('button', { name: 'Shape the picture with it' }).click();
  await app.generateButton.click();
  await expect(page.locator('.live-picture')).toBeVisible();
  await expect(app.generateButton).toBeVisible();
  const byLayer = await parametersOf(app);
  expect(byLayer.text).toMatch(/ControlNet 1: "Module: none, Model: edges/);
  expect(byLayer.text).toMatch(/ControlNet 2: "Module: canny, Model: edges/);
});
