/** A page of the benches in Chromium, served from the sources. */
import { resolve } from 'node:path';
import { chromium, type Page } from 'playwright';
import { createServer } from 'vite';
import { ensureChromium } from '../tools/chromium.mjs';

const root = resolve(import.meta.dirname, '../..');
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** Chromium's flags for WebGPU on the real adapter where there is one, or on SwiftShader. */
export function adapterFlags(software: boolean): string[] {
  const flags = ['--enable-unsafe-webgpu', '--enable-features=Vulkan'];
  return software ? [...flags, '--use-webgpu-adapter=swiftshader'] : flags;
}

/** Opens `tests/bench/NAME` and hands it to `work`; everything is closed afterwards. */
export async function inBenchPage<T>(
  name: string,
  args: readonly string[],
  work: (page: Page, version: string) => Promise<T>,
): Promise<T> {
  const server = await createServer({
    root,
    configFile: false,
    logLevel: 'error',
    server: { port: 0, headers: ISOLATION, watch: null },
    optimizeDeps: { noDiscovery: true },
  });
  await server.listen();
  const browser = await chromium.launch({ executablePath: await ensureChromium(), args: ['--no-sandbox', ...args] });
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(error.message));
    // How far it is, for slow adapters.
    page.on('console', (message) => message.type() === 'info' && console.error(message.text()));
    const url = server.resolvedUrls?.local[0];
    if (url === undefined) throw new Error('bench: the page server gave no address');
    await page.goto(new URL(`tests/bench/${name}`, url).href);
    return await work(page, browser.version());
  } finally {
    await browser.close();
    await server.close();
  }
}
