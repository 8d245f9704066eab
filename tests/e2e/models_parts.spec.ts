/** The library's own work: notes beside a file, what the user writes, parts joined into one model, smaller copies. */
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { goldenGroup } from '../golden/golden_dir';
import { expect, test } from './app';
import { drop } from './drop';

const root = goldenGroup('models') ?? '';
const FILES = {
  lora: join(root, 'lora-sd15/kohya.safetensors'),
  unet: join(root, 'controlnet-sd15/unet.safetensors'),
  vae: join(root, 'vae-sd/vae_sd.safetensors'),
};
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const found = (page: Page) => page.getByRole('group', { name: 'Found' });
const card = (page: Page, name: string) =>
  page.locator('li > article').filter({ has: page.getByRole('heading', { name, exact: true }) });

async function dropAndAdd(page: Page, paths: readonly string[]): Promise<void> {
  await drop(page, paths);
  await found(page)
    .getByRole('button', { name: /^(Add|Copy into the browser)$/ })
    .click();
  await expect(found(page)).toHaveCount(0);
}

test('notes are read and kept, parts become one model, a smaller copy says its errors', async ({ app, page }) => {
  test.skip(!Object.values(FILES).every((file) => existsSync(file)), 'skipped: the golden folder has no models group');
  const folder = mkdtempSync(join(tmpdir(), 'sketchforge-parts-'));
  try {
    cpSync(FILES.lora, join(folder, 'ink.safetensors'));
    const notes = { 'sd version': 'SD1', 'activation text': 'ink wash, brush', notes: 'Weight 0.8.' };
    writeFileSync(join(folder, 'ink.json'), JSON.stringify(notes));
    writeFileSync(join(folder, 'ink.preview.png'), Buffer.from(PIXEL, 'base64'));
    await page.goto(`${app.url}models`);
    await expect(page.locator('li > article')).not.toHaveCount(0);

    await dropAndAdd(
      page,
      ['ink.safetensors', 'ink.json', 'ink.preview.png'].map((name) => join(folder, name)),
    );
    const ink = card(page, 'ink');
    await expect(ink.getByText('Trigger words: ink wash, brush')).toBeVisible();
    await expect(ink.locator('img')).toBeVisible();
    await ink.getByRole('button', { name: 'Details' }).click();
    await expect(ink.getByLabel('Notes')).toHaveValue('Weight 0.8.');
    await ink.getByLabel('Tags').fill('style, ink');
    await ink.getByLabel('Licence').fill('CC0');
    await ink.getByLabel('Licence').press('Tab');
    await expect(ink.getByText(/CC0/)).toBeVisible();
    await ink.getByRole('button', { name: 'Rename' }).click();
    await page.getByLabel('Name of the model').fill('brush');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    const brush = card(page, 'brush');
    await expect(brush).toBeVisible();
    await page.reload();
    await expect(brush.getByText('style', { exact: true })).toBeVisible();
    await brush.getByRole('button', { name: 'Details' }).click();
    await brush.getByRole('button', { name: 'Delete' }).click();
    await brush.getByRole('alert').getByRole('button', { name: 'Delete' }).click();
    await expect(brush).toHaveCount(0);

    await drop(page, [FILES.unet]);
    await expect(found(page).getByRole('group', { name: /fit/i }).locator('[data-verdict="fits"]')).not.toHaveCount(0);
    await found(page)
      .getByRole('button', { name: /^(Add|Copy into the browser)$/ })
      .click();
    await expect(found(page)).toHaveCount(0);
    await dropAndAdd(page, [FILES.vae]);
    const unet = card(page, 'unet');
    await expect(unet.getByText('Needs', { exact: false })).toContainText('autoencoder');
    await unet.getByRole('button', { name: 'Details' }).click();
    await unet.getByLabel('Join with a part').selectOption({ label: 'vae_sd' });
    await unet.getByRole('button', { name: 'Join', exact: true }).click();
    const joined = card(page, 'unet + vae_sd');
    await expect(joined.getByText('Needs', { exact: false })).not.toContainText('autoencoder');

    await unet.getByLabel('Type of the weights').selectOption({ label: 'Q8_0' });
    await unet.getByRole('button', { name: 'Make it smaller' }).click();
    await expect(card(page, 'unet Q8_0').getByText(/ · .*Q8_0.* · /)).toBeVisible();
    await unet.getByText('Largest errors').click();
    // Eight bits: about one part in a hundred thousand of the power.
    await expect(unet.getByText(/Q8_0 · nmse [1-9]\.\de-[56]/i).first()).toBeVisible();
    const vae = card(page, 'vae_sd');
    await vae.getByRole('button', { name: 'Details' }).click();
    // The parts that were joined are shared: the model survives that they go.
    await vae.getByRole('button', { name: 'Delete' }).click();
    await vae.getByRole('alert').getByRole('button', { name: 'Delete' }).click();
    await expect(vae).toHaveCount(0);
    await joined.getByRole('button', { name: 'Details' }).click();
    await joined.getByRole('button', { name: 'Check' }).click();
    await expect(joined.getByText('Every byte is as it was stored.')).toBeVisible();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
