/**
 * Ink as the artist feels it: recorded strokes replayed as pen events in real time on the built app. For each pen
 * reading: from its own time stamp to its pixels handed to the browser (paint), and to the end of the animation frame
 * that shows them (frame; half of a 60 Hz interval on average, all of it at worst, without any work). With the engine at
 * rest, with live painting, while it generates.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { chromium, type CDPSession, type Page } from 'playwright';
import type { InkReadings } from '../../src/lib/ui/studio/ink_meter';
import { readReplay, type StrokeReplay } from '../../src/lib/canvas/replay/stroke_replay';
import { ensureChromium } from '../tools/chromium.mjs';
import { serveApp } from '../tools/serve.mjs';
import type { BenchResult } from './main';
import { watchProcessors } from './processor_share';
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
  /** Per pen reading, ms. */
  readonly latencyMs: readonly number[];
  readonly frameMs: readonly number[];
  /** Per paint. */
  readonly workMs: readonly number[];
  readonly pixels: readonly number[];
  readonly longTasksMs: readonly number[];
  readonly framesMs: readonly number[];
  /** Readings that reached the page, coalesced ones counted, and how many came out of order. */
  readonly readings: number;
  readonly disordered: number;
  readonly sent: number;
  /** Shares of the time: our main thread, other programs on this machine. */
  readonly mainShare: number;
  readonly foreignShare: number | undefined;
}

type Counts = Pick<Measured, 'longTasksMs' | 'framesMs' | 'readings' | 'disordered'>;

/** Starts counting on the page; `window.inkBench` gives the numbers. */
function startCounting(page: Page): Promise<void> {
  return page.evaluate(() => {
    const counts = { longTasksMs: [] as number[], framesMs: [] as number[], readings: 0, disordered: 0, on: true };
    let last = 0;
    Object.assign(window, { inkBench: counts });
    const canvas = document.querySelector('canvas.surface') as HTMLCanvasElement & { inkMeter: { clear(): void } };
    canvas.inkMeter.clear();
    canvas.addEventListener('pointermove', (event) => {
      for (const { timeStamp } of event.getCoalescedEvents()) {
        counts.readings += 1;
        if (timeStamp < last) counts.disordered += 1;
        last = timeStamp;
      }
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

function readCounts(page: Page): Promise<Counts & InkReadings> {
  return page.evaluate(() => {
    const { inkBench } = window as unknown as {
      inkBench: {
        longTasksMs: number[];
        framesMs: number[];
        readings: number;
        disordered: number;
        on: boolean;
      };
    };
    inkBench.on = false;
    const canvas = document.querySelector('canvas.surface') as HTMLCanvasElement & {
      inkMeter: { read(): InkReadings };
    };
    const { longTasksMs, framesMs, readings, disordered } = inkBench;
    // The first frame began before the counting.
    return { ...canvas.inkMeter.read(), longTasksMs, framesMs: framesMs.slice(1), readings, disordered };
  });
}

/** Seconds that tasks of the main thread took so far. */
async function taskSeconds(cdp: CDPSession): Promise<number> {
  const { metrics } = await cdp.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0;
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
  const startedAt = performance.now();
  const tasksBefore = await taskSeconds(cdp);
  const foreign = watchProcessors();
  let sent = 0;
  for (const trace of traces) sent += await replay(cdp, trace, box);
  const mainShare = (1000 * ((await taskSeconds(cdp)) - tasksBefore)) / (performance.now() - startedAt);
  return { ...(await readCounts(page)), sent, mainShare, foreignShare: foreign() };
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
  const readings = `${now.latencyMs.length} readings`;
  const quantiles = (what: string, pick: (from: Measured) => readonly number[], of: readonly number[], note?: string) =>
    of.map((q) => row(`${what} p${q * 100}`, 'ms', (from) => quantile(pick(from), q), note));
  return [
    ...quantiles('input to paint', (from) => from.latencyMs, [0.5, 0.95, 0.99], readings),
    ...quantiles('input to frame', (from) => from.frameMs, [0.5, 0.95, 0.99], readings),
    ...quantiles('own work per paint', (from) => from.workMs, [0.5, 0.95], `${now.workMs.length} paints`),
    row('document pixels per paint p95', 'px', (from) => quantile(from.pixels, 0.95)),
    row('main thread busy', '%', (from) => 100 * from.mainShare),
    row('long tasks (over 50 ms)', 'tasks', (from) => from.longTasksMs.length),
    row(`late frames (over ${LATE_MS} ms)`, 'frames', late, `of ${now.framesMs.length}`),
    row('pen readings lost', 'readings', (from) => from.sent - from.readings, `of ${now.sent}`),
    row('pen readings out of order', 'readings', (from) => from.disordered),
    ...(now.foreignShare === undefined
      ? []
      : [row('processors busy for other programs', '%', (from) => 100 * (from.foreignShare ?? 0), 'spoils the rest')]),
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
    await cdp.send('Performance.enable');
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
    await page.locator('#batchCount').evaluate((input: HTMLInputElement) => {
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
