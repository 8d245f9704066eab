/** Pictures of a sketch: while it is drawn, and of the part that a mask names. */
import type { Page } from '@playwright/test';
import { expect, test } from './app';
import { around, centre, closePanel, draw, inkAt, openPanel, openStudio } from './canvas_page';

/** Texts of every picture that the pane has shown since; drafts are replaced too soon to be read one by one. */
function recordPictures(page: Page): Promise<void> {
  return page.evaluate(() => {
    const texts: string[] = [];
    Object.assign(window, { shownTexts: texts });
    let last: string | null | undefined;
    new MutationObserver(() => {
      const src = document.querySelector('.live-picture')?.getAttribute('src');
      if (!src || src === last) return;
      last = src;
      void fetch(src)
        .then((file) => file.text())
        .then((text) => texts.push(text));
    }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['src'] });
  });
}

const shownTexts = (page: Page) => page.evaluate(() => (window as unknown as { shownTexts: string[] }).shownTexts);

async function setParameters(page: Page, values: Readonly<Record<string, string>>): Promise<void> {
  await openPanel(page, 'Parameters');
  for (const [id, value] of Object.entries(values)) {
    await page.locator(`#${id}`).fill(value);
    await page.locator(`#${id}`).press('Tab');
    await expect(page.locator(`#${id}`)).toHaveValue(value);
  }
  await closePanel(page);
}

test('the picture follows ink, words and another idea; ideas stay, are compared and become layers', async ({
  app,
  page,
}) => {
  await openStudio(page, app.url);
  // A model that opens later brings its own size.
  await app.ready();
  await setParameters(page, { widthPx: '192', heightPx: '192', steps: '4' });
  await page.getByLabel('Strength').fill('0.35');
  await app.prompt.fill('a red apple, 3d');
  await recordPictures(page);
  const middle = await centre(page);
  const live = page.getByRole('switch', { name: 'Live' });
  const refined = page.getByText('Refined', { exact: true });
  await live.click();
  await draw(page, around(middle, -150, -150), around(middle, 150, -140));
  await expect(refined).toBeVisible();

  // Only the corner changed: its draft is that part alone, and the rested pen gets a whole picture again.
  await draw(page, around(middle, 120, 120), around(middle, 150, 150));
  await expect(refined).toHaveCount(0);
  await expect(refined).toBeVisible();
  await expect
    .poll(async () => (await shownTexts(page)).filter((text) => text.includes('Live region: ')).length)
    .toBeGreaterThan(0);
  expect((await shownTexts(page)).at(-1)).not.toContain('Live region');

  const count = async () => (await shownTexts(page)).length;
  const next = async (change: () => Promise<void>): Promise<string> => {
    const before = await count();
    await change();
    await expect.poll(count).toBeGreaterThan(before);
    await expect(refined).toBeVisible();
    return (await shownTexts(page)).at(-1) ?? '';
  };
  expect(await next(() => app.prompt.fill('a blue car, 3d'))).toContain('a blue car, 3d');
  const seedOf = (text: string) => /Seed: (\d+)/.exec(text)?.[1];
  const [older] = (await shownTexts(page)).slice(-1).map(seedOf);
  const other = await next(() => page.getByRole('button', { name: 'Another idea' }).click());
  expect(seedOf(other)).not.toBe(older);

  await live.click();
  await expect(page.getByText('Live is off')).toBeVisible();
  const picture = page.locator('.live-picture');
  const newest = await picture.getAttribute('src');
  const ideas = page.getByRole('list', { name: 'Ideas so far' }).getByRole('button');
  expect(await ideas.count()).toBeGreaterThanOrEqual(3);
  await ideas.last().click();
  expect(await picture.getAttribute('src')).not.toBe(newest);
  await expect(ideas.last()).toHaveAttribute('aria-pressed', 'true');
  await ideas.first().click();
  await expect(picture).toHaveAttribute('src', newest ?? '');

  const overlay = page.locator('.overlay img');
  await page.locator('.enlarge').click();
  await expect(overlay).toHaveCSS('clip-path', /^inset\(0px 0%/);
  await page.getByRole('slider', { name: 'Compare on the canvas' }).fill('0.5');
  await expect(overlay).toHaveCSS('clip-path', /^inset\(0px 50%/);
  await page.getByRole('button', { name: 'Compare on the canvas' }).click();
  await expect(overlay).toHaveCount(0);

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
  await draw(page, around(middle, -30, 0), around(middle, 30, 0));
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await page.getByLabel('Feather').fill('6');
  await expect(page.getByText('Feather · 6 px')).toBeVisible();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await app.ready();
  await setParameters(page, { steps: '3' });
  await app.generateButton.click();
  await expect(page.locator('.live-picture')).toBeVisible();
  await expect(app.generateButton).toBeVisible();
  await page.getByRole('button', { name: 'Use as a layer' }).click();
  await page.getByRole('button', { name: 'Layers' }).click();
  await expect(page.getByRole('button', { name: /^Result \d+/ })).toBeVisible();
  // Far from the mask the picture is the sketch, up to the rounding of scaling.
  await expect.poll(async () => Math.abs((await inkAt(page, 0.5, 0.2)) - blue)).toBeLessThan(12);
});
