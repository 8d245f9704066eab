import { appendFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { writePsdUint8Array } from 'ag-psd';
import isolationHeaders from '../../src/lib/base/isolation_headers.json' with { type: 'json' };
import { serveApp } from '../tools/serve.mjs';
import { AppPage, buildDir, expect, test } from './app';

test.use({ installable: true });

interface Manifest {
  readonly icons: readonly { readonly src: string; readonly purpose: string }[];
  readonly screenshots: readonly { readonly src: string; readonly form_factor: string }[];
  readonly shortcuts: readonly { readonly url: string }[];
  readonly share_target: { readonly action: string; readonly method: string };
  readonly file_handlers: readonly { readonly action: string; readonly accept: Readonly<Record<string, string[]>> }[];
}

test('the manifest names files and pages that exist, and the browser would install the app', async ({
  page,
  appUrl,
}) => {
  const manifest = (await (await page.request.get(`${appUrl}manifest.webmanifest`)).json()) as Manifest;
  for (const { src } of [...manifest.icons, ...manifest.screenshots])
    expect(existsSync(join(buildDir, src)), src).toBe(true);
  expect(manifest.icons.some((icon) => icon.purpose === 'maskable')).toBe(true);
  expect(new Set(manifest.screenshots.map((shot) => shot.form_factor))).toEqual(new Set(['wide', 'narrow']));
  for (const { url } of manifest.shortcuts) {
    await page.goto(new URL(url, appUrl).href);
    await expect(page.getByRole('navigation').locator('[aria-current=page]')).toHaveCount(1);
  }
  expect(manifest.share_target).toMatchObject({ action: './share', method: 'POST' });
  const opened = manifest.file_handlers.flatMap(({ accept }) => Object.values(accept).flat());
  expect(opened).toEqual(expect.arrayContaining(['.png', '.psd', '.safetensors', '.gguf']));
  const cdp = await page.context().newCDPSession(page);
  const { errors } = await cdp.send('Page.getAppManifest');
  expect(errors).toEqual([]);
  const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
  // Tests run in a private window, where nothing installs.
  expect(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito')).toEqual([]);
});

test('without a network after the first visit every page opens, the app draws, and takes what other apps share', async ({
  app,
  page,
  context,
}) => {
  await app.open();
  await controlled(page);
  const photo = await page.screenshot({ clip: { x: 0, y: 0, width: 64, height: 48 } });
  await context.setOffline(true);
  for (const path of ['gallery', 'models', 'queue', 'settings', 'engine']) {
    await page.goto(app.url + path);
    await expect(page.locator('main h1')).toHaveCount(1);
  }
  await app.open();
  // Nobody looks when it ends: told by the service worker, the only way on phones.
  await context.grantPermissions(['notifications']);
  await page.reload();
  await app.ready();
  await page.evaluate(() => Object.defineProperty(document, 'visibilityState', { value: 'hidden' }));
  await app.generate({ prompt: 'a red apple, 3d', seed: 3, steps: 2 });
  await expect
    .poll(() =>
      page.evaluate(async () => {
        const registration = await navigator.serviceWorker.getRegistration();
        return (await registration?.getNotifications())?.map(({ title }) => title);
      }),
    )
    .toEqual(['Pictures are ready']);

  await share(page, { title: '', text: 'a red apple on a table' }, undefined);
  await expect(app.prompt).toHaveValue('a red apple on a table');
  await share(page, {}, photo);
  await expect(page.locator('canvas.surface')).toBeVisible();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await expect(page.getByRole('button', { name: 'photo.png' })).toBeVisible();
  await context.setOffline(false);
});

test('the header file for hosts holds the isolation headers', () => {
  const text = readFileSync(join(buildDir, '_headers'), 'utf8');
  for (const [name, value] of Object.entries(isolationHeaders)) expect(text).toContain(`${name}: ${value}`);
});

async function controlled(page: Page): Promise<void> {
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
}

/** What the system does when another app shares with this one. */
function share(page: Page, texts: Readonly<Record<string, string>>, png: Buffer | undefined): Promise<void> {
  return page.evaluate(
    ([fields, bytes]) => {
      const form = Object.assign(document.createElement('form'), {
        method: 'post',
        enctype: 'multipart/form-data',
        action: 'share',
      });
      for (const [name, value] of Object.entries(fields)) {
        form.append(Object.assign(document.createElement('input'), { name, value }));
      }
      if (bytes) {
        const files = new DataTransfer();
        files.items.add(new File([new Uint8Array(bytes)], 'photo.png', { type: 'image/png' }));
        form.append(
          Object.assign(document.createElement('input'), { type: 'file', name: 'files', files: files.files }),
        );
      }
      document.body.append(form);
      form.submit();
    },
    [texts, png && [...png]] as const,
  );
}

test('files that the system opens with the app: a photo and a PSD to draw on, a model refused where models are', async ({
  page,
  appUrl,
}) => {
  await page.addInitScript(() => {
    const opened: unknown[] = [];
    const setConsumer = (consumer: unknown) => Object.assign(window, { openWith: consumer, opened });
    Object.defineProperty(window, 'launchQueue', { value: { setConsumer } });
  });
  await page.goto(appUrl);
  const open = (name: string, bytes: Buffer) =>
    page.evaluate(
      ([name, bytes]) => {
        const { openWith } = window as unknown as { openWith: (launch: { files: unknown[] }) => void };
        openWith({ files: [{ getFile: () => Promise.resolve(new File([new Uint8Array(bytes)], name)) }] });
      },
      [name, [...bytes]] as const,
    );
  await expect.poll(() => page.evaluate(() => 'openWith' in window)).toBe(true);
  await open('cut.gguf', Buffer.from('GGUF\x03\0\0\0\xff', 'latin1'));
  await expect(page.getByRole('alert').filter({ hasText: 'file/' })).toBeVisible();
  expect(page.url()).toContain('models');
  await open('photo.png', await page.screenshot({ clip: { x: 0, y: 0, width: 64, height: 48 } }));
  await expect(page.locator('canvas.surface')).toBeVisible();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  await expect(page.getByRole('button', { name: 'photo.png' })).toBeVisible();
  const ink = { width: 8, height: 8, data: new Uint8ClampedArray(256).fill(255) };
  const psd = { width: 64, height: 48, children: [{ name: 'Ink of another app', imageData: ink }] };
  await open('layers.psd', Buffer.from(writePsdUint8Array(psd)));
  await expect(page.getByRole('button', { name: 'Ink of another app' })).toBeVisible();
});

test('a new version waits for the running job, then for the user', async ({ page }) => {
  const folder = mkdtempSync(join(tmpdir(), 'sketchforge-update-'));
  cpSync(buildDir, folder, { recursive: true });
  const server = await serveApp({ folder, port: 4520 });
  try {
    const app = new AppPage(page, server.url);
    await app.open();
    await controlled(page);
    await app.prompt.fill('a house');
    await page.locator('#steps').fill('50');
    await page.locator('#steps').press('Tab');
    await app.generateButton.click();
    await expect(page.getByText(/Step \d+ of 50/)).toBeVisible();
    appendFileSync(join(folder, 'service-worker.js'), '\n// the next version\n');
    await page.evaluate(async () => void (await (await navigator.serviceWorker.getRegistration())?.update()));
    const offer = page.getByRole('button', { name: 'Reload now' });
    await expect(offer).toBeVisible();
    await expect(offer).toBeDisabled();
    await expect(page.getByRole('button', { name: 'Stop' })).toBeVisible();
    await page.getByRole('button', { name: 'Stop' }).click();
    await expect(offer).toBeEnabled();
    await Promise.all([page.waitForEvent('load'), offer.click()]);
    await app.ready();
    await expect(offer).toHaveCount(0);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
