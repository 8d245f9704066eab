/** Full disks, lost and blocked databases, closed tabs, files that moved: what was stored stays, and the page says what is wrong. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from '@playwright/test';
import { buildDir, expect } from './app';
import {
  addButton,
  chooseUrl,
  expectWhole,
  failure,
  found,
  hashOf,
  library,
  MIB,
  modelBytes,
  openModels,
  openSettled,
  startOf,
  startsAsked,
  test,
} from './model_faults';
import playwrightConfig from './playwright.config';

/** Keys of the stored bytes, after some were lost or bytes were left that nothing names, behind the app's back. */
function shardKeys(page: Page, change?: 'lose all' | 'leave one'): Promise<string[]> {
  return page.evaluate(
    (what) =>
      new Promise<string[]>((resolve, reject) => {
        const opening = indexedDB.open('sketchforge');
        opening.onerror = () => reject(new Error(String(opening.error)));
        opening.onsuccess = () => {
          const transaction = opening.result.transaction('shards', 'readwrite');
          const shards = transaction.objectStore('shards');
          if (what === 'lose all') shards.clear();
          if (what === 'leave one') shards.put({ key: 'orphan/0/0', bytes: new Blob(['left']) });
          const keys = shards.getAllKeys();
          transaction.oncomplete = () => {
            opening.result.close();
            resolve(keys.result.map(String));
          };
        };
      }),
    change,
  );
}

/** Upgrades the database beyond the app, from a page of its origin; an endless upgrade lasts as long as its page. */
function upgradeIn(page: Page, endless: boolean): Promise<void> {
  return page.evaluate(
    (keepsOn) =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('sketchforge', 1000);
        opening.onerror = () => reject(new Error(String(opening.error)));
        opening.onupgradeneeded = () => {
          if (!keepsOn) return;
          const settings = opening.transaction?.objectStore('settings');
          const again = () => settings && (settings.count().onsuccess = again);
          again();
          resolve();
        };
        opening.onsuccess = () => {
          opening.result.close();
          resolve();
        };
      }),
    endless,
  );
}

test('the database is deleted under the open page: it is made anew; lost shards are told', async ({
  page,
  appUrl,
  host,
  bytes,
}) => {
  await openSettled(page, appUrl);
  await page.evaluate(
    () =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.deleteDatabase('sketchforge');
        request.onsuccess = () => resolve();
        request.onerror = () => reject(request.error ?? new Error('failed'));
      }),
  );
  await chooseUrl(page, `${host.url}after.safetensors`);
  await addButton(page).click();
  await expect(library(page).filter({ hasText: 'after' })).toHaveCount(1);
  // What a crash may leave, bytes that nothing names, goes soon after the next visit's start; what a model is made of stays.
  expect(await shardKeys(page, 'leave one')).toContain('orphan/0/0');
  await page.reload();
  await expect(library(page).filter({ hasText: 'after' })).toHaveCount(1);
  await expect.poll(() => shardKeys(page)).not.toContain('orphan/0/0');
  await expectWhole(page, 'after', bytes);
  expect(await shardKeys(page, 'lose all')).toEqual([]);
  const card = library(page).filter({ hasText: 'after' });
  await card.getByRole('button', { name: 'Check' }).click();
  await expect(card.getByText(/3 parts are damaged/)).toBeVisible();
  await card.getByRole('button', { name: 'Export' }).click();
  await expect(failure(page, 'storage/corrupt')).toBeVisible();
});

test("another tab's upgrade blocks the database: told, and gone on with by itself after it; a newer one is told", async ({
  page,
  appUrl,
  context,
  host,
  bytes,
}) => {
  await openModels(page, appUrl);
  host.state.intercept = (request) => startOf(request) >= 16 * MIB;
  await chooseUrl(page, `${host.url}blocked.safetensors`);
  await addButton(page).click();
  await expect(page.getByText(/1[5-9](\.\d)? MB of/)).toBeVisible();
  const other = await context.newPage();
  // A page of the same origin without the app.
  await other.goto(`${appUrl}icon.svg`);
  await upgradeIn(other, true);
  await page.goto(`${appUrl}models`);
  await expect(failure(page, 'storage/blocked')).toBeVisible();
  host.state.intercept = undefined;
  host.state.asked.length = 0;
  await other.close();
  // Nothing is pressed: the page looks again, and the download goes on where it was.
  await expectWhole(page, 'blocked', bytes);
  await expect(page.getByRole('alert')).toHaveCount(0);
  expect(Math.min(...startsAsked(host))).toBeGreaterThanOrEqual(15 * MIB);
  const newer = await context.newPage();
  await newer.goto(`${appUrl}icon.svg`);
  await upgradeIn(newer, false);
  await library(page).filter({ hasText: 'blocked' }).getByRole('button', { name: 'Check' }).click();
  await expect(failure(page, 'newer version of the app')).toBeVisible();
});

/** The app in a profile on a disk: what the browser keeps in memory it does not count as a disk's bytes. */
test('the disk is full at every shard: what came stays, and more room is all that is needed', async ({
  appUrl,
  host,
  bytes,
}) => {
  const profile = mkdtempSync(join(tmpdir(), 'sketchforge-quota-'));
  const builtin = JSON.parse(readFileSync(join(buildDir, 'models/index.json'), 'utf8')) as {
    readonly models: readonly { readonly files: readonly { readonly sizeBytes: number }[] }[];
  };
  const shipped = builtin.models.flatMap(({ files }) => files).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const context = await chromium.launchPersistentContext(profile, {
    ...playwrightConfig.use?.launchOptions,
    // The app's own files would fill its cache meanwhile.
    serviceWorkers: 'block',
  });
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    const devtools = await context.newCDPSession(page);
    const { origin } = new URL(appUrl);
    const allow = (quotaSize: number) => devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
    // From the start: the browser trusts the room that it found for half a minute.
    await allow(shipped + 8 * MIB);
    await openSettled(page, appUrl);
    // A shard that found no room counts until the browser has cleared it away, so the room is measured anew each time.
    const allowMore = async (room: number) => {
      const { usage } = await devtools.send('Storage.getUsageAndQuota', { origin });
      await allow(usage + room);
    };
    await allowMore(4 * MIB);
    await chooseUrl(page, `${host.url}full.safetensors`);
    await addButton(page).click();
    const stored = page.locator('.task').filter({ hasText: 'full' }).getByRole('progressbar');
    const goOn = page.getByRole('button', { name: 'Go on' });
    const whole = library(page).filter({ hasText: 'full' });
    let kept = 0;
    let refusals = 0;
    for (;;) {
      await expect(goOn.or(whole)).toBeVisible();
      if (await whole.isVisible()) break;
      await expect(failure(page, 'storage/quota')).toBeVisible();
      // Which shard finds the disk full depends on when the browser measured its room; that it loses none does not.
      const now = await stored.evaluate((bar) => (bar as HTMLProgressElement).value);
      expect(now % (16 * MIB)).toBe(0);
      expect(now).toBeGreaterThanOrEqual(kept);
      kept = now;
      refusals++;
      await allowMore((refusals > 2 ? 48 : 20) * MIB);
      // Gone when the copy went on or ended meanwhile.
      await goOn.click({ timeout: 2000 }).catch(() => undefined);
    }
    expect(refusals).toBeGreaterThan(0);
    await expectWhole(page, 'full', bytes);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
});

test('a tab closed at every tenth of a copy and a download: each goes on where it was', async ({
  context,
  appUrl,
  host,
  bytes,
}) => {
  test.setTimeout(300_000);
  await context.addInitScript(() => {
    Object.assign(window, {
      showOpenFilePicker: async () => [
        await (await navigator.storage.getDirectory()).getFileHandle('copied.safetensors'),
      ],
    });
  });
  const bar = (page: Page, name: string) => page.getByRole('progressbar', { name });
  const reaches = (page: Page, name: string, sum: number) =>
    expect
      .poll(() => bar(page, name).evaluate((one) => (one as HTMLProgressElement).value))
      .toBeGreaterThanOrEqual(sum);
  // The tab that computes is another one: those that are closed need no engine.
  const computing = await context.newPage();
  await computing.goto(appUrl);
  await expect(computing.getByRole('button', { name: 'Generate', exact: true })).toBeEnabled();
  for (let tenth = 1; tenth <= 10; tenth++) {
    // Bytes behind this one do not come any more: the host is silent, the disk never answers.
    const limit = tenth < 10 ? Math.floor((bytes.length * tenth) / 10) : Infinity;
    host.state.intercept = (request) => startOf(request) >= limit;
    host.state.asked.length = 0;
    const page = await context.newPage();
    await openModels(page, appUrl);
    const worker = page.workers().find((one) => /\/models-/.test(one.url()));
    await worker?.evaluate((end) => {
      // oxlint-disable-next-line typescript/unbound-method -- called with its object below
      const { slice } = Blob.prototype;
      Blob.prototype.slice = function (from, to, type) {
        const part = slice.call(this, from, to, type);
        if (this instanceof File && (to ?? 0) > end) part.arrayBuffer = () => new Promise(() => undefined);
        return part;
      };
    }, limit);
    if (tenth === 1) {
      await page.evaluate(async (url) => {
        const folder = await navigator.storage.getDirectory();
        const handle = await folder.getFileHandle('copied.safetensors', { create: true });
        await (await fetch(url)).body?.pipeTo(await handle.createWritable());
      }, `${host.url}copied`);
      await chooseUrl(page, `${host.url}closed.safetensors`);
      await addButton(page).click();
      await expect(bar(page, 'closed')).toBeVisible();
      await page.getByRole('button', { name: 'Use files in place' }).click();
      await addButton(page).click();
    } else {
      // The download goes on by itself, the copy when asked.
      await page.locator('.task').filter({ hasText: 'copied' }).getByRole('button', { name: 'Go on' }).click();
    }
    if (tenth === 10) {
      await expectWhole(page, 'closed', bytes);
      await expectWhole(page, 'copied', bytes);
      expect(Math.min(...startsAsked(host))).toBeGreaterThanOrEqual(32 * MIB);
    } else {
      await reaches(page, 'closed', limit);
      // The file is read in steps of 4 MiB.
      await reaches(page, 'copied', Math.floor(limit / (4 * MIB)) * 4 * MIB);
    }
    await page.close();
  }
});

/** Handles are not allowed to be read until the page has asked, which browsers let it do inside a press alone. */
async function askAgain(page: Page): Promise<void> {
  const worker = page.workers().find((one) => /\/models-/.test(one.url()));
  await worker?.evaluate(() => {
    let state = 'prompt';
    const granted = new BroadcastChannel('test-permission');
    granted.onmessage = () => {
      state = 'granted';
      granted.postMessage('known');
    };
    Object.assign(FileSystemFileHandle.prototype, { queryPermission: () => Promise.resolve(state) });
  });
  await page.evaluate(() => {
    const requestPermission = async () => {
      if (!navigator.userActivation.isActive) throw new DOMException('not inside a press', 'SecurityError');
      const granted = new BroadcastChannel('test-permission');
      const known = new Promise((resolve) => (granted.onmessage = resolve));
      granted.postMessage('granted');
      await known;
      return 'granted';
    };
    Object.assign(FileSystemFileHandle.prototype, { requestPermission });
  });
}

test('files in place: used without a copy, asked for again, and missed when they are gone', async ({
  page,
  appUrl,
}) => {
  await page.addInitScript(() => {
    // The browser's own picker cannot be driven; the origin's private files have handles of the same kind.
    Object.assign(window, {
      showOpenFilePicker: async () => {
        const folder = await navigator.storage.getDirectory();
        return [await folder.getFileHandle('mine.safetensors')];
      },
    });
  });
  await openModels(page, appUrl);
  const small = modelBytes(1);
  await page.evaluate(async (data) => {
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle('mine.safetensors', { create: true });
    const writable = await handle.createWritable();
    await writable.write(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)));
    await writable.close();
  }, small.toString('base64'));
  await page.getByRole('button', { name: 'Use files in place' }).click();
  await found(page).getByRole('button', { name: 'Use where it is' }).click();
  const card = library(page).filter({ hasText: 'mine' });
  await expect(card.getByText('In place')).toBeVisible();
  await page.reload();
  await card.getByRole('button', { name: 'Details' }).click();
  await expect(card.getByText(hashOf(small))).toBeVisible();
  // The origin's own files are always granted; the user's are asked about again on the next visit.
  await askAgain(page);
  await card.getByRole('button', { name: 'Check' }).click();
  await expect(failure(page, 'storage/permission')).toBeVisible();
  await page.getByRole('button', { name: 'Allow again' }).click();
  await expect(card.getByText('Every byte is as it was stored.')).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.evaluate(async () => (await navigator.storage.getDirectory()).removeEntry('mine.safetensors'));
  await card.getByRole('button', { name: 'Check' }).click();
  await expect(failure(page, 'file/unreadable')).toBeVisible();
});

test('files that are nothing, and names that lead elsewhere', async ({ page, appUrl }) => {
  await openModels(page, appUrl);
  const file = (name: string, buffer: Buffer) => ({ name, mimeType: 'application/octet-stream', buffer });
  await page.locator('#model-files').setInputFiles(file('empty.safetensors', Buffer.alloc(0)));
  await expect(failure(page, 'file/')).toBeVisible();
  await page.getByRole('button', { name: 'Dismiss' }).click();
  const far = Buffer.from(`{"a":{"dtype":"F16","shape":[1],"data_offsets":[9007199254740990,9007199254740992]}}`);
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(far.length));
  await page.locator('#model-files').setInputFiles(file('far.safetensors', Buffer.concat([head, far])));
  await expect(failure(page, 'file/')).toBeVisible();
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await page.locator('#model-files').setInputFiles(file('..%2f..\u0007evil\u202e.safetensors', modelBytes(1)));
  await expect(found(page).getByRole('article')).toHaveAttribute('aria-label', '..%2f..evil');
});
