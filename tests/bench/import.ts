/**
 * `npm run bench -- import [--gib N] [--from host|disk]`: a model file of 4 GiB, downloaded and copied from a disk into
 * the built app's store on a disk. The host makes the bytes as they are asked for, the file on the disk is sparse, so
 * neither takes the room of one. Measured: the most JavaScript memory (objects and array
 * buffers) that page and workers held together. The bound is 300 MB; above it the bench fails.
 */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium, type CDPSession, type Page } from 'playwright';
import { ensureChromium } from '../tools/chromium.mjs';
import { serveApp } from '../tools/serve.mjs';
import type { BenchResult } from './main';

const buildDir = resolve(import.meta.dirname, '../../build');
const GIB = 2 ** 30;
const MB = 1e6;
const MAX_HEAP_BYTES = 300 * MB;
const SAMPLE_MS = 250;
const HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Expose-Headers': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
};

/** Header of a LoRA with one huge matrix: recognised, and planned by nobody. */
function headerOf(dataBytes: number): Buffer {
  const layer = 'lora_unet_down_blocks_0_attentions_0_proj_in';
  const up = dataBytes - 32;
  const text = JSON.stringify({
    [`${layer}.lora_down.weight`]: { dtype: 'F16', shape: [4, 4], data_offsets: [0, 32] },
    [`${layer}.lora_up.weight`]: { dtype: 'F16', shape: [up / 8, 4], data_offsets: [32, dataBytes] },
  });
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded]);
}

/** Sends a range of the file: the header, then a block of noise over and over. */
async function send(request: IncomingMessage, response: ServerResponse, header: Buffer, sizeBytes: number) {
  if (request.method === 'OPTIONS') return void response.writeHead(204, HEADERS).end();
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const start = Number(match?.[1] ?? 0);
  const end = Math.min(Number(match?.[2] ?? sizeBytes - 1), sizeBytes - 1) + 1;
  response.writeHead(match ? 206 : 200, {
    ...HEADERS,
    ETag: '"bench"',
    'Content-Length': end - start,
    ...(match ? { 'Content-Range': `bytes ${start}-${end - 1}/${sizeBytes}` } : {}),
  });
  for (let at = start; at < end && !response.destroyed;) {
    const inHeader = at < header.length;
    const from = inHeader ? at : at % NOISE.length;
    const bytes = (inHeader ? header : NOISE).subarray(from, from + end - at);
    at += bytes.length;
    if (!response.write(bytes)) await new Promise((go) => response.once('drain', go).once('close', go));
  }
  response.end();
}

const NOISE = Buffer.from(Uint32Array.from({ length: 2 ** 18 }, (_, i) => Math.imul(i + 1, 2654435761)).buffer);

interface Heap {
  readonly usedSize: number;
  /** Array buffers; browsers before 2024 do not tell. */
  readonly backingStorageSize?: number;
}

/** Samples page and workers until told to stop; gives the largest sums. */
async function watchHeap(page: Page) {
  const session = await page.context().newCDPSession(page);
  const workers = new Map<string, (method: string) => Promise<Heap>>();
  session.on('Target.attachedToTarget', ({ sessionId }) => workers.set(sessionId, within(session, sessionId)));
  session.on('Target.detachedFromTarget', ({ sessionId }) => void workers.delete(sessionId));
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const total = { peak: 0, objects: 0, buffers: 0, samples: 0, workers: 0 };
  let on = true;
  const sample = async () => {
    const own = session.send('Runtime.getHeapUsage') as Promise<Heap>;
    const heaps = await Promise.all([own, ...[...workers.values()].map((ask) => ask('Runtime.getHeapUsage'))]);
    const objects = heaps.reduce((sum, heap) => sum + heap.usedSize, 0);
    const buffers = heaps.reduce((sum, heap) => sum + (heap.backingStorageSize ?? 0), 0);
    if (objects + buffers > total.peak) Object.assign(total, { peak: objects + buffers, objects, buffers });
    total.samples += 1;
    total.workers = Math.max(total.workers, workers.size);
  };
  const ended = (async () => {
    while (on) {
      await sample();
      await new Promise((go) => setTimeout(go, SAMPLE_MS));
    }
  })();
  return async () => {
    on = false;
    await ended;
    return total;
  };
}

/** Asks a worker through its page's session. */
function within(session: CDPSession, sessionId: string): (method: string) => Promise<Heap> {
  let last = 0;
  const waiting = new Map<number, (heap: Heap) => void>();
  session.on('Target.receivedMessageFromTarget', (event) => {
    if (event.sessionId !== sessionId) return;
    const { id, result } = JSON.parse(event.message) as { readonly id: number; readonly result?: Heap };
    waiting.get(id)?.(result ?? { usedSize: 0 });
    waiting.delete(id);
  });
  return (method) => {
    const id = ++last;
    const answer = new Promise<Heap>((resolve) => {
      waiting.set(id, resolve);
      // A worker that is in a long computation answers later: its last state counts next time.
      setTimeout(() => resolve({ usedSize: 0 }), 2000);
    });
    void session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method }) });
    return answer;
  };
}

const SOURCES = ['host', 'disk'] as const;
type Source = (typeof SOURCES)[number];

/** Chooses the file; the page then offers to add it. */
type Choose = (page: Page) => Promise<void>;

/** A file of the same length without blocks behind its header, where the system can. */
function sparseFile(folder: string, header: Buffer, sizeBytes: number): string {
  const path = join(folder, 'large.safetensors');
  writeFileSync(path, header);
  truncateSync(path, sizeBytes);
  return path;
}

/** One import into a fresh profile. @throws Error above the bound */
async function measure(appUrl: string, from: Source, fileBytes: number, choose: Choose): Promise<BenchResult> {
  const profile = mkdtempSync(join(tmpdir(), 'sketchforge-import-'));
  const executablePath = process.env['CHROME_PATH'] ?? (await ensureChromium());
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: ['--no-sandbox'] });
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(`${appUrl}models`);
    await page.locator('li > article').first().waitFor();
    const stop = await watchHeap(page);
    await choose(page);
    const began = performance.now();
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.locator('li > article').filter({ hasText: 'large' }).waitFor({ timeout: 0 });
    const seconds = (performance.now() - began) / 1000;
    const heap = await stop();
    const browser = context.browser()?.version() ?? '';
    const note = `${heap.samples} samples, page and ${heap.workers} workers; objects ${(heap.objects / MB).toFixed(0)} MB, buffers ${(heap.buffers / MB).toFixed(0)} MB`;
    if (heap.peak > MAX_HEAP_BYTES) throw new Error(`import: ${note}: more than ${MAX_HEAP_BYTES / MB} MB`);
    const what = `${(fileBytes / GIB).toFixed(2)} GiB ${from === 'host' ? 'downloaded' : 'copied from disk'}`;
    return {
      browser: `Chromium ${browser}`,
      rows: [
        {
          name: `peak JavaScript memory, ${what}`,
          ours: heap.peak / MB,
          unit: 'MB',
          baseline: MAX_HEAP_BYTES / MB,
          baselineName: 'bound',
          ratio: MAX_HEAP_BYTES / heap.peak,
          note,
        },
        { name: `hashed and stored, ${what}`, ours: fileBytes / MB / seconds, unit: 'MB/s' },
      ],
    };
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

export async function bench(words: readonly string[]): Promise<BenchResult> {
  const option = (name: string) => (words.includes(name) ? words[words.indexOf(name) + 1] : undefined);
  const sizeBytes = Math.round(Number(option('--gib') ?? 4) * GIB);
  const wanted = SOURCES.filter((source) => (option('--from') ?? source) === source);
  const header = headerOf(sizeBytes - 256);
  const fileBytes = header.length + sizeBytes - 256;
  const host = createServer((request, response) => void send(request, response, header, fileBytes));
  await new Promise<void>((go) => host.listen(0, '127.0.0.1', go));
  const { port } = host.address() as AddressInfo;
  const folder = mkdtempSync(join(tmpdir(), 'sketchforge-file-'));
  const app = await serveApp({ folder: buildDir, port: 4180 });
  const choose: Readonly<Record<Source, Choose>> = {
    async host(page) {
      await page.getByLabel('Address of a model file').fill(`http://127.0.0.1:${port}/large.safetensors`);
      await page.getByRole('button', { name: 'Look' }).click();
    },
    async disk(page) {
      await page.locator('#model-files').setInputFiles(sparseFile(folder, header, fileBytes));
    },
  };
  try {
    const results: BenchResult[] = [];
    for (const source of wanted) results.push(await measure(app.url, source, fileBytes, choose[source]));
    return { ...results[0], rows: results.flatMap(({ rows }) => rows) };
  } finally {
    app.close();
    host.close();
    host.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}
