/**
 * Every page and every panel that opens on one: axe in light, dark and forced colours, targets for fingers, 200 % zoom,
 * and the layout at four sizes in a long and a right-to-left language.
 */
import type { Page } from '@playwright/test';
import { expect, test } from './app';
import { axeFindings } from './axe_findings';
import { foreignWords } from './foreign_words';
import { layoutFaults } from './layout_faults';

const SCREENS = [
  { width: 1280, height: 800 },
  { width: 820, height: 1180 },
  { width: 1180, height: 820 },
  { width: 390, height: 844 },
] as const;

const link = (page: Page, path: string) => page.locator(`nav a[href$="/${path}"]`);

const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true });

/** What opens on a page: how, and the part that it shows. Closed by Escape, unless it says how. */
interface Panel {
  readonly name: string;
  readonly part: string;
  readonly open: (page: Page) => Promise<void>;
  readonly close?: (page: Page) => Promise<void>;
}

const popup = (name: string): Panel => ({ name, part: '.studio-popup', open: (page) => button(page, name).click() });
const drawer = (name: string, part: string): Panel => {
  const toggle = (page: Page) => button(page, name).click();
  return { name, part, open: toggle, close: toggle };
};
const stays = () => Promise.resolve();

/** An opened group may bring closed ones of its own. */
const openGroups = (page: Page) =>
  page.evaluate(async () => {
    const closed = '.controls [aria-expanded=false]:not([aria-controls=prompt-tool])';
    for (let round = 0; round < 3; round++) {
      for (const group of document.querySelectorAll<HTMLElement>(closed)) group.click();
      await new Promise(requestAnimationFrame);
    }
  });

const PLACES: readonly { readonly path: string; readonly panels: readonly Panel[] }[] = [
  {
    path: '',
    panels: [
      drawer('Styles', '#prompt-tool'),
      drawer('Presets', '#prompt-tool'),
      drawer('History', '#prompt-tool'),
      {
        name: 'every group of settings',
        part: '.controls',
        open: async (page) => {
          for (const name of ['Hires fix', 'Variation']) await page.getByRole('switch', { name, exact: true }).click();
          await openGroups(page);
        },
        close: stays,
      },
      { name: 'palette', part: 'dialog[open]', open: (page) => page.keyboard.press('Control+k') },
    ],
  },
  {
    path: 'gallery',
    panels: [
      {
        name: 'selection',
        part: '.gallery .chosen',
        open: (page) => page.locator('.scroller input').first().check(),
        close: (page) => page.locator('.scroller input').first().uncheck(),
      },
      { name: 'picture', part: 'dialog[open]', open: (page) => page.locator('.scroller .open').first().click() },
    ],
  },
  {
    path: 'models',
    panels: [
      {
        name: 'details',
        part: 'article',
        open: (page) => page.getByRole('article').getByText('Details', { exact: true }).first().click(),
        close: stays,
      },
    ],
  },
  { path: 'queue', panels: [] },
  { path: 'engine', panels: [] },
  { path: 'settings', panels: [] },
];

const STUDIO_PANELS: readonly Panel[] = [
  ...['Brush settings', 'Colour', 'View', 'Sketches', 'Parameters'].map(popup),
  drawer('Layers', '.layers'),
  { name: 'help', part: '[role=dialog]', open: (page) => page.keyboard.press('?') },
];

test('every page and every panel: no findings of axe, targets for fingers, 200 % zoom', async ({ app, page }) => {
  const found: string[] = [];
  const note = (where: string, faults: readonly string[]) => found.push(...faults.map((fault) => `${where}: ${fault}`));

  async function look(where: string, panels: readonly Panel[]) {
    note(where, await axeFindings(page, 'body'));
    // 200 % of a 1280 px window, then a phone.
    await page.setViewportSize({ width: 640, height: 400 });
    note(`${where} at 200 %`, await layoutFaults(page));
    await page.setViewportSize({ width: 390, height: 844 });
    note(`${where} on a phone`, await layoutFaults(page, { touch: true }));
    await page.setViewportSize({ width: 1280, height: 800 });
    for (const { name, part, open, close } of panels) {
      await open(page);
      await expect(page.locator(part).first()).toBeVisible();
      note(`${where}, ${name}`, await axeFindings(page, part));
      if (close) await close(page);
      else {
        await page.keyboard.press('Escape');
        await expect(page.locator(part)).toHaveCount(0);
      }
    }
  }

  await app.open();
  await app.generate({ prompt: 'a red apple', seed: 1, steps: 1 });
  await page.getByRole('radio', { name: 'Sketch' }).click();
  await expect(page.locator('canvas.surface')).toBeVisible();
  await look('sketch', STUDIO_PANELS);
  await page.getByRole('radio', { name: 'Prompt' }).click();
  for (const { path, panels } of PLACES) {
    await link(page, path).click();
    await expect(link(page, path)).toHaveAttribute('aria-current', 'page');
    await look(path || 'create', panels);
  }
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Type what you want to do' }).fill('upscale');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Upscale' })).toBeVisible();
  await look('upscale', []);
  expect(found).toEqual([]);
});

test('nothing leaves its place at four sizes, in German and from right to left, and nothing stays English', async ({
  page,
  appUrl,
}) => {
  const found: string[] = [];
  await page.goto(`${appUrl}settings`);
  for (const language of ['de', 'ar']) {
    await page.locator('#language').selectOption(language);
    await expect(page.locator('html')).toHaveAttribute('lang', language);
    const visits = ['', 'sketch', 'gallery', 'models', 'queue', 'engine', 'settings'];
    for (const path of visits) {
      if (path === 'sketch') {
        await page.getByRole('radio').last().click();
        await expect(page.locator('canvas.surface')).toBeVisible();
      } else {
        await link(page, path).click();
        await expect(link(page, path)).toHaveAttribute('aria-current', 'page');
        if (path === '') await page.getByRole('radio').first().click();
      }
      if (language === 'ar') {
        if (path === '') await openGroups(page);
        found.push(...(await foreignWords(page)).map((text) => `${path || 'create'} is not all in Arabic: ${text}`));
      }
      for (const { width, height } of SCREENS) {
        await page.setViewportSize({ width, height });
        const faults = await layoutFaults(page);
        found.push(...faults.map((fault) => `${language}, ${path || 'create'}, ${width}x${height}: ${fault}`));
      }
    }
  }
  await expect(page.locator('html')).toHaveAttribute('dir', 'rtl');
  expect(found).toEqual([]);
});

test('the keyboard alone makes a picture and reaches it in the gallery, without motion for who wants none', async ({
  app,
  page,
}) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await app.open();
  await app.prompt.focus();
  await page.keyboard.type('a red apple, 3d');
  await page.locator('#steps').fill('2');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Control+Enter');
  await expect(page.getByRole('button', { name: 'Stop' })).toBeVisible();
  const moving = () =>
    page.evaluate(
      () => document.getAnimations().filter(({ effect }) => Number(effect?.getTiming().duration) > 1).length,
    );
  expect(await moving()).toBe(0);
  await expect(page.getByRole('status').filter({ hasText: 'The picture is ready.' })).toHaveCount(1);
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: 'Type what you want to do' })).toBeFocused();
  await page.keyboard.type('gallery');
  await page.keyboard.press('Enter');
  const picture = page.getByRole('button', { name: 'Generated picture: a red apple, 3d' });
  await expect(picture).toBeVisible();
  await picture.focus();
  await page.keyboard.press('s');
  await expect(page.getByLabel('Favourite', { exact: true })).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'Settings of this picture' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.keyboard.press('Delete');
  await expect(page.getByText('1 picture deleted')).toBeVisible();
});
