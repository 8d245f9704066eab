import type { CDPSession, Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import type { InkReadings } from '../../src/lib/ui/studio/ink_meter';
import { expect, test } from './app';

interface Point {
  readonly x: number;
  readonly y: number;
}

const surface = (page: Page) => page.locator('canvas.surface');

async function openStudio(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByRole('radio', { name: 'Sketch' }).click();
  await expect(surface(page)).toBeVisible();
  // The picture is fitted once the layout rests.
  await expect.poll(() => inkAt(page, 0.5, 0.5)).not.toBe(0);
}

/** Centre of the surface, CSS pixels of the page. */
async function centre(page: Page): Promise<Point> {
  const box = await surface(page).boundingBox();
  if (!box) throw new Error('the canvas has no box');
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Sum of red, green and blue that the visible canvas shows at a share of its size; 0 outside the document. */
function inkAt(page: Page, shareX: number, shareY: number): Promise<number> {
  return surface(page).evaluate(
    (canvas, [x, y]) => {
      const context = (canvas as HTMLCanvasElement).getContext('2d');
      const { width, height } = canvas as HTMLCanvasElement;
      const [r = 0, g = 0, b = 0] =
        context?.getImageData(Math.round(x * width), Math.round(y * height), 1, 1).data ?? [];
      return r + g + b;
    },
    [shareX, shareY] as const,
  );
}

/** How many pixels of the visible canvas are dark. */
function darkPixels(page: Page): Promise<number> {
  return surface(page).evaluate((canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data = [] } = (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height) ?? {};
    let dark = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 255 && (data[i] ?? 0) + (data[i + 1] ?? 0) + (data[i + 2] ?? 0) < 300) dark++;
    }
    return dark;
  });
}

async function pen(cdp: CDPSession, points: readonly Point[], force: (i: number) => number, lift = true) {
  const send = (type: 'mousePressed' | 'mouseMoved' | 'mouseReleased', at: Point, pressure: number) =>
    cdp.send('Input.dispatchMouseEvent', {
      type,
      ...at,
      button: 'left',
      buttons: type === 'mouseReleased' ? 0 : 1,
      pointerType: 'pen',
      force: pressure,
      clickCount: 1,
    });
  const [first] = points;
  const last = points.at(-1);
  if (!first || !last) return;
  await send('mousePressed', first, force(0));
  // Not awaited one by one: the browser joins them into events with coalesced samples, as with a real pen.
  await Promise.all(points.map((point, i) => send('mouseMoved', point, force(i))));
  if (lift) await send('mouseReleased', last, 0);
}

const line = (from: Point, to: Point, count = 40): Point[] =>
  Array.from({ length: count + 1 }, (_, i) => ({
    x: from.x + ((to.x - from.x) * i) / count,
    y: from.y + ((to.y - from.y) * i) / count,
  }));

const around = ({ x, y }: Point, dx: number, dy: number): Point => ({ x: x + dx, y: y + dy });

/** Closes the panel that is open; nothing is pressed through it. */
async function closePanel(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
  await expect(page.locator('.studio-popup')).toHaveCount(0);
}

/** Opens a panel of the studio and waits until its focus has settled, so that nothing closes it again. */
async function openPanel(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click();
  await expect(page.locator('.studio-popup:focus-within')).toBeVisible();
}

/** Share of the screen's pixels that a full repaint draws in another way than the strokes left them. */
function seams(page: Page): Promise<number> {
  return surface(page).evaluate(async (canvas: HTMLCanvasElement) => {
    const read = () => canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
    const before = read();
    canvas.dispatchEvent(new KeyboardEvent('keydown', { key: '0', bubbles: true }));
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
    const after = read();
    let different = 0;
    for (let i = 0; i < after.length; i++) if (Math.abs((before[i] ?? 0) - (after[i] ?? 0)) > 16) different++;
    return different / after.length;
  });
}

test('a pen draws ink that follows its pressure, without seams where the view is made smaller', async ({
  app,
  page,
}) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await openStudio(page, app.url);
  const cdp = await page.context().newCDPSession(page);
  const middle = await centre(page);
  await pen(cdp, line(around(middle, -130, -80), around(middle, 130, -40)), () => 0.1);
  await expect.poll(() => darkPixels(page)).toBeGreaterThan(50);
  const light = await darkPixels(page);
  await pen(cdp, line(around(middle, -130, 40), around(middle, 130, 80)), () => 1);
  await expect.poll(async () => (await darkPixels(page)) - light).toBeGreaterThan(light * 1.5);
  expect(await seams(page)).toBeLessThan(0.0005);
});

test('every reading of the pen becomes ink once, in order, and repaints its surroundings only', async ({
  app,
  page,
}) => {
  await openStudio(page, app.url);
  const cdp = await page.context().newCDPSession(page);
  const middle = await centre(page);
  await surface(page).evaluate((canvas) => {
    const seen: number[] = [];
    Object.assign(window, { seenReadings: seen });
    (canvas as HTMLCanvasElement & { inkMeter: { clear(): void } }).inkMeter.clear();
    (canvas as HTMLElement).addEventListener('pointermove', (event) => {
      if (event.buttons !== 0) seen.push(...event.getCoalescedEvents().map(({ timeStamp }) => timeStamp));
    });
  });
  const points = line(around(middle, -160, -100), around(middle, 160, 100), 160);
  await pen(cdp, points, (i) => 0.3 + i / 400);
  const ink = () =>
    surface(page).evaluate((canvas) =>
      (canvas as HTMLCanvasElement & { inkMeter: { read(): InkReadings } }).inkMeter.read(),
    );
  const seen = () => page.evaluate(() => (window as unknown as { seenReadings: number[] }).seenReadings);
  // The contact and the lift are readings as well; they may paint nothing new.
  await expect.poll(async () => (await ink()).latencyMs.length).toBeGreaterThanOrEqual((await seen()).length);
  const stamps = await seen();
  expect(stamps.length).toBeGreaterThanOrEqual(points.length - 1);
  expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
  const { latencyMs, pixels } = await ink();
  expect(latencyMs.length).toBeLessThanOrEqual(stamps.length + 2);
  // The whole stroke's box is two fifths of the picture's; a move's part of it is small however few frames there are.
  expect(pixels.reduce((sum, count) => sum + count, 0) / pixels.length).toBeLessThan(0.1 * 512 * 512);
});

test('a pinch zooms and turns the view and draws nothing; two fingers tap undo', async ({ app, page }) => {
  await openStudio(page, app.url);
  const cdp = await page.context().newCDPSession(page);
  const middle = await centre(page);
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', points: readonly Point[]) =>
    cdp.send('Input.dispatchTouchEvent', { type, touchPoints: points.map((point, id) => ({ ...point, id })) });
  const edge = await inkAt(page, 0.02, 0.5);
  expect(edge, 'desk beside the picture').toBe(0);
  await touch('touchStart', [around(middle, -60, 0)]);
  await touch('touchStart', [around(middle, -60, 0), around(middle, 60, 0)]);
  for (let i = 1; i <= 12; i++) {
    await touch('touchMove', [around(middle, -60 - 12 * i, 0), around(middle, 60 + 12 * i, 0)]);
  }
  await touch('touchEnd', []);
  await expect.poll(() => inkAt(page, 0.02, 0.5), { message: 'the picture grew over the desk' }).toBeGreaterThan(600);
  expect(await darkPixels(page)).toBe(0);

  await pen(cdp, line(around(middle, -100, 0), around(middle, 100, 0)), () => 0.8);
  await expect.poll(() => darkPixels(page)).toBeGreaterThan(100);
  await page.waitForTimeout(300);
  await touch('touchStart', [around(middle, -40, 60), around(middle, 40, 60)]);
  await touch('touchEnd', []);
  await expect.poll(() => darkPixels(page)).toBe(0);
  await page.waitForTimeout(300);
  await touch('touchStart', [around(middle, -60, 60), around(middle, 0, 60), around(middle, 60, 60)]);
  await touch('touchEnd', []);
  await expect.poll(() => darkPixels(page), { message: 'three fingers tap redo' }).toBeGreaterThan(100);
});

test('the other end erases, a ruler mirrors, a held finger picks, a palm does nothing, the left hand has its side', async ({
  app,
  page,
}) => {
  await openStudio(page, app.url);
  const cdp = await page.context().newCDPSession(page);
  const middle = await centre(page);
  await page.getByLabel('Symmetry').selectOption('vertical');
  // A palm rests on the glass before the pen comes.
  const palm = { ...around(middle, 120, 180), radiusX: 50, radiusY: 60, id: 7 };
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [palm] });
  await pen(cdp, line(around(middle, -140, -60), around(middle, -60, -60)), () => 0.9);
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  const box = await surface(page).boundingBox();
  const share = (dx: number, dy: number): [number, number] => [
    (middle.x + dx - (box?.x ?? 0)) / (box?.width ?? 1),
    (middle.y + dy - (box?.y ?? 0)) / (box?.height ?? 1),
  ];
  await expect.poll(() => inkAt(page, ...share(-100, -60)), { message: 'the stroke' }).toBeLessThan(300);
  await expect.poll(() => inkAt(page, ...share(100, -60)), { message: 'its mirror image' }).toBeLessThan(300);
  expect(await inkAt(page, ...share(120, 180)), 'under the palm').toBeGreaterThan(700);
  expect(await inkAt(page, 0.02, 0.5), 'the palm moved no view').toBe(0);

  // DevTools know no eraser end; the event is what a pen's driver sends.
  await surface(page).evaluate(
    (canvas, [from, to]) => {
      const send = (type: string, { x, y }: { x: number; y: number }) =>
        canvas.dispatchEvent(
          new PointerEvent(type, {
            pointerId: 41,
            pointerType: 'pen',
            button: type === 'pointermove' ? -1 : 5,
            buttons: type === 'pointerup' ? 0 : 32,
            pressure: 0.9,
            clientX: x,
            clientY: y,
            bubbles: true,
          }),
        );
      send('pointerdown', from);
      for (let i = 1; i <= 12; i++) send('pointermove', { x: from.x + ((to.x - from.x) * i) / 12, y: from.y });
      send('pointerup', to);
    },
    [around(middle, -140, -60), around(middle, -60, -60)] as const,
  );
  await expect.poll(() => inkAt(page, ...share(-100, -60)), { message: 'erased' }).toBeGreaterThan(700);
  await page.keyboard.press('Control+z');
  await expect.poll(() => inkAt(page, ...share(-100, -60)), { message: 'and back' }).toBeLessThan(300);

  await openPanel(page, 'Colour');
  await page.getByRole('button', { name: '#346ed2' }).click();
  await closePanel(page);
  const finger = [{ ...around(middle, -100, -60), id: 1 }];
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: finger });
  await expect(page.locator('.loupe')).toBeVisible();
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await expect(page.locator('.loupe')).toHaveCount(0);
  await page.getByLabel('Symmetry').selectOption('none');
  await pen(cdp, line(around(middle, -100, 100), around(middle, 100, 100)), () => 0.9);
  await expect
    .poll(() => inkAt(page, ...share(0, 100)), { message: 'in the colour under the finger' })
    .toBeLessThan(150);

  const left = async (selector: string) => (await page.locator(selector).boundingBox())?.x ?? 0;
  expect(await left('.studio .rail')).toBeLessThan(await left('canvas.surface'));
  await openPanel(page, 'Sketches');
  await page.getByLabel('Left-handed layout').check();
  await closePanel(page);
  await expect.poll(() => left('.studio .rail')).toBeGreaterThan(await left('canvas.surface'));
});

test('a storm of undo and redo ends where it began', async ({ app, page }) => {
  await openStudio(page, app.url);
  const middle = await centre(page);
  for (let i = 0; i < 8; i++) {
    await page.mouse.move(middle.x - 140, middle.y - 120 + 30 * i);
    await page.mouse.down();
    await page.mouse.move(middle.x + 140, middle.y - 100 + 30 * i, { steps: 6 });
    await page.mouse.up();
  }
  await expect.poll(() => darkPixels(page)).toBeGreaterThan(1000);
  const drawn = await darkPixels(page);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 12; i++) await page.keyboard.press('Control+z');
    await expect.poll(() => darkPixels(page)).toBe(0);
    for (let i = 0; i < 12; i++) await page.keyboard.press('Control+Shift+Z');
    await expect.poll(() => darkPixels(page)).toBe(drawn);
  }
  await expect(page.getByRole('button', { name: 'Redo' })).toBeDisabled();
});

test('a reload in the middle of a stroke brings back what was finished', async ({ app, page }) => {
  await openStudio(page, app.url);
  const cdp = await page.context().newCDPSession(page);
  const middle = await centre(page);
  await pen(cdp, line(around(middle, -150, -60), around(middle, 150, -60)), () => 0.8);
  await expect.poll(() => darkPixels(page)).toBeGreaterThan(100);
  const finished = await darkPixels(page);
  await pen(cdp, line(around(middle, -150, 60), around(middle, 150, 60)), () => 0.8, false);
  await expect.poll(() => darkPixels(page)).toBeGreaterThan(finished);
  await page.waitForTimeout(1200);
  await page.reload();
  await expect(surface(page)).toBeVisible();
  await expect.poll(() => darkPixels(page)).toBe(finished);
});

test('the picture follows the sketch, and becomes a layer', async ({ app, page }) => {
  await openStudio(page, app.url);
  await page.getByLabel('Prompt', { exact: true }).fill('a red apple, 3d');
  const middle = await centre(page);
  await page.getByRole('switch', { name: 'Live' }).click();
  await page.mouse.move(middle.x - 100, middle.y);
  await page.mouse.down();
  await page.mouse.move(middle.x + 100, middle.y + 10, { steps: 10 });
  await page.mouse.up();
  const picture = page.locator('.live-picture');
  await expect(picture).toBeVisible();
  const first = await picture.getAttribute('src');
  await page.mouse.move(middle.x, middle.y - 100);
  await page.mouse.down();
  await page.mouse.move(middle.x + 10, middle.y + 100, { steps: 10 });
  await page.mouse.up();
  await expect.poll(() => picture.getAttribute('src')).not.toBe(first);
  await page.getByRole('switch', { name: 'Live' }).click();
  await expect(page.getByText('Live is off')).toBeVisible();
  await page.getByRole('button', { name: 'Use as a layer' }).click();
  await page.getByRole('button', { name: 'Layers' }).click();
  await expect(page.getByRole('button', { name: /^Result \d+/ })).toHaveAttribute('aria-pressed', 'true');
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByRole('button', { name: /^Result \d+/ })).toHaveCount(0);
});

test('what the mask leaves out stays as it was drawn', async ({ app, page }) => {
  await openStudio(page, app.url);
  const middle = await centre(page);
  await openPanel(page, 'Colour');
  await page.getByRole('button', { name: '#346ed2' }).click();
  await closePanel(page);
  await page.getByRole('button', { name: 'Fill', exact: true }).click();
  await page.mouse.click(middle.x, middle.y);
  const blue = 0x34 + 0x6e + 0xd2;
  await expect.poll(() => inkAt(page, 0.5, 0.2)).toBe(blue);
  await page.getByRole('button', { name: /^Mask brush/ }).click();
  await page.mouse.move(middle.x - 30, middle.y);
  await page.mouse.down();
  await page.mouse.move(middle.x + 30, middle.y, { steps: 5 });
  await page.mouse.up();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await page.getByLabel('Feather').fill('6');
  await expect(page.getByText('Feather · 6 px')).toBeVisible();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await openPanel(page, 'Parameters');
  await page.locator('#steps').fill('3');
  await page.locator('#steps').press('Tab');
  await closePanel(page);
  await app.generateButton.click();
  await expect(page.locator('.live-picture')).toBeVisible();
  await expect(app.generateButton).toBeVisible();
  await page.getByRole('button', { name: 'Use as a layer' }).click();
  await page.getByRole('button', { name: 'Layers' }).click();
  await expect(page.getByRole('button', { name: /^Result \d+/ })).toBeVisible();
  // Far from the mask the picture is the sketch, up to the rounding of scaling.
  await expect.poll(async () => Math.abs((await inkAt(page, 0.5, 0.2)) - blue)).toBeLessThan(12);
});

test('brush, fill and view can be set without gestures; layers leave and come back as a PSD', async ({ app, page }) => {
  await openStudio(page, app.url);
  await openPanel(page, 'Brush settings');
  await page.getByLabel('Stabiliser').selectOption('string');
  await page.getByLabel('Hardness').fill('20');
  await closePanel(page);
  const middle = await centre(page);
  await page.mouse.move(middle.x - 120, middle.y);
  await page.mouse.down();
  await page.mouse.move(middle.x + 120, middle.y, { steps: 12 });
  await page.mouse.up();
  await expect.poll(() => darkPixels(page)).toBeGreaterThan(300);
  const level = await darkPixels(page);

  await openPanel(page, 'View');
  for (let i = 0; i < 6; i++) await page.getByRole('button', { name: 'Turn right' }).click();
  await closePanel(page);
  // A quarter turn: the line stands now.
  await expect.poll(() => inkAt(page, 0.5, 0.55)).toBeLessThan(300);
  await page.keyboard.press('0');
  await expect.poll(() => darkPixels(page)).toBe(level);

  await page.getByRole('button', { name: 'Fill', exact: true }).click();
  await openPanel(page, 'Fill settings');
  await page.getByLabel('Tolerance').fill('255');
  await expect(page.locator('.studio-popup')).toContainText('255');
  await closePanel(page);
  await page.mouse.click(middle.x, middle.y - 100);
  await expect.poll(() => darkPixels(page), { message: 'all colours count as one' }).toBeGreaterThan(20 * level);
  await page.keyboard.press('Control+z');
  await expect.poll(() => darkPixels(page)).toBe(level);

  await openPanel(page, 'Sketches');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'PSD', exact: true }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('sketch.psd');
  const path = await download.path();
  const photo = { name: 'photo.png', mimeType: 'image/png', buffer: await surface(page).screenshot() };
  await page.getByRole('button', { name: 'New', exact: true }).click();
  await expect.poll(() => darkPixels(page)).toBe(0);
  await openPanel(page, 'Sketches');
  // A camera hands over a file as well.
  await page.getByLabel('Take a photo').setInputFiles(photo);
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await expect(page.getByRole('button', { name: 'photo', exact: true })).toHaveAttribute('aria-pressed', 'true');
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await openPanel(page, 'Sketches');
  await page
    .locator('input[accept*=".psd"]')
    .setInputFiles({ name: 'back.psd', mimeType: 'image/vnd.adobe.photoshop', buffer: readFileSync(path) });
  await expect.poll(() => darkPixels(page)).toBe(level);
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Paint 1', exact: true })).toBeVisible();
});
