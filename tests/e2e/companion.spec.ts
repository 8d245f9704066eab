/** The app over a companion: opened at its address it computes there; when it goes away, the page says so. */
import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { AppPage, expect, test } from './app';

// A host that is gone leaves what the service worker holds.
test.use({ installable: true });

const root = resolve(import.meta.dirname, '../..');

interface Companion {
  readonly url: string;
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
}

/** As a user starts it; resolves when it has printed its address. */
function startCompanion(): Promise<Companion> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', 'src/companion/companion.ts', '--port', '7960', '--threads', '1'],
    {
      cwd: root,
    },
  );
  const ended = new Promise<number | null>((done) => child.on('exit', done));
  return new Promise((done, fail) => {
    let output = '';
    const read = (data: Buffer): void => {
      output += data.toString();
      const url = /^app +(\S+)$/m.exec(output)?.[1];
      if (url?.startsWith('http') && output.includes('Ctrl-C')) done({ url, process: child, ended });
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void ended.then((code) => fail(new Error(`the companion ended with ${code}: ${output}`)));
  });
}

/** Records of the page's model store. */
function storedModels(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const opening = indexedDB.open('sketchforge');
    const database = await new Promise<IDBDatabase>((done) => (opening.onsuccess = () => done(opening.result)));
    const counting = database.transaction('models').objectStore('models').count();
    const count = await new Promise<number>((done) => (counting.onsuccess = () => done(counting.result)));
    database.close();
    return count;
  });
}

test('the companion computes for the page it serves, and the page says when it is gone', async ({ page }) => {
  const companion = await startCompanion();
  try {
    const { origin, hash } = new URL(companion.url);
    const app = new AppPage(page, `${origin}/`);
    const calls: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/v1/')) calls.push(request.url());
    });
    await app.open(hash);
    // The token leaves the address bar, and never was in a request's address.
    expect(page.url()).not.toContain('companion=');
    expect(calls.join()).not.toContain(hash.split('=')[1]);
    await app.generate({ prompt: 'a red apple, 3d', seed: 7, steps: 2 });
    expect(calls.some((url) => url.endsWith('/v1/engine/generate'))).toBe(true);

    await app.visit('Settings');
    await expect(page.getByLabel('Model of the companion')).toHaveValue('tiny-icons');
    await app.visit('Engine');
    await expect(page.getByText('onnxruntime-node').first()).toBeVisible();

    await expect.poll(() => storedModels(page), { message: 'kept for going on alone' }).toBe(1);
    companion.process.kill('SIGINT');
    expect(await companion.ended).toBe(130);
    await app.visit('Create');
    await app.prompt.fill('a red apple, 3d');
    await app.generateButton.click();
    await expect(page.getByText('The companion went away').first()).toBeVisible();
    // The service worker holds the app and its model: this device goes on.
    await app.generate({ prompt: 'a red apple, 3d', seed: 7, steps: 2 });
  } finally {
    if (companion.process.exitCode === null) companion.process.kill('SIGKILL');
  }
});
