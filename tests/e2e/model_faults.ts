/** What the tests of broken imports share: a host that can misbehave, its file, and the Models page as a user works it. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Page } from '@playwright/test';
import { writeSafetensors } from '../../src/lib/formats/safetensors_write';
import { expect, test as appTest } from './app';
import { startModelHost, type ModelHost } from './model_host';

export const MIB = 2 ** 20;

/** An embedding-like file of a few MiB that no other file equals. */
export function modelBytes(mib: number, seed = 1): Buffer {
  const data = new Uint8Array(mib * MIB);
  for (let i = 0; i < data.length; i += 4096) data[i] = (i / 4096 + seed) & 255;
  const tensors = [
    {
      name: 'lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight',
      shape: [data.length / 8, 4],
      type: 'F16',
      data,
    },
    {
      name: 'lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight',
      shape: [4, 4],
      type: 'F16',
      data: new Uint8Array(32),
    },
  ] as const;
  return Buffer.from(writeSafetensors(tensors));
}

/** First byte that a request asks for. */
export const startOf = ({ headers }: IncomingMessage) => Number(/=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
export const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex').slice(0, 10);
export const library = (page: Page) => page.locator('li > article');
export const found = (page: Page) => page.getByRole('group', { name: 'Found' });
export const addButton = (page: Page) => found(page).getByRole('button', { name: /^(Add|Copy into the browser)$/ });
export const failure = (page: Page, code: string) => page.getByRole('alert').filter({ hasText: code });

export async function openModels(page: Page, url: string): Promise<void> {
  await page.goto(`${url}models`);
  await expect(library(page)).not.toHaveCount(0);
}

/** As `openModels`, with the built-in model stored. */
export async function openSettled(page: Page, url: string): Promise<void> {
  await openModels(page, url);
  // The engine stores the built-in model meanwhile, which would count against a small quota.
  await page.waitForFunction(
    () =>
      new Promise<boolean>((resolve, reject) => {
        const opening = indexedDB.open('sketchforge');
        opening.onerror = () => reject(new Error(String(opening.error)));
        opening.onsuccess = () => {
          const count = opening.result.transaction('models').objectStore('models').count();
          count.onsuccess = () => {
            opening.result.close();
            resolve(count.result > 0);
          };
        };
      }),
  );
}

export async function chooseUrl(page: Page, url: string): Promise<void> {
  await page.getByLabel('Address of a model file').fill(url);
  await page.getByRole('button', { name: 'Look' }).click();
}

/** The model is there, whole, with the hash of the bytes that were served. */
export async function expectWhole(page: Page, name: string, bytes: Buffer): Promise<void> {
  const card = library(page).filter({ hasText: name });
  await expect(card).toHaveCount(1);
  await card.getByRole('button', { name: 'Details' }).click();
  await expect(card.getByText(hashOf(bytes))).toBeVisible();
  await card.getByRole('button', { name: 'Check' }).click();
  await expect(card.getByText('Every byte is as it was stored.')).toBeVisible();
}

/** First bytes of the requests so far, those for the header left out. */
export const startsAsked = ({ state }: ModelHost) =>
  state.asked.map((range) => Number(/=(\d+)-/.exec(range)?.[1] ?? 0)).filter((start) => start > MIB);

interface HostFixtures {
  /** What the host serves at first: 40 MiB, two and a half shards. */
  readonly bytes: Buffer;
  readonly host: ModelHost;
}

export const test = appTest.extend<HostFixtures>({
  // Playwright reads the fixtures a function needs from its first parameter, which must be a pattern.
  // eslint-disable-next-line no-empty-pattern
  bytes: async ({}, use) => use(modelBytes(40)),
  host: async ({ bytes }, use) => {
    const host = await startModelHost(bytes);
    await use(host);
    host.close();
  },
});
