/** The built app on a server of its own, and the few things every test does with it. */
import { test as base, expect, type Locator, type Page } from '@playwright/test';
import { resolve } from 'node:path';
import { readPng } from '../../src/lib/formats/png_text';
import { serveApp } from '../tools/serve.mjs';

export const buildDir = resolve(import.meta.dirname, '../../build');

interface Fixtures {
  readonly appUrl: string;
  readonly app: AppPage;
  /**
   * Whether pages may install the service worker; off unless a file asks for it. It copies the whole app and the model
   * in every first visit, two seconds of these processors that only tests of installing and of being offline need. Off
   * is what private modes are: the app goes on online.
   */
  readonly installable: boolean;
}

/** The page as a user sees it; controls are found by their names. */
export class AppPage {
  readonly page: Page;
  readonly url: string;

  constructor(page: Page, url: string) {
    this.page = page;
    this.url = url;
  }

  async open(path = ''): Promise<void> {
    await this.page.goto(this.url + path);
    await this.ready();
  }

  /** The engine has its model: Generate can be pressed. */
  async ready(): Promise<void> {
    await expect(this.generateButton).toBeEnabled();
  }

  /** Follows a link of the navigation, without a reload, and waits for its page: names may stand on both. */
  async visit(name: string): Promise<void> {
    const link = this.page.getByRole('navigation').getByRole('link', { name });
    await link.click();
    await expect(link).toHaveAttribute('aria-current', 'page');
  }

  get prompt(): Locator {
    return this.page.getByLabel('Prompt', { exact: true });
  }

  get generateButton(): Locator {
    return this.page.getByRole('button', { name: 'Generate', exact: true });
  }

  get picture(): Locator {
    return this.page.locator('.frame img');
  }

  /** Generates and waits for the end, for a minute unless told otherwise. */
  async generate(
    settings: { prompt: string; seed: number; steps: number },
    wait: { readonly timeout?: number } = {},
  ): Promise<void> {
    await this.prompt.fill(settings.prompt);
    await this.page.locator('#seed').fill(String(settings.seed));
    await this.page.locator('#steps').fill(String(settings.steps));
    await this.page.locator('#steps').press('Tab');
    const before = (await this.picture.count()) > 0 ? await this.picture.getAttribute('src') : null;
    await this.generateButton.click();
    await expect(this.page.getByRole('button', { name: 'Stop' })).toBeVisible();
    await expect(this.generateButton).toBeVisible(wait);
    await expect(this.picture).toBeVisible();
    expect(await this.picture.getAttribute('src')).not.toBe(before);
  }

  /** Opens a group of settings. */
  async openGroup(group: string): Promise<Locator> {
    const head = this.page.locator(`#group-${group}`);
    if ((await head.getAttribute('aria-expanded')) !== 'true') await head.click();
    return head;
  }

  /** Opens a group and turns its switch. */
  async turn(group: string, on: boolean): Promise<void> {
    const head = await this.openGroup(group);
    const toggle = this.page.locator('section.group', { has: head }).getByRole('switch');
    await toggle.setChecked(on);
    await expect(toggle).toHaveAttribute('aria-checked', String(on));
  }

  /** Fills in a number and waits until it has been taken. */
  async fill(id: string, value: string): Promise<void> {
    await this.page.locator(`#${id}`).fill(value);
    await this.page.locator(`#${id}`).press('Tab');
    await expect(this.page.locator(`#${id}`)).toHaveValue(value);
  }

  /** Sets numbers of a group of parameters, which is opened where it is closed. */
  async set(group: string, values: Readonly<Record<string, string>>): Promise<void> {
    await this.openGroup(group);
    for (const [id, value] of Object.entries(values)) await this.fill(id, value);
  }

  /** Stands for the pixels of the picture shown, whatever the file says beside them. */
  pixels(): Promise<string> {
    return this.picture.evaluate(async (image) => {
      const bitmap = await createImageBitmap(image as HTMLImageElement);
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext('2d');
      context?.drawImage(bitmap, 0, 0);
      const { data } = context?.getImageData(0, 0, bitmap.width, bitmap.height) ?? { data: new Uint8ClampedArray() };
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
      return `${new Set(new Uint32Array(data.buffer)).size} colours, ${[...digest].join('-')}`;
    });
  }

  /** The generation parameters in the picture that Save hands out. */
  async infotext(): Promise<string> {
    return readPng(await this.save()).texts.find(({ keyword }) => keyword === 'parameters')?.text ?? '';
  }

  /** Bytes of the picture that Save hands out. */
  async save(button = 'Save'): Promise<Buffer> {
    const [download] = await Promise.all([
      this.page.waitForEvent('download'),
      this.page.getByRole('button', { name: button, exact: true }).click(),
    ]);
    const chunks: Buffer[] = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }
}

function refuseServiceWorkers(): void {
  if (!('serviceWorker' in navigator)) return;
  ServiceWorkerContainer.prototype.register = () => Promise.reject(new DOMException('refused', 'SecurityError'));
}

export const test = base.extend<Fixtures, { server: { url: string } }>({
  server: [
    // Playwright reads the fixtures a function needs from its first parameter, which must be a pattern.
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const server = await serveApp({ folder: buildDir, port: 4300 });
      await use(server);
      server.close();
    },
    { scope: 'worker' },
  ],
  installable: [false, { option: true }],
  context: async ({ context, installable }, use) => {
    if (!installable) await context.addInitScript(refuseServiceWorkers);
    await use(context);
  },
  appUrl: async ({ server }, use) => use(server.url),
  app: async ({ page, appUrl }, use) => {
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    await use(new AppPage(page, appUrl));
    expect(problems, 'errors thrown on the page').toEqual([]);
  },
});

export { expect };
