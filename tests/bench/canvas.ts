/**
 * Ink as the artist feels it: recorded strokes replayed as pen events in real time on the built app; from each event's
 * own time stamp to its pixels handed to the browser: with the engine at rest, with live painting, while it generates.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { chromium, type CDPSession, type Page } from 'playwright';
import { readReplay, type StrokeReplay } from '../../src/lib/canvas/replay/stroke_replay';
import { ensureChromium } from '../tools/chromium.mjs';
import { serveApp } from '../tools/serve.mjs';
import type { BenchResult } from './main';
import type { BenchRow } from './report';

const buildDir = resolve(import.meta.dirname, '../../build');
const folder = resolve(import.meta.dirname, 'strokes');
/** A frame that took longer than one and a half of 60 Hz was late. */
const LATE_MS = 25;
const BUSY_STEPS = 50;

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Measured {
  readonly latencyMs: readonly number[];
  readonly workMs: readonly number[];
  readonly longTasksMs: readonly number[];
  readonly framesMs: readonly number[];
  /** Readings that reached the page, coalesced ones counted. */
  readonly readings: number;
  readonly sent: number;
}

/** Starts counting on the page; `window.inkBench` gives the numbers. */
function startCounting(page: Page): Promise<void> {
  return page.evaluate(() => {
    const counts = { longTasksMs: [] as number[], framesMs: [] as number[], readings: 0, on: true };
    Object.assign(window, { inkBench: counts });
    const canvas = document.querySelector('canvas.surface') as HTMLCanvasElement & { inkMeter: { clear(): void } };
    canvas.inkMeter.clear();
    canvas.addEventListener('pointermove', (event) => {
      counts.readings += Math.max(1, event.getCoalescedEvents().length);
    });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) counts.longTasksMs.push(entry.duration);
    }).observe({ type: 'longtask' });
    let before = performance.now();
    const frame = (now: number): void => {
      counts.framesMs.push(now - before);
      before = now;
      if (counts.on) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

function readCounts(page: Page): Promise<Omit<Measured, 'sent'>> {
  return page.evaluate(() => {
    const { inkBench } = window as unknown as {
      inkBench: { longTasksMs: number[]; framesMs: number[]; readings: number; on: boolean };
    };
    inkBench.on = false;
    const canvas = document.querySelector('canvas.surface') as HTMLCanvasElement & {
      inkMeter: { read(): { latencyMs: number[]; workMs: number[] } };
    };
    const { longTasksMs, framesMs, readings } = inkBench;
    // The first frame began before the counting.
    return { ...canvas.inkMeter.read(), longTasksMs, framesMs: framesMs.slice(1), readings };
  });
}

/** One recording at the speed of the hand. @returns moves sent */
async function replay(cdp: CDPSession, trace: StrokeReplay, box: Box): Promise<number> {
  const scale = Math.min(box.width / trace.width, box.height / trace.height);
  const startedAt = performance.now();
  let sent = 0;
  const pending: Promise<unknown>[] = [];
  for (const { samples } of trace.strokes) {
    let down = false;
    for (const [i, sample] of samples.entries()) {
      const wait = sample.t - (performance.now() - startedAt);
      if (wait > 1) await new Promise((done) => setTimeout(done, wait));
      const last = i === samples.length - 1;
      const type = !down ? 'mousePressed' : last ? 'mouseReleased' : 'mouseMoved';
      down = true;
      if (type === 'mouseMoved') sent++;
      const event = cdp.send('Input.dispatchMouseEvent', {
        type,
        x: box.x + sample.x * scale,
        y: box.y + sample.y * scale,
        button: 'left',
        buttons: last ? 0 : 1,
        pointerType: 'pen',
        force: sample.pressure,
        tiltX: sample.tiltX,
        tiltY: sample.tiltY,
        clickCount: 1,
      });
      // Moves are not awaited one by one: the browser gathers them as it does those of a real pen.
      if (type === 'mouseMoved') pending.push(event);
      else await event;
    }
  }
  await Promise.all(pending);
  return sent;
}

async function measure(page: Page, cdp: CDPSession, traces: readonly StrokeReplay[], box: Box): Promise<Measured> {
  await startCounting(page);
  let sent = 0;
  for (const trace of traces) sent += await replay(cdp, trace, box);
  return { ...(await readCounts(page)), sent };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
}

function rowsOf(name: string, now: Measured, rest: Measured | undefined): BenchRow[] {
  const row = (what: string, unit: string, pick: (from: Measured) => number, note?: string): BenchRow => {
    const ours = pick(now);
    const baseline = rest && pick(rest);
    return {
      name: `${what}, ${name}`,
      ours,
      unit,
      ...(baseline === undefined ? {} : { baseline, baselineName: 'engine at rest' }),
      ...(baseline === undefined || ours === 0 ? {} : { ratio: baseline / ours }),
      ...(note === undefined ? {} : { note }),
    };
  };
  const late = (from: Measured): number => from.framesMs.filter((ms) => ms > LATE_MS).length;
  return [
    ...[0.5, 0.95, 0.99].map((q) =>
      row(`input to paint p${q * 100}`, 'ms', (from) => quantile(from.latencyMs, q), `${now.latencyMs.length} frames`),
    ),
    ...[0.5, 0.95].map((q) => row(`own work per frame p${q * 100}`, 'ms', (from) => quantile(from.workMs, q))),
    row('long tasks (over 50 ms)', 'tasks', (from) => from.longTasksMs.length),
    row(`late frames (over ${LATE_MS} ms)`, 'frames', late, `of ${now.framesMs.length}`),
    row('pen readings lost', 'readings', (from) => from.sent - from.readings, `of ${now.sent}`),
  ];
}

/** `npm run bench -- canvas`: needs a build. */
export async function bench(): Promise<BenchResult> {
  const traces = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => readReplay(readFileSync(resolve(folder, name), 'utf8')));
  const server = await serveApp({ folder: buildDir, port: 4510 });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    // tsx wraps named functions in a helper that the page does not have.
    await page.addInitScript('globalThis.__name ??= (fn) => fn');
    await page.goto(server.url);
    await page.getByRole('radio', { name: 'Sketch' }).click();
    const canvas = page.locator('canvas.surface');
    await canvas.waitFor();
    const generate = page.getByRole('button', { name: 'Generate', exact: true });
    await generate.and(page.locator(':enabled')).waitFor({ timeout: 120_000 });
    const box = await canvas.boundingBox();
    if (!box) throw new Error('the canvas has no box');
    const cdp = await page.context().newCDPSession(page);
    const [warmUp] = traces;
    if (warmUp) await replay(cdp, warmUp, box);

    const rest = await measure(page, cdp, traces, box);
    const live = page.getByRole('switch', { name: 'Live' });
    await live.click();
    await page.locator('.live-picture').waitFor({ timeout: 120_000 });
    const painting = await measure(page, cdp, traces, box);
    await live.click();
    await page.getByRole('button', { name: 'Parameters' }).click();
    await page.locator('#steps').fill(String(BUSY_STEPS));
    await page.locator('#steps').press('Tab');
    await page.locator('#batch-count').evaluate((input: HTMLInputElement) => {
      input.value = '100';
      input.dispatchEvent(new Event('change', { bubbles: true }));
    });
    await page.keyboard.press('Escape');
    await generate.click();
    await page.getByText(/Step \d+ of/).waitFor({ timeout: 120_000 });
    const busy = await measure(page, cdp, traces, box);
    await page.getByRole('button', { name: 'Stop' }).click();
    return {
      browser: `Chromium ${browser.version()}`,
      rows: [
        ...rowsOf('engine at rest', rest, undefined),
        ...rowsOf('live painting', painting, rest),
        ...rowsOf('while generating', busy, rest),
      ],
    };
  } finally {
    await browser.close();
    server.close();
  }
}
