/** Requests of the web UIs' API as the engine gets them: names, seeds, models, options, stops. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startCompanion } from '../../../src/companion/companion_server';
import { encodePng } from '../../../src/companion/node_images';
import { AppError } from '../../../src/lib/base/errors';
import { FakeEngine, until } from './fake_engine';

const TOKEN = 'unit-token-unit-token-unit-token-unit';
let fake: FakeEngine;
let server: Awaited<ReturnType<typeof startCompanion>>;

beforeEach(async () => {
  fake = new FakeEngine();
  const styles = [{ name: 'Ink', prompt: '{prompt}, ink', negative: 'photo' }];
  server = await startCompanion({
    engine: fake.engine,
    auth: { token: TOKEN },
    version: 'test',
    hosts: ['127.0.0.1'],
    styles,
    limits: { maxJobs: 3 },
  });
});
afterEach(() => server.close());

interface Answer {
  readonly status: number;
  readonly body: {
    readonly detail?: unknown;
    readonly images: string[];
    readonly info: string;
    readonly parameters: Record<string, unknown>;
  };
}

async function post(path: string, body: unknown, signal?: AbortSignal): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${server.port}/sdapi/v1/${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

async function get<T>(path: string): Promise<T> {
  const headers = { Authorization: `Bearer ${TOKEN}` };
  return (await (await fetch(`http://127.0.0.1:${server.port}/sdapi/v1/${path}`, { headers })).json()) as T;
}

const infoOf = ({ body }: Answer) =>
  JSON.parse(body.info) as { all_seeds: number[]; warnings: string[]; prompt: string };
const picture = Buffer.from(
  encodePng({ widthPx: 8, heightPx: 8, rgba: new Uint8ClampedArray(256).fill(255) }),
).toString('base64');

it('iterations and batches continue the seed; the answer has a picture for each', async () => {
  const answer = await post('txt2img', { seed: 10, n_iter: 2, batch_size: 1 });
  expect(fake.requests.map(({ seed }) => seed)).toEqual([10, 11]);
  expect(answer.body.images).toHaveLength(2);
});

it('a random seed is drawn once and told', async () => {
  const answer = await post('txt2img', { seed: -1 });
  expect(infoOf(answer).all_seeds).toEqual([fake.requests[0]?.seed]);
  expect(fake.requests[0]?.seed).toBeGreaterThanOrEqual(0);
});

it('styles are put around the prompt; a missing one is told', async () => {
  const answer = await post('txt2img', { prompt: 'a cat', styles: ['Ink', 'Nope'] });
  expect(fake.requests[0]).toMatchObject({ prompt: 'a cat, ink', negativePrompt: 'photo' });
  expect(infoOf(answer).warnings.join()).toContain('Nope');
});

it('old combined sampler names, texts for numbers and unknown fields are understood or told', async () => {
  const answer = await post('txt2img', { sampler_name: 'DPM++ 2M Karras', steps: '12', tiling: 'true', whatever: 1 });
  expect(fake.requests[0]).toMatchObject({ sampler: 'DPM++ 2M', schedule: 'karras', steps: 12, tiling: true });
  const told = infoOf(answer).warnings.join();
  for (const word of ['steps', 'tiling', 'whatever', 'Karras']) expect(told).toContain(word);
});

it('unknown samplers, models and scripts are refused by name before they wait', async () => {
  expect((await post('txt2img', { sampler_name: 'Eulr' })).status).toBe(422);
  expect((await post('txt2img', { override_settings: { sd_model_checkpoint: 'gone' } })).status).toBe(404);
  expect((await post('txt2img', { script_name: 'gone' })).status).toBe(422);
  expect((await post('img2img', {})).status).toBe(404);
  expect(fake.requests).toEqual([]);
});

it('override_settings are for one request; options are for all that follow', async () => {
  await post('txt2img', { override_settings: { sd_model_checkpoint: 'other', CLIP_stop_at_last_layers: 2 } });
  await post('txt2img', {});
  expect(fake.requests.map(({ clipSkip }) => clipSkip)).toEqual([2, 1]);
  expect(fake.opened.map((source) => source.kind === 'stored' && source.id)).toEqual(['other', 'tiny']);
  await post('options', { CLIP_stop_at_last_layers: 2 });
  await post('txt2img', {});
  expect(fake.requests[2]?.clipSkip).toBe(2);
  expect(await get('options')).toMatchObject({ CLIP_stop_at_last_layers: 2 });
});

it('switches of the model reach the request; old ones without an effect are told with the reason', async () => {
  const override_settings = { no_half_vae: true, persistent_cond_cache: false, forge_inference_memory: 1024 };
  const answer = await post('txt2img', { override_settings });
  expect(answer.status).toBe(200);
  expect(fake.requests[0]?.modelOptions).toEqual({ vaePrecision: 'f32', textCache: false });
  expect(infoOf(answer).warnings.join()).toMatch(/forge_inference_memory has no effect here: replaced by the exact/);
});

it('a hires pass keeps the guidance of the first where the client does not know hr_cfg', async () => {
  await post('txt2img', { enable_hr: true, cfg_scale: 6, hr_upscaler: 'Latent', denoising_strength: 0.4 });
  await post('txt2img', { enable_hr: true, cfg_scale: 6, hr_cfg: 2 });
  expect(fake.requests.map(({ hires }) => hires?.cfgScale)).toEqual([6, 2]);
  expect(fake.requests[0]?.hires).toMatchObject({ strength: 0.4, scale: 2, sampler: '', schedule: '' });
});

it('masks, fills and areas arrive in img2img; the echo has no pictures', async () => {
  const answer = await post('img2img', {
    init_images: [picture],
    mask: picture,
    mask_blur: 2,
    inpainting_fill: 2,
    inpaint_full_res: false,
    denoising_strength: 0.3,
  });
  expect(fake.requests[0]?.init).toMatchObject({
    strength: 0.3,
    inpaint: { blurPx: 2, fill: 'latentNoise', area: 'whole', invert: false },
  });
  expect(answer.body.parameters).toMatchObject({ init_images: null, mask: null });
});

it('an infotext fills what the request leaves open', async () => {
  await post('txt2img', {
    infotext: 'a fox\nSteps: 9, Sampler: Euler a, CFG scale: 4.5, Seed: 77, Size: 96x64',
    steps: 5,
  });
  expect(fake.requests[0]).toMatchObject({
    prompt: 'a fox',
    steps: 5,
    sampler: 'Euler a',
    cfgScale: 4.5,
    seed: 77,
    widthPx: 96,
  });
});

it('progress follows the running job, interrupt ends it with what exists', async () => {
  fake.slow = true;
  fake.steps = [{ kind: 'step', step: 5, steps: 20, batch: 0, batches: 1, elapsedMs: 1 }];
  const answer = post('txt2img', { n_iter: 2, force_task_id: 'task' });
  await until(() => fake.running);
  const progress = await get<{ progress: number; current_task: string; state: object }>('progress');
  expect(progress.progress).toBeCloseTo(0.01 + 5 / 20 / 2, 9);
  expect(progress.current_task).toBe('task');
  await post('interrupt', {});
  expect((await answer).body.images).toHaveLength(1);
  expect(await get('progress')).toMatchObject({ progress: 0, state: { job_count: 0 } });
});

it('skip ends one iteration, the next goes on', async () => {
  fake.slow = true;
  const answer = post('txt2img', { n_iter: 2 });
  await until(() => fake.requests.length === 1 && fake.running);
  await post('skip', {});
  await until(() => fake.requests.length === 2 && fake.running);
  fake.release();
  expect((await answer).body.images).toHaveLength(2);
});

it('a client that hangs up stops its running job and leaves the queue', async () => {
  fake.slow = true;
  const [first, second] = [new AbortController(), new AbortController()];
  const running = post('txt2img', {}, first.signal).catch(() => undefined);
  await until(() => fake.running);
  const waiting = post('txt2img', {}, second.signal).catch(() => undefined);
  second.abort();
  first.abort();
  await Promise.all([running, waiting]);
  await until(() => fake.interrupted.length === 1 && !fake.running);
  expect(fake.requests).toHaveLength(1);
});

it('a full queue refuses at once', async () => {
  fake.slow = true;
  const jobs = Array.from({ length: 4 }, () => post('txt2img', {}));
  await until(() => fake.running);
  const refused = await Promise.race(jobs);
  expect(refused.status).toBe(503);
  const release = setInterval(() => fake.release(), 5);
  const statuses = (await Promise.all(jobs)).map(({ status }) => status);
  clearInterval(release);
  expect(statuses.toSorted()).toEqual([200, 200, 200, 503]);
});

it('a failure of the engine is a 5xx with its reason, and the queue goes on', async () => {
  fake.fail = new AppError('backend/out-of-memory', 'engine: does not fit; take a smaller size.');
  const failed = await post('txt2img', {});
  expect(failed.status).toBe(500);
  expect(failed.body.detail).toContain('does not fit');
  fake.fail = undefined;
  expect((await post('txt2img', {})).status).toBe(200);
});

it.each([
  ['steps', -1],
  ['steps', 1e9],
  ['cfg_scale', 'NaN'],
  ['width', 0],
  ['seed', 1.5],
  ['batch_size', 100],
  ['denoising_strength', 2],
])('%s = %s is refused', async (name, value) => {
  expect((await post('txt2img', { [name]: value })).status).toBe(422);
});

it('pictures that are none, and pictures of gigapixels, are refused quickly', async () => {
  expect((await post('img2img', { init_images: ['not base64!'] })).status).toBe(500);
  expect((await post('img2img', { init_images: [Buffer.from('plain text').toString('base64')] })).status).toBe(422);
  const jpegOfGigapixels = Buffer.from('ffd8ffc000110800ff00ff03', 'hex');
  jpegOfGigapixels.writeUInt16BE(65_500, 7);
  jpegOfGigapixels.writeUInt16BE(65_500, 9);
  const bomb = Buffer.concat([jpegOfGigapixels, Buffer.alloc(32)]).toString('base64');
  expect((await post('img2img', { init_images: [bomb] })).status).toBe(413);
});

it('dynamic thresholding takes the arguments of Forge in their order; what is left out keeps its default', async () => {
  const args = [true, 5, 0.98, 'Half Cosine Up', 1, 'Constant', 0, 4, 'disable', 'ZERO', 'STD', 0.5];
  const scripts = (given: unknown[]) => ({ 'DynamicThresholding (CFG-Fix) Integrated': { args: given } });
  await post('txt2img', { alwayson_scripts: scripts(args) });
  await post('txt2img', { alwayson_scripts: scripts([true, 6]) });
  await post('txt2img', { alwayson_scripts: scripts([false, 6]) });
  const [full, short, off] = fake.requests;
  expect(full?.guidanceMethod).toBe('dynamicThresholding');
  expect(full?.guidanceOptions).toEqual({
    mimicScale: 5,
    percentile: 0.98,
    mimicMode: 'Half Cosine Up',
    mimicMin: 1,
    cfgMode: 'Constant',
    cfgMin: 0,
    schedulerValue: 4,
    separateChannels: 'disable',
    startPoint: 'ZERO',
    measure: 'STD',
    interpolatePhi: 0.5,
  });
  expect(short?.guidanceOptions).toMatchObject({ mimicScale: 6, percentile: 1, mimicMode: 'Constant', measure: 'AD' });
  expect(off?.guidanceMethod).toBeUndefined();
  expect((await post('txt2img', { alwayson_scripts: scripts([true, 'much']) })).status).toBe(422);
});
