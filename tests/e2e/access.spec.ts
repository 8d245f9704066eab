import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, test } from './app';
import { layoutFaults } from './layout_faults';

const PAGES = ['', 'gallery', 'models', 'queue', 'engine', 'settings'] as const;
const LOOKS = [
  { name: 'light', media: { colorScheme: 'light' } },
  { name: 'dark', media: { colorScheme: 'dark' } },
  { name: 'forced colours', media: { colorScheme: 'dark', forcedColors: 'active' } },
] as const;

const SCREENS = [
  { width: 1280, height: 800 },
  { width: 820, height: 1180 },
  { width: 1180, height: 820 },
  { width: 390, height: 844 },
] as const;

const link = (page: Page, path: string) => page.locator(`nav a[href$="/${path}"]`);

for (const path of PAGES) {
  test(`${path || 'create'}: no findings of axe, in light, dark and forced colours`, async ({ page, appUrl }) => {
    await page.goto(appUrl + path);
    await expect(page.getByRole('navigation')).toBeVisible();
    await page.waitForTimeout(500);
    for (const { name, media } of LOOKS) {
      await page.emulateMedia(media);
      const { violations } = await new AxeBuilder({ page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'])
        .analyze();
      const found = violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`,
      );
      expect(found, name).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: 'light', forcedColors: 'none' });
    // 200 % zoom of a 1280 px window: nothing may need sideways scrolling.
    await page.setViewportSize({ width: 640, height: 400 });
    const wide = await page.evaluate(() => {
      const main = document.querySelector('main');
      return Math.max(
        document.documentElement.scrollWidth - innerWidth,
        (main?.scrollWidth ?? 0) - (main?.clientWidth ?? 0),
      );
    });
    expect(wide, 'pixels that stick out at 200 %').toBeLessThanOrEqual(0);
  });
}

test('buttons, fields and links are large enough to touch', async ({ page, appUrl }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of PAGES) {
    await page.goto(appUrl + path);
    await expect(page.getByRole('navigation')).toBeVisible();
    const small = await page.evaluate(() =>
      [
        ...document.querySelectorAll<HTMLElement>(
          'button, a[href], select, textarea, summary, input:not([type=checkbox]):not([type=radio])',
        ),
      ]
        .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.matches('.skip'))
        .map((element) => ({ name: element.outerHTML.slice(0, 80), box: element.getBoundingClientRect() }))
        .filter(({ box }) => box.height > 0 && box.height < 43.5)
        .map(({ name, box }) => `${name} ${Math.round(box.width)}x${Math.round(box.height)}`),
    );
    expect(small, path || 'create').toEqual([]);
  }
});

test('nothing leaves its place at four sizes, in German and from right to left', async ({ page, appUrl }) => {
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

test('the keyboard alone makes a picture and reaches it in the gallery', async ({ app, page }) => {
  await app.open();
  await app.prompt.focus();
  await page.keyboard.type('a red apple, 3d');
  await page.locator('#steps').fill('2');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Control+Enter');
  await expect(page.getByRole('status').filter({ hasText: 'The picture is ready.' })).toHaveCount(1);
  await page.keyboard.press('Control+k');
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
