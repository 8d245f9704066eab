/** What the opened groups of settings do to a picture: a second pass of its own, a plot, soft inpainting. */
import { encodePng } from '../../src/companion/node_images';
import { readPng } from '../../src/lib/formats/png_text';
import type { Page } from '@playwright/test';
import { expect, test, type AppPage } from './app';

/** Opens a group and turns its switch. */
async function turn(page: Page, group: string, on: boolean): Promise<void> {
  const head = page.locator(`#group-${group}`);
  if ((await head.getAttribute('aria-expanded')) !== 'true') await head.click();
  const toggle = page.locator('section.group', { has: head }).getByRole('switch');
  await toggle.setChecked(on);
  await expect(toggle).toHaveAttribute('aria-checked', String(on));
}

async function set(page: Page, id: string, value: string): Promise<void> {
  await page.locator(`#${id}`).fill(value);
  await page.locator(`#${id}`).press('Tab');
  await expect(page.locator(`#${id}`)).toHaveValue(value);
}

async function infotext(app: AppPage): Promise<string> {
  return readPng(await app.save()).texts.find(({ keyword }) => keyword === 'parameters')?.text ?? '';
}

/** White in the middle: what is drawn anew. */
function mask(side: number): Buffer {
  const rgba = new Uint8ClampedArray(4 * side * side).fill(255);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const inside = Math.max(Math.abs(x - side / 2), Math.abs(y - side / 2)) < side / 4;
      if (!inside) rgba.fill(0, 4 * (y * side + x), 4 * (y * side + x) + 3);
    }
  }
  return Buffer.from(encodePng({ widthPx: side, heightPx: side, rgba }));
}

test('a second pass with its own sampler and prompt, a plot, and soft inpainting', async ({ app, page }) => {
  await app.open();
  await turn(page, 'hires', true);
  await set(page, 'hires-scale', '1.5');
  await page.locator('#hires-sampler').selectOption({ label: 'Euler a' });
  await page.locator('#hires-schedule').selectOption({ label: 'Exponential' });
  await page.locator('#hires-prompt').fill('a blue star');
  await app.generate({ prompt: 'a red apple, 3d', seed: 5, steps: 2 });
  const second = await infotext(app);
  expect(second).toContain('Hires upscale: 1.5');
  expect(second).toContain('Hires prompt: a blue star');
  expect(second).toContain('Hires sampler: Euler a');
  expect(second).toContain('Hires schedule type: Exponential');

  await turn(page, 'hires', false);
  await turn(page, 'plot', true);
  await page.locator('#plot-x').selectOption({ label: 'Steps' });
  await page.locator('#plot-x-values').fill('1, two');
  await expect(page.locator('#plot-x-values')).toHaveAttribute('aria-invalid', 'true');
  await page.locator('#plot-x-values').fill('1, 2');
  await page.locator('#plot-y').selectOption({ label: 'CFG Scale' });
  await page.locator('#plot-y-values').fill('1-3 (+2)');
  await expect(page.getByText('4 pictures', { exact: false }).first()).toBeVisible();
  await app.generate({ prompt: 'a red apple, 3d', seed: 5, steps: 2 });
  const sheet = await infotext(app);
  expect(sheet).toContain('X Type: Steps, X Values: "1, 2"');
  expect(sheet).toContain('Y Type: CFG Scale, Y Values: 1-3 (+2)');
  const sides = await app.picture.evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight]);
  // Two columns and two rows of pictures, and their labels.
  expect(Math.min(...sides)).toBeGreaterThanOrEqual(256);

  await turn(page, 'plot', false);
  await app.generate({ prompt: 'a red apple, 3d', seed: 5, steps: 2 });
  await page.getByRole('navigation').getByRole('link', { name: 'Gallery' }).click();
  await page.getByRole('button', { name: 'Generated picture: a red apple, 3d' }).first().click();
  await page.getByRole('button', { name: 'Continue from this picture' }).click();
  const start = page.getByRole('group', { name: 'Starting picture' });
  await start
    .getByLabel('Mask from a file')
    .setInputFiles({ name: 'mask.png', mimeType: 'image/png', buffer: mask(128) });
  await expect(start.getByRole('button', { name: 'Mask from a file' })).toHaveCount(0);
  await turn(page, 'soft', true);
  await app.generate({ prompt: 'a green apple, 3d', seed: 6, steps: 4 });
  const soft = await infotext(app);
  expect(soft).toContain('Soft inpainting enabled: True');
  expect(soft).toContain('Denoising strength');
});
