/**
 * What goes wrong around the app: no graphics, no isolation, no storage, no network, damaged copies, a dead worker.
 * Each leaves a page that works, with the user's text in it.
 */
import type { Locator, Page } from '@playwright/test';
import { serveApp } from '../tools/serve.mjs';
import { AppPage, buildDir, expect, test } from './app';
import { around, centre, darkPixels, draw, openStudio } from './canvas_page';

/** Runs code in the engine's worker before its own. */
async function patchEngine(page: Page, code: string): Promise<void> {
  await page.route(/\/workers\/(engine|models)-[^/]*\.js$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${code}\n${await response.text()}` });
  });
}

async function withoutServiceWorker(page: Page): Promise<void> {
  await page.addInitScript(() => {
    Reflect.deleteProperty(Navigator.prototype, 'serviceWorker');
  });
}

const failureCard = (page: Page, code: string): Locator => page.getByRole('alert').filter({ hasText: code });
const notice = (page: Page, text: string | RegExp): Locator => page.getByRole('status').filter({ hasText: text });

/** Value of a row of the engine page. */
async function engineFact(page: Page, name: string): Promise<Locator> {
  await page.getByRole('link', { name: 'Engine' }).click();
  return page
    .locator('dl > div')
    .filter({ has: page.locator('dt', { hasText: name }) })
    .locator('dd');
}

const quick = { prompt: 'a red apple, 3d', seed: 3, steps: 2 };

test('without WebGPU the page computes in WebAssembly and says why', async ({ app, page }) => {
  await withoutServiceWorker(page);
  await patchEngine(page, `Object.defineProperty(navigator, 'gpu', { value: undefined });`);
  await app.open();
  await expect(await engineFact(page, 'Computes with')).toContainText('WebAssembly');
  await expect(await engineFact(page, 'Why')).toContainText('this browser offers no WebGPU');
});

test.describe('a host that sends no isolation headers', () => {
  test.use({ installable: true });
  let server: { url: string; close: () => void };
  test.beforeAll(async () => {
    server = await serveApp({ folder: buildDir, port: 4500, isolated: false });
  });
  test.afterAll(() => server.close());

  test('is isolated by the service worker after one reload', async ({ page }) => {
    let loads = 0;
    page.on('load', () => (loads += 1));
    const app = new AppPage(page, server.url);
    await page.goto(server.url);
    await expect.poll(() => page.evaluate(() => crossOriginIsolated).catch(() => false)).toBe(true);
    await app.ready();
    expect(loads).toBe(2);
    await expect(await engineFact(page, 'isolated')).toHaveText('yes');
  });

  test('runs with one thread where there are no service workers', async ({ page }) => {
    await withoutServiceWorker(page);
    const app = new AppPage(page, server.url);
    await app.open();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    await app.generate(quick);
    await expect(await engineFact(page, 'threads')).not.toHaveCount(0);
    await expect(page.getByText('1 (the page is not cross-origin isolated)')).toBeVisible();
  });
});

test('storage refused: the app works from memory and says so', async ({ app, page }) => {
  const refuse = `indexedDB.open = () => { throw new DOMException('refused', 'SecurityError'); };`;
  await page.addInitScript(refuse);
  await patchEngine(page, refuse);
  await app.open();
  await expect(notice(page, 'refuses to store').first()).toBeVisible();
  await app.generate(quick);
  await expect(app.prompt).toHaveValue(quick.prompt);
});

test('a full disk while the model is stored: it works from memory and says so', async ({ app, page }) => {
  await patchEngine(
    page,
    `const put = IDBObjectStore.prototype.put;
     IDBObjectStore.prototype.put = function (...given) {
       if (this.name === 'shards') throw new DOMException('full', 'QuotaExceededError');
       return put.apply(this, given);
     };`,
  );
  await app.open();
  await expect(notice(page, /full|space/i).first()).toBeVisible();
  await app.generate(quick);
});

test('no network while the model loads: typed, tried again, and only what is missing is fetched', async ({
  app,
  page,
}) => {
  const fetched: string[] = [];
  page.on('requestfinished', (request) => fetched.push(new URL(request.url()).pathname));
  const missing = '**/models/tiny-icons-ae.safetensors';
  await page.route(missing, (route) => route.abort('internetdisconnected'));
  await page.goto(app.url);
  await app.prompt.fill('a text that must stay');
  await expect(failureCard(page, 'network/failed')).toBeVisible();
  await expect(app.generateButton).toBeDisabled();
  await page.unroute(missing);
  await page.getByRole('button', { name: 'Try again' }).click();
  await app.ready();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(app.prompt).toHaveValue('a text that must stay');
  expect(fetched.filter((path) => path.endsWith('/tiny-icons.safetensors'))).toHaveLength(1);
});

test('a damaged stored model is deleted and fetched again', async ({ app, page }) => {
  let fetched = 0;
  page.on('requestfinished', (request) => {
    if (request.url().endsWith('/tiny-icons.safetensors')) fetched += 1;
  });
  await app.open();
  await page.reload();
  await app.ready();
  expect(fetched).toBe(1);
  await page.evaluate(async () => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error('failed'));
      });
    const database = await done(indexedDB.open('sketchforge'));
    const records = (await done(database.transaction('shards').objectStore('shards').getAll())) as {
      key: string;
      bytes: Blob;
    }[];
    for (const { key, bytes } of records) {
      const damaged = new Uint8Array(await bytes.arrayBuffer());
      damaged.fill(255, damaged.length - 4096);
      await done(
        database
          .transaction('shards', 'readwrite')
          .objectStore('shards')
          .put({ key, bytes: new Blob([damaged]) }),
      );
    }
    database.close();
  });
  await page.reload();
  await app.ready();
  expect(fetched).toBe(2);
  await app.generate(quick);
});

test('a worker that dies in mid-job: typed, started again, the form and the sketch stay', async ({ page, appUrl }) => {
  // Not the `app` fixture: the worker's own error counts as one of the page there.
  const app = new AppPage(page, appUrl);
  await openStudio(page, appUrl);
  const middle = await centre(page);
  await draw(page, middle, around(middle, 120, 60));
  const ink = await darkPixels(page);
  expect(ink).toBeGreaterThan(100);
  await page.getByRole('radio', { name: 'Prompt' }).click();
  await app.ready();
  await app.prompt.fill('a blue car');
  await page.locator('#steps').fill('50');
  await page.locator('#steps').press('Tab');
  await app.generateButton.click();
  await expect(page.getByText(/Step \d+ of 50/)).toBeVisible();
  const engine = page.workers().find((worker) => worker.url().includes('/engine-'));
  await engine?.evaluate(() => {
    setTimeout(() => {
      throw new Error('pulled out');
    });
  });
  await expect(failureCard(page, 'backend/run')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Stop' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Try again' }).click();
  await app.ready();
  await expect(app.prompt).toHaveValue('a blue car');
  await expect(page.locator('#steps')).toHaveValue('50');
  await app.generate({ prompt: 'a blue car', seed: 4, steps: 2 });
  await page.getByRole('radio', { name: 'Sketch' }).click();
  await expect.poll(() => darkPixels(page), { message: 'the sketch was never at risk' }).toBe(ink);
});

test('a file that is no model is refused with a reason, and nothing else changes', async ({ app, page }) => {
  await app.open();
  await app.prompt.fill('a yellow star');
  await page.getByRole('link', { name: 'Models' }).click();
  const png = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), Buffer.alloc(500)]);
  const file = (name: string, buffer: Buffer) => ({ name, mimeType: 'application/octet-stream', buffer });
  await page.locator('#model-files').setInputFiles(file('apple.safetensors', png));
  await expect(failureCard(page, 'this is a PNG picture, not a model')).toBeVisible();
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await page.locator('#model-files').setInputFiles(file('cut.gguf', Buffer.from('GGUF\x03\0\0\0\xff', 'latin1')));
  await expect(failureCard(page, 'file/')).toBeVisible();
  await page.getByRole('link', { name: 'Create' }).click();
  await expect(app.prompt).toHaveValue('a yellow star');
  await app.generate({ prompt: 'a yellow star', seed: 3, steps: 2 });
});

test('the start can be cancelled before and while the first model loads, and taken up again', async ({ app, page }) => {
  let held = true;
  await page.route(/tiny-icons\.safetensors/, async (route) => {
    while (held) await new Promise((resolve) => setTimeout(resolve, 50));
    await route.continue().catch(() => undefined);
  });
  // The page gets its engine only when the test says so.
  await page.addInitScript(() => {
    const gate = new Promise<void>((open) => Object.assign(globalThis, { openGate: open }));
    // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
    const { request } = LockManager.prototype;
    LockManager.prototype.request = async function (this: LockManager, ...args: unknown[]): Promise<unknown> {
      await gate;
      return Reflect.apply(request, this, args) as unknown;
    };
  });
  const cancel = page.getByRole('button', { name: 'Cancel', exact: true });
  const again = page.getByRole('alert').getByRole('button', { name: 'Try again' });
  await page.goto(app.url);
  await app.prompt.fill('a house');
  await cancel.click();
  await expect(again).toBeVisible();
  await page.evaluate(() => (globalThis as unknown as { openGate: () => void }).openGate());
  await expect.poll(() => page.evaluate(async () => (await navigator.locks.query()).held?.length ?? 0)).toBe(1);
  await again.click();
  await cancel.click();
  held = false;
  await again.click();
  await app.ready();
  await expect(app.prompt).toHaveValue('a house');
});
