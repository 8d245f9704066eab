/**
 * What a frame of scrolling costs the page's thread in a gallery of 10,000 pictures, against one of 300 in the same run:
 * only the rows that come may cost anything, however many there are. Needs a build.
 */
import { resolve } from 'node:path';
import { chromium, type Browser, type CDPSession, type Page } from 'playwright';
import { ensureChromium } from '../tools/chromium.mjs';
import { fillGallery } from '../tools/gallery_pictures';
import { serveApp } from '../tools/serve.mjs';
import type { BenchResult } from './main';
import type { BenchRow } from './report';

const MANY = 10_000;
const FEW = 300;
const ROUNDS = 5;
const STEPS = 30;
/** A flick: a row and a half of pictures from one frame to the next. */
const STEP_PX = 240;
/** Of script: a quarter of a 60 Hz frame; pictures have to be decoded and painted in the rest. */
const AIM_MS = 4;
const PARTS = {
  ScriptDuration: 'script',
  RecalcStyleDuration: 'style',
  LayoutDuration: 'layout',
  TaskDuration: 'all tasks',
} as const;

type Part = keyof typeof PARTS;

async function durations(cdp: CDPSession): Promise<Record<Part, number>> {
  const { metrics } = await cdp.send('Performance.getMetrics');
  const of = (part: string) => 1000 * (metrics.find(({ name }) => name === part)?.value ?? 0);
  return Object.fromEntries(Object.keys(PARTS).map((part) => [part, of(part)])) as Record<Part, number>;
}

function scroll(page: Page): Promise<void> {
  return page.locator('.scroller').evaluate(
    async (scroller, [rounds, steps, px]) => {
      for (let round = 0; round < rounds; round++) {
        scroller.scrollTop = 0;
        for (let i = 0; i < steps; i++) {
          await new Promise(requestAnimationFrame);
          scroller.scrollTop += px;
        }
      }
    },
    [ROUNDS, STEPS, STEP_PX] as const,
  );
}

/** @returns ms a frame */
async function measure(browser: Browser, url: string, count: number): Promise<Record<Part, number>> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.addInitScript('globalThis.__name ??= (fn) => fn');
  await page.goto(`${url}gallery`);
  await page.getByText('No pictures yet').waitFor();
  await fillGallery(page, count);
  await page.reload();
  await page.getByText(`${count.toLocaleString('en')} pictures`).waitFor();
  const cdp = await context.newCDPSession(page);
  // The thread's own time: what other programs take meanwhile does not count.
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  await scroll(page);
  const before = await durations(cdp);
  await scroll(page);
  const after = await durations(cdp);
  await context.close();
  const perFrame = (part: Part) => (after[part] - before[part]) / (ROUNDS * STEPS);
  return Object.fromEntries(Object.keys(PARTS).map((part) => [part, perFrame(part as Part)])) as Record<Part, number>;
}

/** `npm run bench -- gallery` */
export async function bench(): Promise<BenchResult> {
  const server = await serveApp({ folder: resolve(import.meta.dirname, '../../build'), port: 4530 });
  const browser = await chromium.launch({ executablePath: await ensureChromium(), args: ['--no-sandbox'] });
  try {
    const few = await measure(browser, server.url, FEW);
    const many = await measure(browser, server.url, MANY);
    const rows = Object.entries(PARTS).map(([part, name]): BenchRow => {
      const [ours, baseline] = [many[part as Part], few[part as Part]];
      return {
        name: `${name} a frame of scrolling, ${MANY} pictures`,
        ours,
        unit: 'ms',
        baseline,
        baselineName: `${FEW} pictures`,
        ratio: baseline / ours,
        note: part === 'ScriptDuration' ? `aim: at most ${AIM_MS} ms` : `${ROUNDS * STEPS} frames of ${STEP_PX} px`,
      };
    });
    return { browser: `Chromium ${browser.version()}`, rows };
  } finally {
    await browser.close();
    server.close();
  }
}
