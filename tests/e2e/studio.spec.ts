import type { Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import type { InkReadings } from '../../src/lib/ui/studio/ink_meter';
import { expect, test } from './app';
import {
  around,
  centre,
  closePanel,
  darkPixels,
  draw,
  inkAt,
  line,
  openPanel,
  openStudio,
  pen,
  surface,
  type Point,
} from './canvas_page';

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
  // The settings know it in a visit that never opens the canvas.
  await page.goto(`${app.url}settings`);
  await expect(page.locator('#left-handed')).toBeChecked();
});

test('shapes, a lasso, a transform by hand and by keys, blending; keys alone can be off', async ({ app, page }) => {
  await openStudio(page, app.url);
  const middle = await centre(page);
  const box = await surface(page).boundingBox();
  const ink = (dx: number, dy: number) => inkAt(page, 0.5 + dx / (box?.width ?? 1), 0.5 + dy / (box?.height ?? 1));
  const dark = (dx: number, dy: number, message: string) =>
    expect.poll(() => ink(dx, dy), { message }).toBeLessThan(300);
  const paper = (dx: number, dy: number, message: string) =>
    expect.poll(() => ink(dx, dy), { message }).toBeGreaterThan(700);

  await page.keyboard.press('u');
  await page.getByRole('button', { name: 'Ellipse', exact: true }).click();
  await page.getByRole('button', { name: 'Filled', exact: true }).click();
  await draw(page, around(middle, 60, 60), around(middle, 160, 160));
  await dark(110, 110, 'inside the ellipse');
  await paper(65, 65, 'outside of it');
  await page.getByRole('button', { name: 'Rectangle', exact: true }).click();
  await draw(page, around(middle, -160, -160), around(middle, -100, -100));
  await dark(-155, -155, 'the corner of the rectangle');
  const level = await darkPixels(page);

  await page.keyboard.press('m');
  await page.getByRole('button', { name: 'Lasso', exact: true }).click();
  await page.mouse.move(middle.x - 175, middle.y - 175);
  await page.mouse.down();
  for (const [dx, dy] of [
    [-90, -175],
    [-90, -90],
    [-175, -90],
  ] as const)
    await page.mouse.move(middle.x + dx, middle.y + dy, { steps: 4 });
  await page.mouse.up();
  const frame = page.getByRole('group', { name: 'Transform' });
  const transform = async () => {
    await page.getByRole('button', { name: 'Transform', exact: true }).click();
    await expect(frame).toBeFocused();
  };
  await transform();
  for (let i = 0; i < 20; i++) await page.keyboard.press('Shift+ArrowRight');
  await frame.getByRole('button', { name: 'Turn right' }).click();
  await frame.getByRole('button', { name: 'Larger' }).click();
  await page.keyboard.press('+');
  await frame.focus();
  await page.keyboard.press('Enter');
  await expect(frame).toHaveCount(0);
  await paper(-130, -130, 'it went away from here');
  await expect
    .poll(() => darkPixels(page), { message: 'and is larger, the ellipse is not' })
    .toBeGreaterThan(level * 1.05);
  await page.keyboard.press('Control+z');
  await dark(-130, -130, 'one step back');
  await transform();
  const corner = await frame.locator('.scale').nth(2).boundingBox();
  const grip = { x: (corner?.x ?? 0) + (corner?.width ?? 0) / 2, y: (corner?.y ?? 0) + (corner?.height ?? 0) / 2 };
  expect(corner?.width, 'as large as a fingertip').toBeGreaterThanOrEqual(44);
  await draw(page, grip, { x: grip.x + 40, y: grip.y + 40 });
  await dark(-85, -85, 'dragged larger');
  await page.keyboard.press('Escape');
  await expect(frame).toHaveCount(0);
  await expect.poll(() => darkPixels(page)).toBe(level);
  await page.keyboard.press('Control+d');

  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await page.keyboard.press('Control+Shift+N');
  await openPanel(page, 'Colour');
  await page.getByRole('button', { name: '#346ed2' }).click();
  await closePanel(page);
  await page.keyboard.press('Control+a');
  await page.keyboard.press('g');
  await openPanel(page, 'Fill settings');
  await page.getByLabel('Tolerance').fill('255');
  await closePanel(page);
  await page.mouse.click(middle.x, middle.y);
  const blue = 0x34 + 0x6e + 0xd2;
  await expect.poll(() => ink(110, 110), { message: 'covered' }).toBe(blue);
  await page.getByLabel('Blend mode').selectOption('multiply');
  await dark(110, 110, 'seen through');
  await page.getByLabel('Opacity', { exact: false }).last().fill('0');
  await paper(0, 0, 'of no weight');
  await page.keyboard.press('Control+z');
  await expect.poll(() => ink(0, 0)).toBe(blue);
  await page.keyboard.press('h');
  await paper(0, 0, 'hidden');

  await page.keyboard.press('?');
  const single = page.getByRole('checkbox', { name: 'Keys without Ctrl', exact: false });
  await single.focus();
  await page.keyboard.press('Space');
  await expect(single).not.toBeChecked();
  await page.keyboard.press('Escape');
  await page.keyboard.press('e');
  await expect(page.getByRole('button', { name: 'Fill', exact: true })).toHaveAttribute('aria-pressed', 'true');
  await page.keyboard.press('Control+z');
  await expect.poll(() => ink(0, 0), { message: 'keys with Ctrl stay' }).toBe(blue);
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

test('brush, fill and view can be set without gestures; layers leave and come back as a PSD', async ({ app, page }) => {
  await openStudio(page, app.url);
  await openPanel(page, 'Brush settings');
  await page.getByLabel('Stabiliser').selectOption('string');
  await page.getByLabel('Hardness').fill('20');
  await closePanel(page);
  const middle = await centre(page);
  await draw(page, around(middle, -120, 0), around(middle, 120, 0));
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

  // A soft selection lets less through at its edge than inside.
  await page.getByRole('button', { name: 'Select', exact: true }).click();
  await draw(page, around(middle, -150, -160), around(middle, 150, -60));
  await page.getByLabel('Feather').selectOption('8 px');
  await page.getByRole('button', { name: 'Fill', exact: true }).click();
  await page.mouse.click(middle.x, middle.y - 110);
  const box = await surface(page).boundingBox();
  const edge = () => inkAt(page, 0.5, 0.5 - 60 / (box?.height ?? 1));
  await expect.poll(edge, { message: 'neither paper nor ink' }).toBeLessThan(650);
  expect(await edge()).toBeGreaterThan(150);
  for (let i = 0; i < 3; i++) await page.keyboard.press('Control+z');
  await expect.poll(() => darkPixels(page)).toBe(level);

  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await page.getByRole('button', { name: 'Paint 1', exact: true }).press('F2');
  await page.getByLabel('Name', { exact: true }).fill('Line');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Line', exact: true })).toBeVisible();
  // Fingers have no F2.
  await page.getByRole('button', { name: 'Rename', exact: true }).click();
  await page.getByLabel('Name', { exact: true }).fill('Outline');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Outline', exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();

  await openPanel(page, 'Sketches');
  const exported = async (name: string) => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name, exact: true }).click(),
    ]);
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  };
  expect((await exported('PNG')).bytes.subarray(1, 4).toString('latin1')).toBe('PNG');
  expect((await exported('JPEG')).bytes.subarray(0, 2).toString('hex')).toBe('ffd8');
  expect((await exported('WebP')).bytes.subarray(8, 12).toString('latin1')).toBe('WEBP');
  const psd = await exported('PSD');
  expect(psd.name).toBe('sketch.psd');
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
    .setInputFiles({ name: 'back.psd', mimeType: 'image/vnd.adobe.photoshop', buffer: psd.bytes });
  await expect.poll(() => darkPixels(page)).toBe(level);
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Outline', exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();

  // The sketch before is among the others, with the photo on it.
  await openPanel(page, 'Sketches');
  await page
    .getByRole('button', { name: /^Untitled/ })
    .first()
    .click();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await expect(page.getByRole('button', { name: 'photo', exact: true })).toBeVisible();
  for (const type of ['paste', 'drop'] as const) {
    await surface(page).evaluate(
      (canvas, [type, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], `${type}.png`, { type: 'image/png' }));
        const init = { bubbles: true, cancelable: true };
        canvas.dispatchEvent(
          type === 'paste'
            ? new ClipboardEvent('paste', { ...init, clipboardData: data })
            : new DragEvent('drop', { ...init, dataTransfer: data }),
        );
      },
      [type, [...photo.buffer]] as const,
    );
    await expect(page.getByRole('button', { name: type, exact: true })).toHaveAttribute('aria-pressed', 'true');
  }
});
