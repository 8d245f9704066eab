/** The table of the API's routes: one row each. What a route answers is in the file it names. */
import type { Catalogue } from '../engine/catalogue';
import { HttpError } from '../server/http_error';
import { json, PICTURE_BODY_BYTES, SMALL_BODY_BYTES, type Call, type Reply, type Route } from '../server/route';
import { readFields, type Fields } from './field';
import {
  EXTRA_BATCH_FIELDS,
  EXTRA_SINGLE_FIELDS,
  IMG2IMG_FIELDS,
  INTERNAL_PROGRESS_FIELDS,
  INTERROGATE_FIELDS,
  PNG_INFO_FIELDS,
  TXT2IMG_FIELDS,
} from './fields';
import { extraBatchRoute, extraSingleRoute } from './extras';
import { generationRoute } from './generation';
import * as lists from './lists';
import { pngInfoRoute } from './png_info';
import { internalProgressRoute, progressRoute } from './progress';
import type { ApiState } from './state';

type Answer = (state: ApiState, call: Call) => Promise<Reply> | Reply;

const BASE = '/sdapi/v1';

const get = (path: string, handle: Answer) => ({ method: 'GET', path, handle, body: 'none', maxBodyBytes: 0 }) as const;
const post = (path: string, handle: Answer, fields?: Fields, maxBodyBytes = SMALL_BODY_BYTES) =>
  ({ method: 'POST', path, handle, body: 'json', maxBodyBytes, ...(fields ? { fields } : {}) }) as const;
const postPictures = (path: string, fields: Fields, handle: Answer) => post(path, handle, fields, PICTURE_BODY_BYTES);

const listed = (path: string, list: (catalogue: Catalogue) => unknown) =>
  get(path, async ({ desk }) => json(list(await desk.engine.catalogue())));

/** Looks at the folders again. A file that changed under its name is read anew at its next use. */
const refresh = (path: string) =>
  post(path, async ({ desk }) => {
    await desk.engine.refresh();
    return json(null);
  });

/** What the original does and this product does not: refused by name. */
const absent = (path: string, why: string) =>
  postPictures(path, {}, () => {
    throw new HttpError(501, why);
  });

const NO_TRAINING = 'Nothing is trained here.';
const NO_CONTROL = 'The companion is stopped at its terminal, never over the network.';

const ROUTES = [
  postPictures(`${BASE}/txt2img`, TXT2IMG_FIELDS, (state, call) => generationRoute(state, 'txt2img', call)),
  postPictures(`${BASE}/img2img`, IMG2IMG_FIELDS, (state, call) => generationRoute(state, 'img2img', call)),
  postPictures(`${BASE}/extra-single-image`, EXTRA_SINGLE_FIELDS, extraSingleRoute),
  postPictures(`${BASE}/extra-batch-images`, EXTRA_BATCH_FIELDS, extraBatchRoute),
  postPictures(`${BASE}/png-info`, PNG_INFO_FIELDS, (_state, call) => pngInfoRoute(call)),
  get(`${BASE}/progress`, progressRoute),
  post(`${BASE}/interrupt`, ({ desk }) => {
    desk.running?.interrupt();
    return json({});
  }),
  post(`${BASE}/skip`, ({ desk }) => {
    desk.running?.skip();
    return json(null);
  }),
  get(`${BASE}/options`, async (state) =>
    json({ ...state.options, sd_model_checkpoint: (await state.modelOf(state.options)).title }),
  ),
  post(`${BASE}/options`, setOptions),
  get(`${BASE}/cmd-flags`, () => json({ api: true, listen: false, share: false, ckpt_dir: null, port: null })),
  get(`${BASE}/samplers`, () => json(lists.samplerList())),
  get(`${BASE}/schedulers`, () => json(lists.schedulerList())),
  listed(`${BASE}/upscalers`, lists.upscalerList),
  get(`${BASE}/latent-upscale-modes`, () => json(lists.latentModeList())),
  listed(`${BASE}/sd-models`, lists.modelList),
  listed(`${BASE}/sd-modules`, lists.moduleList),
  listed(`${BASE}/sd-vae`, lists.vaeList),
  get(`${BASE}/hypernetworks`, () => json([])),
  get(`${BASE}/face-restorers`, () => json([])),
  get(`${BASE}/realesrgan-models`, () => json([])),
  get(`${BASE}/prompt-styles`, ({ parts }) => json(lists.styleList(parts.styles))),
  listed(`${BASE}/embeddings`, lists.embeddingList),
  get(`${BASE}/memory`, () => json(lists.memoryReport())),
  get(`${BASE}/scripts`, () => json(lists.scriptList())),
  get(`${BASE}/script-info`, () => json(lists.scriptInfoList())),
  get(`${BASE}/extensions`, () => json([])),
  listed(`${BASE}/loras`, lists.loraList),
  refresh(`${BASE}/refresh-checkpoints`),
  refresh(`${BASE}/refresh-vae`),
  refresh(`${BASE}/refresh-embeddings`),
  refresh(`${BASE}/refresh-loras`),
  // Models leave memory when another needs it; the next job opens what it wants.
  post(`${BASE}/unload-checkpoint`, forget),
  post(`${BASE}/reload-checkpoint`, forget),
  postPictures(`${BASE}/interrogate`, INTERROGATE_FIELDS, (_state, { body }) => interrogateRoute(body)),
  ...['create/embedding', 'create/hypernetwork', 'train/embedding', 'train/hypernetwork'].map((path) =>
    absent(`${BASE}/${path}`, NO_TRAINING),
  ),
  ...['server-kill', 'server-restart', 'server-stop'].map((path) => absent(`${BASE}/${path}`, NO_CONTROL)),
  post('/internal/progress', internalProgressRoute, INTERNAL_PROGRESS_FIELDS),
  get('/internal/pending-tasks', ({ desk }) => json({ size: desk.waitingTasks.length, tasks: desk.waitingTasks })),
  get('/internal/ping', () => json({})),
  // No environment, no paths: clients only look whether it answers.
  get('/internal/sysinfo', ({ parts }) => json({ Platform: process.platform, Version: parts.version })),
  get('/controlnet/model_list', async ({ desk }) =>
    json({ model_list: lists.controlModelList(await desk.engine.catalogue()) }),
  ),
  get('/controlnet/module_list', () => json({ module_list: ['none'], module_detail: {} })),
  get('/controlnet/control_types', async ({ desk }) => {
    const models = lists.controlModelList(await desk.engine.catalogue());
    const all = {
      module_list: ['none'],
      model_list: models,
      default_option: 'none',
      default_model: models[0] ?? 'None',
    };
    return json({ control_types: { All: all } });
  }),
  absent('/controlnet/detect', 'Preprocessors run in the app, not in the companion.'),
] as const;

/** @returns the routes over a server's state */
export function apiRoutes(state: ApiState): Route[] {
  return ROUTES.map(({ handle, ...route }) => ({ ...route, handle: (call) => handle(state, call) }));
}

async function setOptions(state: ApiState, { body }: Call): Promise<Reply> {
  if (typeof body !== 'object' || body === null) throw new HttpError(422, 'Options are an object of names and values.');
  const warnings = await state.setOptions(body as Readonly<Record<string, unknown>>);
  // The answer is null by contract; what did nothing is said beside it.
  const text = warnings
    .join(' ')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 1000);
  return {
    kind: 'json',
    value: null,
    ...(text === '' ? {} : { headers: { Warning: `299 - "${text.replaceAll('"', "'")}"` } }),
  };
}

/** Checked all the same, so that a wrong request is told apart from a missing feature. */
function interrogateRoute(body: unknown): Reply {
  readFields(INTERROGATE_FIELDS, body);
  throw new HttpError(501, 'There is no captioning model here.');
}

function forget({ desk }: ApiState): Reply {
  desk.forgetModel();
  return json({});
}
