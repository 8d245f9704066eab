/** The studio's canvas as tests see and touch it. */
import type { CDPSession, Page } from '@playwright/test';
import { expect } from './app';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export const surface = (page: Page) => page.locator('canvas.surface');

export async function openStudio(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByRole('radio', { name: 'Sketch' }).click();
  await expect(surface(page)).toBeVisible();
  // The picture is fitted once the layout rests.
  await expect.poll(() => inkAt(page, 0.5, 0.5)).not.toBe(0);
}

/** Centre of the surface, CSS pixels of the page. */
export async function centre(page: Page): Promise<Point> {
  const box = await surface(page).boundingBox();
  if (!box) throw new Error('the canvas has no box');
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Sum of red, green and blue that the visible canvas shows at a share of its size; 0 outside the document. */
export function inkAt(page: Page, shareX: number, shareY: number): Promise<number> {
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
export function darkPixels(page: Page): Promise<number> {
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

export async function pen(cdp: CDPSession, points: readonly Point[], force: (i: number) => number, lift = true) {
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

export const line = (from: Point, to: Point, count = 40): Point[] =>
  Array.from({ length: count + 1 }, (_, i) => ({
    x: from.x + ((to.x - from.x) * i) / count,
    y: from.y + ((to.y - from.y) * i) / count,
  }));

export const around = ({ x, y }: Point, dx: number, dy: number): Point => ({ x: x + dx, y: y + dy });

/** Closes the panel that is open; nothing is pressed through it. */
export async function closePanel(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
  await expect(page.locator('.studio-popup')).toHaveCount(0);
}

/** Opens a panel of the studio and waits until its focus has settled, so that nothing closes it again. */
export async function openPanel(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click();
  await expect(page.locator('.studio-popup:focus-within')).toBeVisible();
}

/** A stroke with the mouse. */
export async function draw(page: Page, from: Point, to: Point): Promise<void> {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(to.x, to.y, { steps: 10 });
  await page.mouse.up();
}
