/** Every kind of model file is recognised and added when it is dropped onto the page, and whole models draw. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Page } from '@playwright/test';
import { zipSync } from 'fflate';
import { goldenGroup } from '../golden/golden_dir';
import { TINY, tinyModel } from '../tools/tiny_models';
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

interface Whole {
  readonly family: string;
  /** Of the card. */
  readonly name: string;
  readonly paths: readonly string[];
}

/** Families whose golden parts do not fit each other: the same kinds of files, made to fit. */
const MADE = { sd3: 'sd3', klein: 'flux2' } as const;

/** One model at a time on the disk, as a zip, a folder or single files. */
function* wholeModels(golden: string, below: string): Generator<Whole> {
  for (const [i, model] of WHOLE_MODELS.entries()) {
    const folder = writeWholeModel(golden, model, below);
    if (folder !== undefined) yield { ...model, name: model.family, paths: [i === 0 ? zipped(folder) : folder] };
  }
  for (const [id, family] of Object.entries(MADE)) {
    const files = tinyModel(TINY[id as keyof typeof MADE]);
    const paths = files.map(({ name }) => join(below, name));
    files.forEach(({ bytes }, at) => writeFileSync(paths[at] ?? '', bytes));
    yield { family, name: `tiny-${id}-denoiser`, paths };
  }
}

test('a model of each family, dropped as a folder, a zip or files, is added, opened and draws', async ({
  app,
  page,
}) => {
  test.skip(!root, 'skipped: the golden folder has no models group');
  test.setTimeout(300_000);
  const below = mkdtempSync(join(tmpdir(), 'sketchforge-models-'));
  try {
    await openModels(page, app.url);
    for (const { family, name, paths } of wholeModels(root ?? '', below)) {
      await drop(page, paths);
      await expect(proposals(page), name).toHaveCount(1);
      await expect(proposals(page)).toHaveAttribute('data-family', family);
      await expect(proposals(page).getByText('Still needs')).toHaveCount(0);
      await add(page).click();
      await expect(found(page)).toHaveCount(0);
      const card = library(page).filter({ has: page.getByRole('heading', { name, exact: true }) });
      await card.getByRole('button', { name: 'Use', exact: true }).click();
      await expect(card.getByText('In use')).toBeVisible();
      await app.visit('Create');
      await app.ready();
      await app.set('size', { widthPx: '64', heightPx: '64' });
      await app.generate({ prompt: 'a cat', seed: 7, steps: 1 });
      // Random weights draw noise.
      expect(Number.parseInt(await app.pixels()), name).toBeGreaterThan(50);
      await app.visit('Models');
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
