import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildDir, expect, test } from './app';

interface Manifest {
  readonly icons: readonly { readonly src: string; readonly purpose: string }[];
  readonly screenshots: readonly { readonly src: string; readonly form_factor: string }[];
  readonly shortcuts: readonly { readonly url: string }[];
  readonly file_handlers: readonly { readonly action: string; readonly accept: Readonly<Record<string, string[]>> }[];
}

test('the manifest names files and pages that exist', async ({ page, appUrl }) => {
  const manifest = (await (await page.request.get(`${appUrl}manifest.webmanifest`)).json()) as Manifest;
  for (const { src } of [...manifest.icons, ...manifest.screenshots])
    expect(existsSync(join(buildDir, src)), src).toBe(true);
  expect(manifest.icons.some((icon) => icon.purpose === 'maskable')).toBe(true);
  expect(new Set(manifest.screenshots.map((shot) => shot.form_factor))).toEqual(new Set(['wide', 'narrow']));
  for (const { url } of manifest.shortcuts) {
    await page.goto(new URL(url, appUrl).href);
    await expect(page.getByRole('navigation').locator('[aria-current=page]')).toHaveCount(1);
  }
  expect(manifest.file_handlers.flatMap(({ accept }) => Object.values(accept).flat())).toContain('.safetensors');
});

test('every page opens without a network after the first visit', async ({ app, page, context }) => {
  await app.open();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  await context.setOffline(true);
  for (const path of ['gallery', 'models', 'queue', 'settings', 'engine']) {
    await page.goto(app.url + path);
    await expect(page.locator('main h1')).toHaveCount(1);
  }
  await context.setOffline(false);
});
