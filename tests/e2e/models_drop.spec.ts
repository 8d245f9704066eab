/** Every kind of model file is recognised and added when it is dropped onto the page. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { goldenGroup } from '../golden/golden_dir';
import { expect, test } from './app';
import { drop } from './drop';

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

/** One file of each kind and family: the others differ in layout, which the detection suite reads without a page. */
function filesToDrop(): [string, Expected][] {
  const seen = new Set<string>();
  return Object.entries(expectations).filter(([path, { kind, family }]) => {
    const key = `${kind} ${family}`;
    if (seen.has(key) || !existsSync(join(root ?? '', path))) return false;
    seen.add(key);
    return true;
  });
}

const found = (page: Page) => page.getByRole('group', { name: 'Found' });
const proposals = (page: Page) => found(page).getByRole('article');
const library = (page: Page) => page.locator('li > article');

async function openModels(page: Page, url: string): Promise<void> {
  await page.goto(`${url}models`);
  // The built-in model's card: the library has been read.
  await expect(library(page)).not.toHaveCount(0);
}

/** Families that the page names; text encoders and upscalers have their own words for it. */
const DENOISER_KINDS = ['checkpoint', 'unet', 'transformer', 'controlnet', 'lora'];

test('files of every family and kind, dropped one by one, are recognised and added', async ({ app, page }) => {
  const files = filesToDrop();
  test.skip(files.length === 0, 'skipped: the golden folder has no models group');
  test.setTimeout(30_000 + 6000 * files.length);
  await openModels(page, app.url);
  let added = await library(page).count();
  for (const [path, { kind, family }] of files) {
    await drop(page, [join(root ?? '', path)]);
    const proposal = proposals(page);
    await expect(proposal, path).toHaveCount(1);
    await expect(proposal, path).toHaveAttribute('data-kind', kind);
    if (family && DENOISER_KINDS.includes(kind)) await expect(proposal, path).toHaveAttribute('data-family', family);
    await proposal.getByRole('button', { name: /^(Add|Copy into the browser)$/ }).click();
    await expect(found(page)).toHaveCount(0);
    added += 1;
    await expect(library(page), path).toHaveCount(added);
    await expect(page.getByRole('alert')).toHaveCount(0);
  }
});

/** Folders of a diffusers pipeline below the golden models. */
const pipelines = root
  ? readdirSync(root).filter((family) => existsSync(join(root, family, 'diffusers/model_index.json')))
  : [];

test('folders of diffusers pipelines, dropped whole, are one model each with every part', async ({ app, page }) => {
  test.skip(pipelines.length === 0, 'skipped: the golden folder has no diffusers pipeline');
  await openModels(page, app.url);
  for (const family of pipelines) {
    await drop(page, [join(root ?? '', family, 'diffusers')]);
    const proposal = proposals(page);
    await expect(proposal, family).toHaveCount(1);
    await expect(proposal).toHaveAttribute('data-kind', 'checkpoint');
    await expect(proposal.getByText('Still needs')).toHaveCount(0);
    await proposal.getByRole('button', { name: /^(Add|Copy into the browser)$/ }).click();
    await expect(found(page)).toHaveCount(0);
  }
  await expect(library(page).getByText(/Model ·/)).not.toHaveCount(0);
});
