import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { decode } from 'fast-png';
import { unzipSync } from 'fflate';
import { encodePng } from '../../src/companion/node_images';
import { insertPngText, readPng } from '../../src/lib/formats/png_text';
import { fillGallery } from '../tools/gallery_pictures';
import { expect, test } from './app';
import { dropBytes } from './drop';

/** The shipped files under names of their own: with the same name they would be the same row of the list. */
const ownFiles = await Promise.all(
  ['tiny-icons', 'tiny-icons-ae'].map(async (name) => ({
    name: `own-${name}.safetensors`,
    mimeType: 'application/octet-stream',
    buffer: await readFile(resolve(import.meta.dirname, `../../static/models/${name}.safetensors`)),
  })),
);

/** Nodes by id: class and inputs, as ComfyUI keeps them in its pictures. */
const COMFY_GRAPH = Object.fromEntries(
  Object.entries({
    '1': ['CheckpointLoaderSimple', { ckpt_name: 'sea/coastal_v2.safetensors' }],
    '2': [
      'LoraLoader',
      { lora_name: 'ink.safetensors', strength_model: 0.8, strength_clip: 0.5, model: ['1', 0], clip: ['1', 1] },
    ],
    '3': ['CLIPTextEncode', { text: 'a lighthouse at dusk, (storm:1.2)', clip: ['2', 1] }],
    '4': ['CLIPTextEncode', { text: 'people', clip: ['2', 1] }],
    '5': ['ControlNetApply', { conditioning: ['3', 0], strength: 1 }],
    '6': ['EmptyLatentImage', { width: 128, height: 128, batch_size: 1 }],
    '7': [
      'KSampler',
      {
        seed: 1234567,
        steps: 14,
        cfg: 6.5,
        sampler_name: 'dpmpp_2m',
        scheduler: 'karras',
        denoise: 1,
        model: ['2', 0],
        positive: ['5', 0],
        negative: ['4', 0],
        latent_image: ['6', 0],
      },
    ],
    '8': ['VAEDecode', { samples: ['7', 0], vae: ['1', 2] }],
    '9': ['SaveImage', { filename_prefix: 'sea', images: ['8', 0] }],
  }).map(([id, [class_type, inputs]]) => [id, { class_type, inputs }]),
);

async function paste(page: Page, text: string): Promise<void> {
  await page.evaluate((text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', text);
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  }, text);
}

test('pictures are kept: found, starred, exported, upscaled, deleted and brought back', async ({
  app,
  page,
  context,
}) => {
  await context.grantPermissions(['notifications']);
  await page.addInitScript(() => {
    const calls: string[] = [];
    Object.assign(window, { systemCalls: calls });
    navigator.storage.persist = () => Promise.resolve(calls.push('persist') > 0);
    class Told {
      static permission = Notification.permission;
      constructor(title: string) {
        calls.push(title);
      }
    }
    Object.assign(window, { Notification: Told });
    Object.assign(navigator, { setAppBadge: (count: number) => Promise.resolve(void calls.push(`badge ${count}`)) });
    const lock = { released: false, release: () => Promise.resolve(void calls.push('asleep')) };
    const request = () => Promise.resolve(calls.push('awake') > 0 && lock);
    Object.defineProperty(navigator, 'wakeLock', { value: { request } });
  });
  const calls = () => page.evaluate(() => (window as unknown as { systemCalls: string[] }).systemCalls);
  await app.open();
  expect(await calls(), 'nothing to lose yet').toEqual([]);
  await app.generate({ prompt: 'a red apple, 3d', seed: 7, steps: 2 });
  await expect
    .poll(calls, { message: 'awake while it ran; asked to keep what was made' })
    .toEqual(expect.arrayContaining(['awake', 'asleep', 'persist']));
  // The long one ends while nobody looks.
  await page.evaluate(() =>
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true }),
  );
  await app.generate({ prompt: 'a blue car', seed: 8, steps: 2 });
  await expect.poll(calls).toEqual(expect.arrayContaining(['badge 1', 'Pictures are ready']));
  expect((await calls()).filter((call) => call === 'persist')).toHaveLength(1);
  await page.evaluate(() => Reflect.deleteProperty(document, 'visibilityState'));
  await app.visit('Gallery');
  await expect(page.getByText('2 pictures')).toBeVisible();
  await page.reload();
  await expect(page.getByText('2 pictures')).toBeVisible();

  await page.getByLabel('Search pictures').fill('apple');
  await expect(page.getByText('1 picture', { exact: true })).toBeVisible();
  await page.getByLabel('Search pictures').fill('8');
  await expect(page.getByRole('button', { name: 'Generated picture: a blue car' })).toBeVisible();
  await page.getByLabel('Search pictures').fill('');

  await page.getByRole('button', { name: 'Generated picture: a red apple, 3d' }).click();
  const details = page.getByRole('dialog', { name: 'Settings of this picture' });
  await expect(details.getByText('DPM++ 2M', { exact: false }).first()).toBeVisible();
  await details.getByRole('button', { name: 'Favourite' }).click();
  await details.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Favourites only' }).click();
  await expect(page.getByText('1 picture', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Favourites only' }).click();

  await page.getByLabel('Select a red apple, 3d').check();
  await page.getByLabel('Select a blue car').check();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export as ZIP' }).click(),
  ]);
  const files = unzipSync(new Uint8Array(await readFile(await download.path())));
  expect(Object.keys(files)).toHaveLength(2);
  for (const png of Object.values(files)) expect(readPng(png).texts[0]?.keyword).toBe('parameters');

  await page.getByRole('button', { name: 'Compare' }).click();
  await expect(page.getByRole('slider', { name: 'Boundary between the two pictures' })).toBeVisible();
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('No pictures yet')).toBeVisible();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByText('2 pictures', { exact: true })).toBeVisible();

  await page.getByRole('button', { name: 'Generated picture: a blue car' }).click();
  await details.getByRole('button', { name: 'Upscale' }).click();
  await page.locator('#upscaler').selectOption('Lanczos');
  await page.locator('#upscale-scale').fill('3');
  await page.locator('#upscale-scale').press('Tab');
  await page.getByRole('button', { name: 'Upscale', exact: true }).click();
  await expect(page.getByText('384×384')).toBeVisible();
  const [enlarged] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save', exact: true }).click(),
  ]);
  const text = readPng(new Uint8Array(await readFile(await enlarged.path()))).texts[0]?.text ?? '';
  expect(text).toContain('a blue car');
  expect(text).toContain('Postprocess upscaler: Lanczos');
  await app.visit('Gallery');
  await expect(page.getByText('3 pictures', { exact: true })).toBeVisible();

  await page.getByRole('button', { name: 'Generated picture: a red apple, 3d' }).click();
  await details.getByRole('button', { name: 'Change a part of it' }).click();
  await expect(page.locator('canvas.surface')).toBeVisible();
  await expect(page.getByRole('button', { name: /^Mask brush/ })).toHaveAttribute('aria-pressed', 'true');
  await app.visit('Gallery');
  await page.getByRole('button', { name: 'Generated picture: a red apple, 3d' }).click();
  await details.getByRole('button', { name: 'Open in the sketch' }).click();
  await page.getByRole('button', { name: 'Layers', exact: true }).click();
  // Over the one that was to be changed.
  await expect(page.locator('.layers').getByRole('button', { name: '7', exact: true })).toHaveCount(2);
  await app.visit('Gallery');
  await page.getByRole('button', { name: 'Generated picture: a red apple, 3d' }).click();
  await details.getByRole('button', { name: 'Continue from this picture' }).click();
  await expect(page.getByRole('group', { name: 'Starting picture' })).toBeVisible();
  await expect(page.locator('#widthPx')).toHaveValue('128');
});

test('of ten thousand pictures few exist at once, and scrolling changes only the rows that come', async ({
  page,
  appUrl,
}) => {
  await page.goto(`${appUrl}gallery`);
  await expect(page.getByText('No pictures yet')).toBeVisible();
  await fillGallery(page, 10_000);
  await page.reload();
  await expect(page.getByText('10,000 pictures')).toBeVisible();
  // What makes it smooth: few cells, made once, of which a step of scrolling changes those of the new rows only.
  const counted = await page.locator('.scroller').evaluate(async (scroller) => {
    let [most, made, changed] = [0, 0, 0];
    const seen = new Set(scroller.querySelectorAll('li'));
    const observer = new MutationObserver((records) => {
      const cells = records.flatMap(({ target }) => (target instanceof Element ? (target.closest('li') ?? []) : []));
      changed = Math.max(changed, new Set(cells).size);
    });
    observer.observe(scroller, { subtree: true, attributes: true, attributeFilter: ['data-index'] });
    for (let i = 0; i < 40; i++) {
      scroller.scrollTop += 240;
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      const cells = scroller.querySelectorAll('li');
      most = Math.max(most, cells.length);
      for (const cell of cells) if (!seen.has(cell)) made += seen.add(cell).size > 0 ? 1 : 0;
    }
    observer.disconnect();
    const [cell] = cells(scroller);
    return { most, made, changed, columns: Math.round(scroller.clientWidth / (cell?.clientWidth ?? 1)) };
    function cells(root: Element) {
      return root.querySelectorAll('li');
    }
  });
  expect(counted.most).toBeLessThan(150);
  expect(counted.made, 'cells are used again').toBeLessThan(2 * counted.most);
  expect(counted.changed, 'at most two rows come with 240 px').toBeLessThanOrEqual(3 * counted.columns);
  await page.getByLabel('Search pictures').fill('9999');
  await expect(page.getByText('1 picture', { exact: true })).toBeVisible();
});

test('a dropped picture brings its settings and the same picture comes out', async ({ app, page }) => {
  await app.open();
  await app.generate({ prompt: 'a yellow star', seed: 21, steps: 3 });
  const first = await app.save();
  await app.generate({ prompt: 'a house', seed: 5, steps: 2 });
  await dropBytes(page, 'star.png', 'image/png', first);
  await expect(app.prompt).toHaveValue('a yellow star');
  await expect(page.locator('#seed')).toHaveValue('21');
  await expect(page.locator('#steps')).toHaveValue('3');
  await expect(page.getByText('Settings taken over')).toHaveCount(0);
  await app.generate({ prompt: 'a yellow star', seed: 21, steps: 3 });
  expect((await app.save()).equals(first)).toBe(true);

  await paste(
    page,
    'a castle <lora:stones:0.8>\nNegative prompt: blurry\nSteps: 12, Sampler: DPM++ 2M Karras, CFG scale: 4, Seed: 99, Size: 128x128, Model hash: 6ce0161689, Model: v1-5, Lora hashes: "stones: 0123456789ab", Ultra mode: on',
  );
  await expect(app.prompt).toHaveValue('a castle <lora:stones:0.8>');
  await expect(page.locator('#schedule')).toHaveValue('karras');
  await expect(page.getByText('Model v1-5 6ce0161689')).toBeVisible();
  await expect(page.getByText('LoRA stones 0123456789ab')).toBeVisible();
  await expect(page.getByText('Ultra mode: on')).toBeVisible();

  // A picture of another program, which keeps its whole graph.
  const grey = encodePng({ widthPx: 8, heightPx: 8, rgba: new Uint8ClampedArray(256).fill(128) });
  const texts = [{ keyword: 'prompt', text: JSON.stringify(COMFY_GRAPH) }];
  await dropBytes(page, 'foreign.png', 'image/png', insertPngText(grey, texts));
  await expect(app.prompt).toHaveValue('a lighthouse at dusk, (storm:1.2)\n<lora:ink:0.5:0.8>');
  await expect(page.getByLabel('Negative prompt')).toHaveValue('people');
  for (const [id, value] of Object.entries({
    seed: '1234567',
    steps: '14',
    cfgScale: '6.5',
    sampler: 'dpmpp_2m',
    schedule: 'karras',
  }))
    await expect(page.locator(`#${id}`)).toHaveValue(value);
  await expect(page.getByText('Model sea/coastal_v2', { exact: false })).toBeVisible();
  await expect(page.getByText('ControlNetApply', { exact: false })).toBeVisible();
  await expect(page.getByText('Ultra mode: on'), 'the last report is gone').toHaveCount(0);
});

test('hires, variation and guidance come back from a dropped picture, and so does the picture', async ({
  app,
  page,
}) => {
  await app.open();
  await page.getByRole('combobox', { name: 'Find a setting' }).fill('hires steps');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('switch', { name: 'Hires fix' })).toBeChecked();
  const set = async (id: string, value: string) => {
    await page.locator(`#${id}`).fill(value);
    await page.locator(`#${id}`).press('Tab');
  };
  await set('hires-steps', '2');
  await set('hires-scale', '1.5');
  await set('hires-strength', '0.55');
  await page.getByRole('switch', { name: 'Variation' }).click();
  await set('variation-seed', '11');
  await set('variation-strength', '0.35');
  await set('cfgScale', '3.25');
  await app.generate({ prompt: 'a blue house', seed: 12, steps: 3 });
  const first = await app.save();

  await page.getByRole('button', { name: "Use the model's defaults" }).click();
  await expect(page.getByRole('switch', { name: 'Hires fix' })).not.toBeChecked();
  await app.prompt.fill('something else');
  await dropBytes(page, 'house.png', 'image/png', first);
  await expect(app.prompt).toHaveValue('a blue house');
  const wanted = { 'hires-steps': '2', 'hires-scale': '1.5', 'hires-strength': '0.55', 'variation-seed': '11' };
  for (const [id, value] of Object.entries({ ...wanted, 'variation-strength': '0.35', cfgScale: '3.25' })) {
    await expect(page.locator(`#${id}`)).toHaveValue(value);
  }
  await expect(page.getByText('Settings taken over')).toHaveCount(0);
  await app.generate({ prompt: 'a blue house', seed: 12, steps: 3 });
  expect((await app.save()).equals(first)).toBe(true);
});

test('a style joins the prompt, a preset brings settings back, malformed places are named', async ({ app, page }) => {
  await app.open();
  await app.prompt.fill('a (star');
  await expect(page.getByText('is not closed', { exact: false })).toBeVisible();
  await app.prompt.fill('{prompt}, 3d');
  await page.getByRole('button', { name: 'Styles' }).click();
  await page.getByRole('button', { name: 'New from these prompts' }).click();
  await page.getByLabel('Name of the style').fill('solid');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('checkbox', { name: /solid/ }).check();
  await page.locator('#steps').fill('2');
  await page.locator('#steps').press('Tab');
  await page.getByRole('button', { name: 'Presets' }).click();
  await page.getByLabel('Name of the preset').fill('quick');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.locator('#steps').fill('9');
  await page.locator('#steps').press('Tab');
  await page.getByRole('button', { name: 'quick', exact: true }).click();
  await expect(page.locator('#steps')).toHaveValue('2');
  await app.generate({ prompt: 'a yellow star', seed: 4, steps: 2 });
  const text = readPng(await app.save()).texts.find(({ keyword }) => keyword === 'parameters')?.text ?? '';
  expect(text.split('\n')[0]).toBe('a yellow star, 3d');
  // What was asked before comes back by its first letters, or from the list.
  await app.prompt.fill('');
  await app.prompt.pressSequentially('sol');
  await expect(page.getByRole('option', { name: /solid/ })).toBeVisible();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'History' }).click();
  await page.getByRole('button', { name: 'a yellow star', exact: true }).click();
  await expect(app.prompt).toHaveValue('a yellow star');
});

test('a model is added from files, checked, renamed, used, takes over as a refiner, and is deleted', async ({
  app,
  page,
  appUrl,
}) => {
  await page.goto(`${appUrl}models`);
  await expect(page.getByRole('article', { name: 'tiny-icons' })).toBeVisible();
  await page.locator('#model-files').setInputFiles(ownFiles.slice(0, 1));
  await expect(page.getByText('Still needs: autoencoder', { exact: false })).toBeVisible();
  await page.locator('#model-files').setInputFiles(ownFiles);
  const found = page.getByRole('group', { name: 'Found' }).getByRole('article');
  await expect(found).toContainText('Model · Stable Diffusion 1.x');
  await expect(found.getByRole('listitem')).toHaveText([/denoiser, clip-l/, /vae/]);
  await expect(page.getByText('Still needs', { exact: false })).toHaveCount(0);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  // What was found is shown as an article as well until it has been added.
  await expect(found).toHaveCount(0);
  const cards = page.getByRole('article');
  await expect(cards).toHaveCount(2);
  const own = cards.filter({ hasNotText: 'Built in' });
  await own.getByText('Details').click();
  await own.getByRole('button', { name: 'Rename' }).click();
  await own.getByLabel('Name of the model').fill('my icons');
  await own.getByRole('button', { name: 'Save' }).click();
  const renamed = page.getByRole('article', { name: 'my icons' });
  await renamed.getByRole('button', { name: 'Check' }).click();
  await expect(page.getByText('Every byte is as it was stored.')).toBeVisible();
  await renamed.getByRole('button', { name: 'Use', exact: true }).click();
  await expect(renamed.getByText('In use')).toBeVisible();

  // The shipped model has the same weights: the picture must not change when it takes over.
  await app.visit('Create');
  await app.ready();
  const model = page.getByLabel('Model', { exact: true });
  for (const label of ['tiny-icons', 'my icons']) {
    await model.selectOption({ label });
    await expect(model).toBeEnabled();
    await app.ready();
  }
  await app.generate({ prompt: 'a red apple, 3d', seed: 7, steps: 4 });
  const alone = decode(await app.save()).data;
  await app.turn('refiner', true);
  await page.locator('#refiner-modelId').selectOption({ label: 'tiny-icons' });
  await app.fill('refiner-switchAt', '0.5');
  await app.generate({ prompt: 'a red apple, 3d', seed: 7, steps: 4 });
  expect(await app.infotext()).toMatch(
    /Model: my icons,.* Refiner: tiny-icons \[[0-9a-f]{10}\], Refiner switch at: 0\.5/,
  );
  expect(decode(await app.save()).data).toEqual(alone);
  await app.visit('Models');

  await page.getByLabel('Address of a model file').fill(`${appUrl}models/tiny-icons-ae.safetensors`);
  await page.getByRole('button', { name: 'Look' }).click();
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const part = page.getByRole('article', { name: 'tiny-icons-ae' });
  await expect(part).toBeVisible();
  await part.getByText('Details').click();
  await part.getByRole('button', { name: 'Delete' }).click();
  await part.getByRole('alert').getByRole('button', { name: 'Delete' }).click();
  await expect(part).toHaveCount(0);

  await page.getByLabel('Address of a model file').fill(`${appUrl}models/nothing.safetensors`);
  await page.getByRole('button', { name: 'Look' }).click();
  await expect(page.getByText('The download failed')).toBeVisible();
});

test('waiting jobs survive a reload, change places and run', async ({ app, page }) => {
  await app.open();
  await page.locator('#steps').fill('2');
  await page.locator('#steps').press('Tab');
  await app.visit('Queue');
  await expect(page.getByText('Nothing is waiting')).toBeVisible();
  await app.visit('Create');
  await app.prompt.fill('long');
  await page.locator('#steps').fill('50');
  await page.locator('#steps').press('Tab');
  await app.generateButton.click();
  // The key that closes the palette stops no picture.
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: 'Type what you want to do' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Stop' })).toBeVisible();
  await page.locator('#steps').fill('2');
  await page.locator('#steps').press('Tab');
  for (const prompt of ['first', 'second', 'unwanted']) {
    await app.prompt.fill(prompt);
    await page.getByRole('button', { name: 'Add to queue' }).click();
  }
  await app.visit('Queue');
  await page.getByRole('button', { name: 'Pause' }).click();
  const job = (prompt: string) => page.getByRole('listitem').filter({ hasText: prompt });
  await job('unwanted').getByRole('button', { name: 'Cancel' }).click();
  await expect(job('unwanted')).toHaveCount(0);
  await expect(job('second')).toBeVisible();
  // One more that failed at the last visit.
  await page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((done) => {
      const request = indexedDB.open('sketchforge');
      request.onsuccess = () => done(request.result);
    });
    const store = database.transaction('queue', 'readwrite').objectStore('queue');
    const rows = await new Promise<{ request: object; position: number }[]>((done) => {
      const request = store.getAll();
      request.onsuccess = () => done(request.result as { request: object; position: number }[]);
    });
    const like = rows.at(-1);
    const error = { code: 'memory/exceeded', message: 'too large' };
    store.put({
      ...like,
      id: 'failed',
      state: 'failed',
      error,
      position: 9,
      request: { ...like?.request, prompt: 'once more' },
    });
    await new Promise((done) => (store.transaction.oncomplete = done));
    database.close();
  });
  await page.reload();
  await expect(page.getByText('3 jobs of your last visit wait.')).toBeVisible();
  await expect(job('once more')).toContainText('Failed');
  await job('once more').getByRole('button', { name: 'Try again' }).click();
  await expect(job('once more')).toContainText('Waiting');
  await page.getByRole('listitem').filter({ hasText: 'second' }).getByRole('button', { name: 'Earlier' }).click();
  await expect(
    page
      .getByRole('listitem')
      .filter({ hasText: /first|second/ })
      .first(),
  ).toContainText('second');
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(page.getByText('Nothing is waiting')).toBeVisible();
  await app.visit('Gallery');
  await expect(page.getByText('3 pictures', { exact: true })).toBeVisible();
});

test('a second tab says that the engine is elsewhere and can take it', async ({ app, page, context }) => {
  await app.open();
  const second = await context.newPage();
  await second.goto(app.url);
  await expect(second.getByText('Sketchforge is open in another tab')).toBeVisible();
  await second.getByRole('button', { name: 'Compute here instead' }).click();
  await expect(second.getByRole('button', { name: 'Generate', exact: true })).toBeEnabled();
  await expect(page.getByText('Sketchforge is open in another tab')).toBeVisible();
  await second.close();
  await app.ready();
});

test('the palette finds commands; prompt keys change weights; the language stays', async ({ app, page }) => {
  await app.open();
  await app.prompt.fill('a red apple');
  await app.prompt.press('End');
  await app.prompt.press('Control+ArrowUp');
  await expect(app.prompt).toHaveValue('a red (apple:1.1)');
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Type what you want to do' }).fill('dark');
  await page.keyboard.press('Enter');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await app.visit('Settings');
  // A translation file of a web UI is laid over the texts; what it lacks is a file to fill in.
  const file = { name: 'own.json', mimeType: 'application/json', buffer: Buffer.from('{"Gallery": "Bildersaal"}') };
  await page.locator('input[accept^=".json"]').setInputFiles(file);
  await expect(page.getByRole('navigation').getByRole('link', { name: 'Bildersaal' })).toBeVisible();
  const [lacking] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save the missing texts' }).click(),
  ]);
  const list = JSON.parse(await readFile(await lacking.path(), 'utf8')) as Record<string, string>;
  expect(list).toMatchObject({ Models: '', Queue: '' });
  expect(list).not.toHaveProperty('Gallery');
  await page.getByLabel('Language').selectOption('de');
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Einstellungen' })).toBeVisible();
  await page.locator('#language').selectOption('ar');
  await expect(page.locator('html')).toHaveAttribute('dir', 'rtl');
});
