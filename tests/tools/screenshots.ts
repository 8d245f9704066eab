/**
 * `npm run screenshots -- DIR [NAME…]`: every page of the built app on a desktop, a tablet both ways and a phone, light
 * and dark, as PNG files to look at. NAME takes only pictures whose names contain it, for example `phone` or `gallery`.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { chromium, type Page } from 'playwright';
import { ensureChromium } from './chromium.mjs';
import { serveApp } from './serve.mjs';

const SCREENS = [
  { name: 'desktop', width: 1280, height: 800, touch: false },
  { name: 'portrait', width: 820, height: 1180, touch: true },
  { name: 'landscape', width: 1180, height: 820, touch: true },
  { name: 'phone', width: 390, height: 844, touch: true },
] as const;

const THEMES = ['light', 'dark'] as const;

/** What is done before a picture; later ones go on where the one before ended. */
const SCENES: readonly {
  readonly name: string;
  readonly path?: string;
  readonly run?: (page: Page) => Promise<void>;
}[] = [
  { name: '1-create', path: '' },
  { name: '2-result', run: makePicture },
  { name: '3-settings-open', run: (page) => openGroups(page) },
  { name: '4-studio', path: '?mode=sketch', run: drawApple },
  { name: '5-studio-brush', run: (page) => press(page, 'Brush settings') },
  { name: '6-studio-layers', run: (page) => press(page, 'Layers') },
  { name: '7-studio-live', run: goLive },
  { name: '8-gallery', path: 'gallery' },
  { name: '9-picture', run: (page) => page.locator('.scroller .open').first().click() },
  { name: '10-models', path: 'models' },
  { name: '11-queue', path: 'queue' },
  { name: '12-settings', path: 'settings' },
  { name: '13-engine', path: 'engine' },
];

async function ready(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Generate', exact: true }).and(page.locator(':enabled')).waitFor();
}

async function makePicture(page: Page): Promise<void> {
  await ready(page);
  await page.getByLabel('Prompt', { exact: true }).fill('a red apple, 3d');
  for (const seed of ['7', '8']) {
    await page.locator('#seed').fill(seed);
    await page.locator('#steps').fill('8');
    await page.locator('#steps').press('Tab');
    await page.getByRole('button', { name: 'Generate', exact: true }).click();
    await page.getByRole('button', { name: 'Stop' }).waitFor();
    await ready(page);
  }
}

async function openGroups(page: Page): Promise<void> {
  for (const name of ['Hires fix', 'Variation']) await page.getByRole('switch', { name }).click();
  await page.getByRole('switch', { name: 'Hires fix' }).scrollIntoViewIfNeeded();
}

async function press(page: Page, name: string): Promise<void> {
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name, exact: true }).click();
}

async function drawApple(page: Page): Promise<void> {
  await ready(page);
  const box = await page.locator('canvas.surface').boundingBox();
  if (!box) return;
  const [x, y, radius] = [box.x + box.width / 2, box.y + box.height / 2, Math.min(box.width, box.height) * 0.22];
  await page.mouse.move(x, y - 0.8 * radius);
  await page.mouse.down();
  for (let i = 1; i <= 40; i++) {
    const angle = (2 * Math.PI * i) / 40 - Math.PI / 2;
    await page.mouse.move(x + radius * Math.cos(angle), y + 0.9 * radius * Math.sin(angle));
  }
  await page.mouse.up();
}

async function goLive(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
  await page.getByRole('switch', { name: 'Live' }).click();
  await page.getByText('Refined', { exact: true }).waitFor();
}

async function main(words: readonly string[]): Promise<void> {
  const [folder, ...wanted] = words;
  if (!folder || folder === '--help') {
    console.log('npm run screenshots -- DIR [NAME...]   pictures of every page; build first');
    process.exit(folder ? 0 : 2);
  }
  mkdirSync(folder, { recursive: true });
  const server = await serveApp({ folder: resolve(import.meta.dirname, '../../build'), port: 4600 });
  const browser = await chromium.launch({ executablePath: await ensureChromium(), args: ['--no-sandbox'] });
  const fits = (name: string) => wanted.length === 0 || wanted.some((word) => name.includes(word));
  for (const { name: screen, width, height, touch } of SCREENS) {
    for (const colorScheme of THEMES) {
      if (!SCENES.some((scene) => fits(`${screen}-${colorScheme}-${scene.name}`))) continue;
      const context = await browser.newContext({ viewport: { width, height }, hasTouch: touch, colorScheme });
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      for (const { name, path, run } of SCENES) {
        if (path !== undefined) await page.goto(server.url + path, { waitUntil: 'networkidle' });
        await run?.(page);
        const file = `${screen}-${colorScheme}-${name}`;
        if (fits(file)) await page.screenshot({ path: join(folder, `${file}.png`), animations: 'disabled' });
      }
      await context.close();
    }
  }
  await browser.close();
  server.close();
  console.log(`pictures in ${folder}`);
}

await main(process.argv.slice(2));
