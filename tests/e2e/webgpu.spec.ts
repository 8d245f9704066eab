/**
 * Quantized models on WebGPU through the built page: a transformer as GGUF and one in NF4 are dropped, opened and draw what
 * the command line draws; then no kernel compiles any more, and WebAssembly takes over. The golden models where they are
 * there, else models of the same kind made here.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from '@playwright/test';
import { psnr } from '../../src/companion/baseline/similarity';
import { decodePng } from '../../src/companion/node_images';
import { goldenGroup } from '../golden/golden_dir';
import { converted, TINY, tinyModel, type TinyFile } from '../tools/tiny_models';
import { expect, test, type AppPage } from './app';
import { drop } from './drop';
import { withFullVocabulary } from './whole_models';

const root = resolve(import.meta.dirname, '../..');
const SETTINGS = { prompt: 'a lighthouse', seed: 5, steps: 1 };
const SIDE_PX = 64;
/** Sums in another order, and 8 bits a channel at the end. */
const LEAST_DB = 50;

/** SwiftShader compiles and computes on two processors that other tests share: minutes where half of one is left. */
const SLOW_MS = 180_000;
test.describe.configure({ timeout: 420_000 });

let below = '';
test.beforeAll(() => {
  below = mkdtempSync(join(tmpdir(), 'sketchforge-webgpu-'));
});
test.afterAll(() => rmSync(below, { recursive: true, force: true }));

/** A folder of diffusers around one transformer file. */
function writeModel(name: string, transformer: TinyFile, parts: ReadonlyMap<string, Uint8Array | string>): string {
  const folder = join(below, name);
  const put = (path: string, bytes: Uint8Array | string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    if (typeof bytes === 'string') cpSync(bytes, join(folder, path), { recursive: true });
    else writeFileSync(join(folder, path), bytes);
  };
  put(`transformer/${transformer.name}`, transformer.bytes);
  for (const [path, bytes] of parts) put(path, bytes);
  put('model_index.json', Buffer.from(JSON.stringify({ _class_name: 'FluxPipeline' })));
  return folder;
}

/** Folders with a GGUF and an NF4 transformer, and the types that the engine page should name. */
async function quantizedModels(): Promise<{ folder: string; type: string }[]> {
  const [denoiser, clip, t5, vae] = tinyModel(TINY.flux);
  if (!denoiser || !clip || !t5 || !vae) throw new Error('a part was not made');
  const golden = goldenGroup('models') ?? '';
  const files = ['gguf-flux/flux_small_Q8_0.gguf', 'quant-flux/flux_nf4.safetensors'].map((path) => join(golden, path));
  const others = join(golden, 'flux-dev/diffusers');
  const encoder = join(others, 'text_encoder');
  const parts = new Map<string, Uint8Array | string>([['text_encoder_2/model.safetensors', t5.bytes]]);
  let transformers: TinyFile[];
  if ([...files, encoder].every((path) => existsSync(path))) {
    transformers = files.map((path) => ({ name: basename(path), bytes: Uint8Array.from(readFileSync(path)) }));
    parts.set('text_encoder/model.safetensors', withFullVocabulary(readFileSync(join(encoder, 'model.safetensors'))));
    parts.set('text_encoder/config.json', join(encoder, 'config.json'));
    parts.set('vae', join(others, 'vae'));
  } else {
    transformers = [
      await converted(denoiser, 'q8_0', 'gguf', 'flux'),
      await converted(denoiser, 'nf4', 'safetensors', 'flux'),
    ];
    parts.set('text_encoder/model.safetensors', clip.bytes);
    parts.set('vae/model.safetensors', vae.bytes);
  }
  return transformers.map((transformer, i) => ({
    folder: writeModel(`quantized-${i}`, transformer, parts),
    type: i === 0 ? 'Q8_0' : 'NF4',
  }));
}

/** The same settings in Node, through WebAssembly. */
async function drawnByCommandLine(folder: string): Promise<Uint8Array> {
  const out = `${folder}.png`;
  const { prompt, seed, steps } = SETTINGS;
  const numbers = ['--seed', `${seed}`, '--steps', `${steps}`, '--width', `${SIDE_PX}`, '--height', `${SIDE_PX}`];
  const words = ['--prompt', prompt, ...numbers, '--backend', 'onnx-wasm', '--model', folder, '--out', out];
  const tsx = resolve(root, 'node_modules/.bin/tsx');
  await promisify(execFile)(tsx, ['src/companion/generate.ts', ...words], { cwd: root });
  return readFileSync(out);
}

async function visit(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name }).click();
  await expect(page.getByRole('navigation').getByRole('link', { name })).toHaveAttribute('aria-current', 'page');
}

/** Its card is found by the type of its weights, which is in its name too. */
async function addAndUse(page: Page, folder: string, type: string): Promise<void> {
  await drop(page, [folder]);
  const proposal = page.getByRole('group', { name: 'Found' }).getByRole('article');
  await expect(proposal).toHaveCount(1);
  await proposal.getByRole('button', { name: /^(Add|Copy into the browser)$/ }).click();
  await use(page.locator('li > article').filter({ hasText: type }));
}

async function use(card: ReturnType<Page['locator']>): Promise<void> {
  await card.getByRole('button', { name: 'Use', exact: true }).click();
  await expect(card.getByText('In use', { exact: true })).toBeVisible();
}

async function generate(app: AppPage): Promise<Uint8Array> {
  await visit(app.page, 'Create');
  await app.ready();
  await app.set('size', { widthPx: `${SIDE_PX}`, heightPx: `${SIDE_PX}` });
  await app.generate(SETTINGS, { timeout: SLOW_MS });
  return app.save();
}

/** A fact of the engine page by its name. */
const fact = (page: Page, name: string) =>
  page
    .locator('dl > div')
    .filter({ has: page.locator('dt').getByText(name, { exact: true }) })
    .locator('dd');

/** From a message on, the engine's worker meets a compiler that refuses every kernel. */
const REFUSES_KERNELS = `
  let refuses = false;
  new BroadcastChannel('refuse kernels').onmessage = () => (refuses = true);
  const create = GPUDevice.prototype.createComputePipelineAsync;
  GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
    return refuses ? Promise.reject(new DOMException('refused', 'OperationError')) : create.call(this, descriptor);
  };
`;

test('GGUF and NF4 draw on WebGPU; where kernels stop compiling, WebAssembly goes on', async ({ app, page }) => {
  await page.route(/workers\/engine[^/]*\.js$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: REFUSES_KERNELS + (await response.text()) });
  });
  const models = await quantizedModels();
  await page.goto(`${app.url}settings`);
  await page.getByLabel('Compute with').selectOption('webgpu');
  await page.getByRole('button', { name: 'Apply' }).click();
  for (const { folder, type } of models) {
    await visit(page, 'Models');
    await addAndUse(page, folder, type);
    const drawn = decodePng(await generate(app), 'page');
    const wanted = decodePng(await drawnByCommandLine(folder), 'command line');
    expect(psnr(drawn, wanted), type).toBeGreaterThan(LEAST_DB);

    await visit(page, 'Engine');
    await expect(fact(page, 'Computes with')).toHaveText('WebGPU');
    await expect(fact(page, 'Why')).toHaveText('Chosen in the settings');
    await expect(fact(page, 'Weight types')).toContainText(type);
    // A software adapter keeps the plain kernels, and the list says so.
    await page.getByText(/^Fast kernels · 0\/\d+$/).click();
    await expect(page.locator('details li', { hasText: 'not tested' })).not.toHaveCount(0);
    const costs = page.getByRole('table');
    await expect(costs.getByRole('caption')).toHaveText(/^Operator times by the GPU clock/);
    for (const op of ['linear', 'attention', 'conv2d']) {
      await expect(
        costs
          .getByRole('row')
          .filter({ hasText: op })
          .filter({ hasText: /[GM]FLOP\/s/ }),
      ).not.toHaveCount(0);
    }
  }

  await page.evaluate(() => new BroadcastChannel('refuse kernels').postMessage(true));
  await visit(page, 'Models');
  // Half precision: kernels that no model needed so far.
  await use(page.locator('li > article').filter({ hasText: 'Built in' }));
  await generate(app);
  await expect(page.getByText(/The engine goes on with onnxruntime-web \(WebAssembly\): a kernel/)).toBeVisible();
  await visit(page, 'Engine');
  await expect(fact(page, 'Computes with')).toHaveText('onnxruntime-web (WebAssembly)');
  await expect(fact(page, 'Why')).toContainText('WebGPU failed in a job');
  await page.getByRole('button', { name: 'Restart the engine' }).click();
  await expect(fact(page, 'Computes with')).toHaveText('WebGPU');
});
