/** Downloads over broken connections and from hosts that lie: nothing is lost that came, nothing is glued to another content. */
import { expect } from './app';
import {
  addButton,
  chooseUrl,
  expectWhole,
  failure,
  library,
  MIB,
  modelBytes,
  openModels,
  startOf,
  startsAsked,
  test,
} from './model_faults';
import { answer } from './model_host';

test('pause keeps what came, over a reload, until the user goes on', async ({ page, appUrl, host, bytes }) => {
  host.state.intercept = (request) => startOf(request) >= 16 * MIB;
  await openModels(page, appUrl);
  await chooseUrl(page, `${host.url}paused.safetensors`);
  await addButton(page).click();
  await expect(page.getByText(/1[5-9](\.\d)? MB of/)).toBeVisible();
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('heading', { name: 'Unfinished' })).toBeVisible();
  host.state.intercept = undefined;
  await page.reload();
  await expect(page.getByRole('button', { name: 'Go on' })).toBeVisible();
  host.state.asked.length = 0;
  await page.getByRole('button', { name: 'Go on' }).click();
  await expectWhole(page, 'paused', bytes);
  // What was there was not asked for again.
  expect(Math.min(...startsAsked(host))).toBeGreaterThanOrEqual(15 * MIB);
});

test('broken connections, busy hosts and hosts without ranges still give the right bytes', async ({
  page,
  appUrl,
  host,
  bytes,
}) => {
  await openModels(page, appUrl);
  host.state.intercept = (request, response, asked) => {
    if (asked % 5 === 3) response.writeHead(503).end();
    else if (asked % 5 === 4) answer(host.state, request, response, 100_000);
    else return false;
    return true;
  };
  await chooseUrl(page, `${host.url}flaky.safetensors`);
  await addButton(page).click();
  await expectWhole(page, 'flaky', bytes);
  Object.assign(host.state, { intercept: undefined, ranges: false });
  host.state.asked.length = 0;
  host.state.bytes = modelBytes(40, 3);
  await chooseUrl(page, `${host.url}whole.safetensors`);
  await expect(page.getByText('This host cannot continue a broken download.')).toBeVisible();
  await addButton(page).click();
  await expectWhole(page, 'whole', host.state.bytes);
  // One question, and one answer for the header and all that follows.
  expect(host.state.asked).toHaveLength(2);
});

test('a file that changes during the download is refused, and nothing of it stays', async ({ page, appUrl, host }) => {
  await openModels(page, appUrl);
  await chooseUrl(page, `${host.url}changing.safetensors`);
  host.state.intercept = (request) => {
    if (startOf(request) >= 8 * MIB) Object.assign(host.state, { etag: '"two"', bytes: modelBytes(40, 7) });
    return false;
  };
  await addButton(page).click();
  await expect(failure(page, 'network/changed')).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Unfinished' })).toHaveCount(0);
  await expect(library(page).filter({ hasText: 'changing' })).toHaveCount(0);
});

test('wrong answers and another content than promised are refused', async ({ page, appUrl, host, bytes }) => {
  await openModels(page, appUrl);
  await chooseUrl(page, `${host.url}wrong.safetensors`);
  await expect(addButton(page)).toBeVisible();
  host.state.intercept = (request, response) => {
    if (startOf(request) < 8 * MIB) return false;
    response.writeHead(206, {
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Expose-Headers': '*',
      'Cross-Origin-Resource-Policy': 'cross-origin',
      'Content-Range': `bytes 0-99/${bytes.length}`,
    });
    response.end(bytes.subarray(0, 100));
    return true;
  };
  await addButton(page).click();
  await expect(failure(page, 'network/failed')).toBeVisible();
  await expect(library(page).filter({ hasText: 'wrong' })).toHaveCount(0);
  // The host promises the SHA-256 of other bytes.
  host.state.intercept = (_request, response) => {
    response.setHeader('X-Linked-Etag', `"${'0'.repeat(64)}"`);
    return false;
  };
  await chooseUrl(page, `${host.url}promised.safetensors`);
  await addButton(page).click();
  await expect(failure(page, 'storage/hash-mismatch')).toBeVisible();
  await expect(page.locator('li > article, .task').filter({ hasText: 'promised' })).toHaveCount(0);
});

test('a second tab cannot write the same model', async ({ page, appUrl, context, host }) => {
  host.state.intercept = (request) => startOf(request) >= 16 * MIB;
  await openModels(page, appUrl);
  await chooseUrl(page, `${host.url}shared.safetensors`);
  await addButton(page).click();
  await expect(page.getByRole('progressbar', { name: 'shared' })).toBeVisible();
  const other = await context.newPage();
  await openModels(other, appUrl);
  await chooseUrl(other, `${host.url}shared.safetensors`);
  await addButton(other).click();
  await expect(failure(other, 'storage/blocked')).toBeVisible();
  host.state.intercept = undefined;
});
