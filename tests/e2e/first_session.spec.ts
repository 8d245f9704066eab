/**
 * Five minutes of a new user on a tablet with a pen: three strokes, a prompt, the picture follows; a part is masked and
 * changed; saved with its settings; then no network, a reload, and everything is there. `SESSION_SHOTS=DIR` keeps a
 * picture of every moment.
 */
import type { CDPSession, Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from './app';
import { darkPixels, surface as canvasOf, type Point } from './canvas_page';

test.use({ viewport: { width: 1180, height: 820 }, hasTouch: true, deviceScaleFactor: 1, installable: true });

const shots = process.env['SESSION_SHOTS'];
const shot = async (page: Page, name: string): Promise<void> => {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`) });
};

/** One stroke with the pressure of a hand: in, over, out. */
async function stroke(cdp: CDPSession, points: readonly Point[]): Promise<void> {
  for (const [i, point] of points.entries()) {
    const type = i === 0 ? 'mousePressed' : i === points.length - 1 ? 'mouseReleased' : 'mouseMoved';
    await cdp.send('Input.dispatchMouseEvent', {
      type,
      ...point,
      button: 'left',
      buttons: type === 'mouseReleased' ? 0 : 1,
      pointerType: 'pen',
      force: 0.4 + 0.5 * Math.sin((Math.PI * i) / points.length),
      tiltX: 20,
      tiltY: -10,
      clickCount: 1,
    });
  }
}

/** An apple: the outline, a stalk, a leaf. */
function apple({ x, y }: Point, radius: number): Point[][] {
  const outline = Array.from({ length: 49 }, (_, i) => {
    const angle = (2 * Math.PI * i) / 48 - Math.PI / 2;
    const r = radius * (1 - 0.16 * Math.exp(-8 * (1 - Math.sin(-angle))) + 0.05 * Math.cos(2 * angle));
    return { x: x + r * Math.cos(angle), y: y + 0.94 * r * Math.sin(angle) };
  });
  const stalk = Array.from({ length: 12 }, (_, i) => ({
    x: x + (0.12 * radius * i * i) / 121,
    y: y - 0.76 * radius - (0.42 * radius * i) / 11,
  }));
  const leaf = Array.from({ length: 21 }, (_, i) => {
    const angle = (2 * Math.PI * i) / 20;
    return { x: x + radius * (0.4 + 0.25 * Math.cos(angle)), y: y - radius * (1.02 - 0.11 * Math.sin(angle)) };
  });
  return [outline, stalk, leaf];
}

/** Mean colour of a blob of the live picture. */
const meanColour = (page: Page): Promise<number[]> =>
  page.locator('.live-picture').evaluate(async (image: HTMLImageElement) => {
    const bitmap = await createImageBitmap(image);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d');
    context?.drawImage(bitmap, 0, 0);
    const w = bitmap.width;
    const data = context?.getImageData(w / 4, w / 4, w / 2, w / 2).data ?? [];
    const sum = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) for (let c = 0; c < 3; c++) sum[c] = (sum[c] ?? 0) + (data[i + c] ?? 0);
    return sum.map((value) => Math.round((4 * value) / data.length));
  });

test('a first session on a tablet, from three strokes to a picture that survives going offline', async ({
  app,
  page,
  context,
}) => {
  test.setTimeout(240_000);
  const cdp = await context.newCDPSession(page);
  await page.goto(app.url);
  await shot(page, '01-first-look');
  await page.getByRole('radio', { name: 'Sketch' }).tap();
  const surface = canvasOf(page);
  await expect(surface).toBeVisible();
  await shot(page, '02-sketch');
  const box = await surface.boundingBox();
  if (!box) throw new Error('the canvas has no box');
  const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 + 10 };
  const radius = Math.min(box.width, box.height) * 0.3;

  await page.getByLabel('Prompt', { exact: true }).fill('a red apple, 3d');
  await page.getByRole('switch', { name: 'Live' }).tap();
  for (const [i, points] of apple(centre, radius).entries()) {
    await stroke(cdp, points);
    if (i === 0) await shot(page, '03-first-stroke');
  }
  const picture = page.locator('.live-picture');
  await expect(picture).toBeVisible();
  await shot(page, '04-picture-follows');
  await expect(page.getByText('Refined')).toBeVisible();
  const [red = 0, green = 0, blue = 0] = await meanColour(page);
  expect(red, 'an apple that is red').toBeGreaterThan(Math.max(green, blue) + 30);
  await shot(page, '05-refined');

  // A part becomes something else, the rest stays.
  await page.getByRole('switch', { name: 'Live' }).tap();
  await page.getByRole('button', { name: 'Use as a layer' }).tap();
  await shot(page, '06-as-a-layer');
  await page.getByRole('button', { name: /^Mask brush/ }).tap();
  await stroke(
    cdp,
    Array.from({ length: 40 }, (_, i) => ({
      x: centre.x - 0.5 * radius + (radius * (i % 10)) / 10,
      y: centre.y - 0.2 * radius + 0.15 * radius * Math.floor(i / 10),
    })),
  );
  await shot(page, '07-masked');
  await page.getByLabel('Prompt', { exact: true }).fill('a green apple, 3d');
  const before = await picture.getAttribute('src');
  await app.generateButton.tap();
  await expect.poll(() => picture.getAttribute('src')).not.toBe(before);
  await expect(app.generateButton).toBeVisible();
  await shot(page, '08-part-changed');

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save', exact: true }).tap(),
  ]);
  const saved = readFileSync(await download.path());
  expect(saved.includes('a green apple, 3d'), 'the file says how it was made').toBe(true);
  const dark = await darkPixels(page);

  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  await page.waitForTimeout(1200);
  await context.setOffline(true);
  await page.reload();
  await expect(surface).toBeVisible();
  await expect.poll(() => darkPixels(page)).toBe(dark);
  await expect(page.getByLabel('Prompt', { exact: true })).toHaveValue('a green apple, 3d');
  await app.ready();
  await shot(page, '09-offline-after-reload');
  await page.getByRole('link', { name: 'Gallery' }).tap();
  await expect(page.getByRole('button', { name: 'Generated picture: a green apple, 3d' }).first()).toBeVisible();
  await shot(page, '10-gallery-offline');
  await context.setOffline(false);
});
