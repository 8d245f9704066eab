/**
 * The product as a newcomer meets it: navigation to interactive page, to ready model, to first picture, in a fresh
 * browser profile; then warm pictures; then the denoiser's efficiency against one large matrix product.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { chromium, type Page } from 'playwright';
import { createNodeBackend } from '../../src/companion/node_backend';
import { defaultModelFiles, loadNodeModel } from '../../src/companion/node_model';
import { nodeRuntime } from '../../src/lib/backends/onnx/node_runtime';
import { wasmRuntime } from '../../src/lib/backends/onnx/wasm_runtime';
import { generate } from '../../src/lib/pipeline/generate';
import type { StageTime } from '../../src/lib/rpc/engine';
import { ensureChromium } from '../tools/chromium.mjs';
import { serveApp } from '../tools/serve.mjs';
import type { BenchResult } from './main';
import { benchOnnx } from './onnx';
import type { BenchRow } from './report';
import { BASE } from '../unit/pipeline/base_request';

const buildDir = resolve(import.meta.dirname, '../../build');
const STEPS = 12;

async function draw(page: Page, seed: number): Promise<number> {
  await page.locator('#steps').fill(String(STEPS));
  await page.locator('#steps').press('Tab');
  await page.locator('#seed').fill(String(seed));
  const started = performance.now();
  await page.getByRole('button', { name: 'Generate', exact: true }).click();
  await page.getByRole('button', { name: 'Stop' }).waitFor();
  await page.getByRole('button', { name: 'Generate', exact: true }).waitFor({ timeout: 120_000 });
  return performance.now() - started;
}

async function inBrowser(): Promise<{ rows: BenchRow[]; browser: string }> {
  const server = await serveApp({ folder: buildDir, port: 4500 });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const started = performance.now();
    await page.goto(server.url, { waitUntil: 'commit' });
    await page.getByLabel('Prompt', { exact: true }).fill('a red apple, 3d');
    const interactive = performance.now() - started;
    await page.locator('button[type=submit]:not([disabled])').waitFor({ timeout: 120_000 });
    const ready = performance.now() - started;
    const first = await draw(page, 1);
    const warm: number[] = [];
    for (let i = 0; i < 3; i++) warm.push(await draw(page, 2 + i));
    warm.sort((a, b) => a - b);
    const row = (name: string, ours: number): BenchRow => ({ name, ours, unit: 'ms' });
    return {
      browser: `Chromium ${browser.version()}`,
      rows: [
        row('navigation to interactive (empty profile)', interactive),
        row('navigation to model ready (empty profile)', ready),
        row(`first picture, ${STEPS} steps`, first),
        row(`warm picture, ${STEPS} steps, median of 3`, warm[1] ?? NaN),
      ],
    };
  } finally {
    await browser.close();
    server.close();
  }
}

async function inNode(id: 'onnx-node' | 'onnx-wasm', threads: number): Promise<BenchRow[]> {
  const backend = await createNodeBackend(id, threads);
  const { model, close } = await loadNodeModel(await defaultModelFiles(), backend);
  const runs: StageTime[][] = [];
  let peakBytes = 0;
  for (let run = 0; run < 4; run++) {
    const result = await generate(
      model,
      {
        ...BASE,
        prompt: 'a red apple, 3d',
        steps: STEPS,
        cfgScale: 5,
        seed: run,
        widthPx: 128,
        heightPx: 128,
        noiseSource: 'NV',
      },
      { onEvent: () => undefined, randomSeed: () => 0 },
    );
    runs.push([...result.times]);
    peakBytes = Math.max(peakBytes, result.peakBytes);
  }
  const median = (stage: string): number => {
    const times = runs.slice(1).map((times) => times.find((time) => time.stage === stage)?.ms ?? 0);
    return times.sort((a, b) => a - b)[1] ?? NaN;
  };
  await model.dispose();
  await backend.dispose();
  await close();
  const label = `${id}, ${threads} thread${threads > 1 ? 's' : ''}`;
  return [
    { name: `${label}: denoiser step (CFG, 128 px)`, ours: median('denoise') / STEPS, unit: 'ms' },
    { name: `${label}: decode`, ours: median('decode'), unit: 'ms' },
    { name: `${label}: planned memory`, ours: peakBytes / 2 ** 20, unit: 'MiB' },
  ];
}

export async function bench(): Promise<BenchResult> {
  const rows: BenchRow[] = [];
  let browser = '';
  if (existsSync(resolve(buildDir, 'index.html'))) {
    const measured = await inBrowser();
    rows.push(...measured.rows);
    browser = measured.browser;
  } else console.log('skipped: browser half: build the app first (npm run build)');
  for (const [id, threads] of [
    ['onnx-node', 1],
    ['onnx-node', 2],
    ['onnx-wasm', 1],
  ] as const) {
    rows.push(...(await inNode(id, threads)));
  }
  rows.push(...(await efficiency()));
  return { rows, browser };
}

/** FLOP/s of the denoiser's shape against one large product, interleaved in one session. */
async function efficiency(): Promise<BenchRow[]> {
  const runtimes = [await nodeRuntime({ threads: 1 }).catch(() => undefined), await wasmRuntime()];
  const rows: BenchRow[] = [];
  for (const runtime of runtimes) if (runtime) rows.push(...(await benchOnnx(runtime)));
  return rows;
}
