/**
 * From an address to a picture, as a visitor waits for it: first paint, the prompt's field, the model ready, the first
 * picture of two steps; in an empty profile and on the next visit. `--against DIR` takes another build as the baseline,
 * visit by visit in turn, so that both meet the same hour. Needs a build.
 */
import { resolve } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright';
import { ensureChromium } from '../tools/chromium.mjs';
import { serveApp } from '../tools/serve.mjs';
import type { BenchResult } from './main';
import type { BenchRow } from './report';

const ROUNDS = 5;
const PARTS = {
  paint: 'first paint',
  prompt: 'prompt can be typed',
  ready: 'model ready',
  picture: 'Generate pressed to first picture, 2 steps',
  processor: 'processor time of all of it, every process',
} as const;
const VISITS = ['first visit', 'next visit'] as const;

type Part = keyof typeof PARTS;
type Times = Record<Part, number>;

/** Processor time of the browser and all its processes, ms. */
async function processorMs(browser: Browser): Promise<number> {
  const cdp = await browser.newBrowserCDPSession();
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
  await cdp.detach();
  return 1000 * processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

async function visit(browser: Browser, page: Page, url: string): Promise<Times> {
  const cpu = await processorMs(browser);
  const started = performance.now();
  await page.goto(url, { waitUntil: 'commit' });
  await page.getByLabel('Prompt', { exact: true }).waitFor();
  const prompt = performance.now() - started;
  const generate = page.getByRole('button', { name: 'Generate', exact: true });
  await generate.and(page.locator(':enabled')).waitFor({ timeout: 120_000 });
  const ready = performance.now() - started;
  await page.locator('#steps').fill('2');
  await page.locator('#steps').press('Tab');
  const pressed = performance.now();
  await generate.click();
  await page.locator('.frame img').waitFor({ timeout: 120_000 });
  const picture = performance.now() - pressed;
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN);
  return { paint, prompt, ready, picture, processor: (await processorMs(browser)) - cpu };
}

/** An empty profile, and the same one again. */
async function visits(browser: Browser, url: string): Promise<Times[]> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const times = [await visit(browser, page, url), await visit(browser, page, url)];
  await context.close();
  return times;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/** `npm run bench -- start` */
export async function bench(words: readonly string[]): Promise<BenchResult> {
  const at = words.indexOf('--against');
  const other = at < 0 ? undefined : words[at + 1];
  const folders = [resolve(import.meta.dirname, '../../build'), ...(other === undefined ? [] : [resolve(other)])];
  const browser = await chromium.launch({ executablePath: await ensureChromium(), args: ['--no-sandbox'] });
  const servers = await Promise.all(folders.map((folder, i) => serveApp({ folder, port: 4540 + 10 * i })));
  try {
    const runs: Times[][][] = servers.map(() => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, { url }] of servers.entries()) runs[i]?.push(await visits(browser, url));
    }
    const rows = VISITS.flatMap((name, v) =>
      Object.entries(PARTS).map(([part, words]): BenchRow => {
        const [ours = NaN, baseline] = runs.map((own) => median(own.map((times) => times[v]?.[part as Part] ?? NaN)));
        return {
          name: `${name}: ${words}`,
          ours,
          unit: 'ms',
          ...(baseline === undefined ? {} : { baseline, baselineName: 'the build before', ratio: baseline / ours }),
          note: `median of ${ROUNDS}`,
        };
      }),
    );
    return { browser: `Chromium ${browser.version()}`, rows };
  } finally {
    await browser.close();
    for (const server of servers) server.close();
  }
}
