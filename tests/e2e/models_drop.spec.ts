/** Every kind of model file is recognised and added when it is dropped onto the page, and whole models draw. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Page } from '@playwright/test';
import { zipSync } from 'fflate';
import { goldenGroup } from '../golden/golden_dir';
import { expect, test } from './app';
import { drop } from './drop';
import { WHOLE_MODELS, writeWholeModel } from './whole_models';

interface Expected {
  readonly kind: string;
  readonly family?: string;
}

const root = goldenGroup('models');
/** What a reader should conclude about every weight file of the golden models. */
const expectations: Readonly<Record<string, Expected>> =
  root && existsSync(join(root, 'detect.json'))
    ? (JSON.parse(readFileSync(join(root, 'detect.json'), 'utf8')) as Record<string, Expected>)
    : {};

const found = (page: Page) => page.getByRole('group', { name: 'Found' });
const proposals = (page: Page) => found(page).getByRole('article');
const library = (page: Page) => page.locator('li > article');
const add = (page: Page) => proposals(page).getByRole('button', { name: /^(Add|Copy into the browser)$/ });

async function openModels(page: Page, url: string): Promise<void> {
  await page.goto(`${url}models`);
  // The built-in model's card: the library has been read.
  await expect(library(page)).not.toHaveCount(0);
}

/** Families that the page names; text encoders and upscalers have their own words for it. */
const DENOISER_KINDS = ['checkpoint', 'unet', 'transformer', 'controlnet', 'lora'];

/**
 * One file of each kind and family: the others differ in layout, which the detection suite reads without a page. Parts
 * that would complete a denoiser dropped with them stand for themselves, as there are several.
 */
function filesToDrop(): [string, Expected][] {
  const seen = new Set<string>();
  return Object.entries(expectations).filter(([path, { kind, family }]) => {
    const key = `${kind} ${family}`;
    // Halves of one autoencoder are joined; the detection suite has them.
    if (/^tiny-vae-/.test(kind) || seen.has(key) || !existsSync(join(root ?? '', path))) return false;
    seen.add(key);
    return true;
  });
}

test('files of every family and kind, dropped together, are recognised and added', async ({ app, page }) => {
  const files = filesToDrop();
  test.skip(files.length === 0, 'skipped: the golden folder has no models group');
  test.setTimeout(300_000);
  await openModels(page, app.url);
  const before = await library(page).count();
  await drop(
    page,
    files.map(([path]) => join(root ?? '', path)),
  );
  await expect(proposals(page)).toHaveCount(files.length);
  const told = await proposals(page).evaluateAll((all) =>
    all.map((one) => {
      const { kind = '', family = '' } = (one as HTMLElement).dataset;
      return `${kind} ${family}`;
    }),
  );
  for (const [path, { kind, family = '' }] of files) {
    const wanted = DENOISER_KINDS.includes(kind) ? `${kind} ${family}` : kind;
    const at = told.findIndex((one) => one.startsWith(wanted));
    expect(at, `${path}: ${wanted} of ${told.join(', ')}`).toBeGreaterThanOrEqual(0);
    told.splice(at, 1);
  }
  await page.getByRole('button', { name: 'Add all' }).click();
  await expect(found(page)).toHaveCount(0);
  await expect(library(page)).toHaveCount(before + files.length);
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('a model of each family, dropped as a folder or a zip, is added, opened and draws', async ({ app, page }) => {
  const models = root ? WHOLE_MODELS : [];
  test.skip(models.length === 0, 'skipped: the golden folder has no models group');
  test.setTimeout(300_000);
  const below = mkdtempSync(join(tmpdir(), 'sketchforge-models-'));
  try {
    await openModels(page, app.url);
    for (const [i, model] of models.entries()) {
      const folder = writeWholeModel(root ?? '', model, below);
      if (folder === undefined) continue;
      await drop(page, [i === 0 ? zipped(folder) : folder]);
      await expect(proposals(page), model.family).toHaveCount(1);
      await expect(proposals(page)).toHaveAttribute('data-family', model.family);
      await expect(proposals(page).getByText('Still needs')).toHaveCount(0);
      await add(page).click();
      await expect(found(page)).toHaveCount(0);
      const card = library(page).filter({ has: page.getByRole('heading', { name: model.family, exact: true }) });
      await card.getByRole('button', { name: 'Use', exact: true }).click();
      await expect(card.getByText('In use')).toBeVisible();
      await page.getByRole('link', { name: 'Create' }).first().click();
      await app.ready();
      const size = page.locator('#group-size');
      if ((await size.getAttribute('aria-expanded')) !== 'true') await size.click();
      for (const side of ['#widthPx', '#heightPx']) {
        await page.locator(side).fill('64');
        await page.locator(side).press('Tab');
      }
      await app.generate({ prompt: 'a cat', seed: 7, steps: 2 });
      expect(await colours(page), model.family).toBeGreaterThan(50);
      await page.getByRole('link', { name: 'Models' }).first().click();
    }
  } finally {
    rmSync(below, { recursive: true, force: true });
  }
});

/** The folder as one archive, as people send models to each other. */
function zipped(folder: string): string {
  const files: Record<string, Uint8Array> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files[relative(join(folder, '..'), path)] = readFileSync(path);
  }
  writeFileSync(`${folder}.zip`, zipSync(files, { level: 1 }));
  return `${folder}.zip`;
}

/** Different colours of the picture shown; random weights draw noise. */
async function colours(page: Page): Promise<number> {
  return page.locator('.frame img').evaluate(async (image) => {
    const picture = await createImageBitmap(image as HTMLImageElement);
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext('2d');
    context?.drawImage(picture, 0, 0);
    const pixels = new Uint32Array(context?.getImageData(0, 0, picture.width, picture.height).data.buffer ?? []);
    return new Set(pixels).size;
  });
}
