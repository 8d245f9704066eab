import { execFile } from 'node:child_process';
import { readFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { decode } from 'fast-png';
import { readPng } from '../../src/lib/formats/png_text';
import { parseInfotext } from '../../src/lib/infotext/grammar';
import { expect, test } from './app';

const root = resolve(import.meta.dirname, '../..');

function psnr(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] ?? 0) - (b[i] ?? 0)) ** 2;
  return sum === 0 ? Infinity : 10 * Math.log10((255 * 255 * a.length) / sum);
}

/** RGB bytes of a PNG. */
function pixels(png: Uint8Array): Uint8Array {
  const { width, height, channels, data } = decode(png);
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[channels * i + c] ?? 0;
  }
  return rgb;
}

test('a picture carries its parameters, the same ones give the same picture, in the page and on the command line', async ({
  app,
}) => {
  await app.open();
  await app.generate({ prompt: 'a red apple, 3d', seed: 7, steps: 6 });
  const first = await app.save();
  const text = readPng(first).texts.find((entry) => entry.keyword === 'parameters')?.text ?? '';
  const parsed = parseInfotext(text);
  expect(parsed.prompt).toBe('a red apple, 3d');
  expect(text).toContain('Steps: 6');
  expect(text).toContain('Seed: 7');
  const large = await app.save('Save enlarged ×4');
  expect(decode(large)).toMatchObject({ width: 512, height: 512 });
  expect(readPng(large).texts.find((entry) => entry.keyword === 'parameters')?.text).toBe(text);

  const cfg = /CFG scale: ([\d.]+)/.exec(text)?.[1] ?? '';
  const out = join(await mkdtemp(join(tmpdir(), 'sketchforge-')), 'apple.png');
  const words = ['--prompt', 'a red apple, 3d', '--seed', '7', '--steps', '6', '--cfg', cfg, '--backend', 'onnx-wasm'];
  const tsx = resolve(root, 'node_modules/.bin/tsx');
  const commandLine = promisify(execFile)(tsx, ['src/companion/generate.ts', ...words, '--out', out], { cwd: root });

  await app.generate({ prompt: 'a blue car', seed: 1, steps: 2 });
  await app.generate({ prompt: parsed.prompt, seed: 7, steps: 6 });
  const second = await app.save();
  expect(psnr(pixels(first), pixels(second))).toBeGreaterThan(60);
  await commandLine;
  // Threads change the order of sums, so the last bit may differ.
  expect(psnr(pixels(first), pixels(await readFile(out)))).toBeGreaterThan(45);
});

test('one press to a first picture, and Stop keeps what exists', async ({ app, page }) => {
  await app.open();
  await page.locator('#steps').fill('2');
  await page.locator('#steps').press('Tab');
  await page.getByRole('button', { name: 'a blue car', exact: true }).click();
  await expect(app.prompt).toHaveValue('a blue car');
  await expect(page.getByRole('button', { name: 'Change a part of it' })).toBeVisible();
  await app.prompt.fill('a house');
  await page.locator('#steps').fill('50');
  await page.locator('#steps').press('Tab');
  await app.generateButton.click();
  await expect(page.getByText(/Step [2-9] of 50/)).toBeVisible();
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(app.picture).toBeVisible({ timeout: 15_000 });
  await expect(page.getByText('this is how far it came')).toBeVisible();
  await expect(app.generateButton).toBeEnabled();
});
