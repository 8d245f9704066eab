/** What the opened groups of settings do to a picture: a second pass of its own, a plot, inpainting soft and hard. */
import { encodePng } from '../../src/companion/node_images';
import { expect, test } from './app';
import { dropBytes } from './drop';

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
  await app.turn('hires', true);
  await app.fill('hires-scale', '1.5');
  await page.locator('#hires-sampler').selectOption({ label: 'Euler a' });
  await page.locator('#hires-schedule').selectOption({ label: 'Exponential' });
  await page.locator('#hires-prompt').fill('a blue star');
  await app.generate({ prompt: 'a red apple, 3d', seed: 5, steps: 2 });
  const second = await app.infotext();
  expect(second).toContain('Hires upscale: 1.5');
  expect(second).toContain('Hires prompt: a blue star');
  expect(second).toContain('Hires sampler: Euler a');
  expect(second).toContain('Hires schedule type: Exponential');

  await app.turn('hires', false);
  await app.turn('plot', true);
  await page.locator('#plot-x').selectOption({ label: 'Steps' });
  await page.locator('#plot-x-values').fill('1, two');
  await expect(page.locator('#plot-x-values')).toHaveAttribute('aria-invalid', 'true');
  await page.locator('#plot-x-values').fill('1, 2');
  await page.locator('#plot-y').selectOption({ label: 'CFG Scale' });
  await page.locator('#plot-y-values').fill('1-3 (+2)');
  await expect(page.getByText('4 pictures', { exact: false }).first()).toBeVisible();
  await app.generate({ prompt: 'a red apple, 3d', seed: 5, steps: 2 });
  const sheet = await app.infotext();
  expect(sheet).toContain('X Type: Steps, X Values: "1, 2"');
  expect(sheet).toContain('Y Type: CFG Scale, Y Values: 1-3 (+2)');
  const sides = await app.picture.evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight]);
  // Two columns and two rows of pictures, and their labels.
  expect(Math.min(...sides)).toBeGreaterThanOrEqual(256);

  await app.turn('plot', false);
  await app.generate({ prompt: 'a red apple, 3d', seed: 5, steps: 2 });
  await page.getByRole('button', { name: 'Continue from this picture' }).click();
  const start = page.getByRole('group', { name: 'Starting picture' });
  await start
    .getByLabel('Mask from a file')
    .setInputFiles({ name: 'mask.png', mimeType: 'image/png', buffer: mask(128) });
  await expect(start.getByRole('button', { name: 'Mask from a file' })).toHaveCount(0);
  await app.turn('soft', true);
  await app.generate({ prompt: 'a green apple, 3d', seed: 6, steps: 4 });
  const soft = await app.infotext();
  expect(soft).toContain('Soft inpainting enabled: True');
  expect(soft).toContain('Denoising strength');

  // A picture with inpainting in it, dropped: everything about the mask comes back, and so does the picture.
  await app.turn('soft', false);
  await app.openGroup('inpaint');
  const about = { 'init-strength': '0.6', 'inpaint-blurPx': '6', 'inpaint-paddingPx': '48' };
  await page.locator('#inpaint-area').selectOption('masked');
  await page.locator('#inpaint-fill').selectOption('latentNoise');
  for (const [id, value] of Object.entries(about)) await app.fill(id, value);
  await app.generate({ prompt: 'a green apple, 3d', seed: 6, steps: 3 });
  const inpainted = await app.save();
  await page.locator('#inpaint-area').selectOption('whole');
  await page.locator('#inpaint-fill').selectOption('fill');
  await app.fill('init-strength', '0.9');
  await app.prompt.fill('something else');
  await dropBytes(page, 'inpainted.png', 'image/png', inpainted);
  await expect(app.prompt).toHaveValue('a green apple, 3d');
  await expect(page.locator('#inpaint-area')).toHaveValue('masked');
  await expect(page.locator('#inpaint-fill')).toHaveValue('latentNoise');
  for (const [id, value] of Object.entries(about)) await expect(page.locator(`#${id}`)).toHaveValue(value);
  await expect(page.getByText('Settings taken over')).toHaveCount(0);
  await app.generate({ prompt: 'a green apple, 3d', seed: 6, steps: 3 });
  expect((await app.save()).equals(inpainted)).toBe(true);
});
