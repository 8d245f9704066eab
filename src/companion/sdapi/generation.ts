/** `txt2img` and `img2img`: one request from its body to its answer. */
import type { GeneratedImage, JobEvent, ModelSummary } from '../../lib/rpc/engine';
import { filesOf } from '../engine/catalogue';
import type { JobDesk } from '../engine/desk';
import { HttpError } from '../server/http_error';
import type { Call, Reply } from '../server/route';
import { json } from '../server/route';
import { readFields } from './field';
import { IMG2IMG_FIELDS, TXT2IMG_FIELDS } from './fields';
import { infoOf } from './info';
import { fillFromInfotext } from './infotext_fields';
import { mergeOptions } from './options';
import { blobBase64, readPicture } from './pictures';
import { needModel, readScripts } from './scripts';
import type { ApiState } from './state';
import { isImg2img, readPrompts, toRequest, type Common, type Img2img, type Prepared } from './to_request';
import { resolveNames } from '../../lib/sampling/names';

let jobs = 0;

/** What a job made, over all its iterations. */
export interface Made {
  readonly images: readonly GeneratedImage[];
  readonly grid: GeneratedImage | undefined;
  readonly model: ModelSummary;
  readonly warnings: readonly string[];
}

export async function generationRoute(state: ApiState, kind: 'txt2img' | 'img2img', call: Call): Promise<Reply> {
  const { prepared, source, catalogue } = await prepare(state, kind, call.body);
  const { values } = prepared;
  const iterations = values.n_iter * Math.max(1, prepared.initImages.length > 1 ? prepared.initImages.length : 1);
  const passes = !isImg2img(values) && values.enable_hr ? 2 : 1;
  const made = await state.desk.run(
    {
      id: `${kind} ${++jobs}`,
      client: call.client,
      policy: 'queue',
      facts: { label: `scripts_${kind}`, count: iterations * passes, taskId: values.force_task_id ?? undefined },
      ...(state.parts.stopWithClient ? { gone: call.signal } : {}),
    },
    (desk) => draw(prepared, { desk, source, iterations, passes }),
  );
  if (!values.override_settings_restore_afterwards && values.override_settings)
    await state.setOptions(values.override_settings);
  const saved = await keep(state, prepared, made);
  const warnings = [...new Set([...prepared.warnings, ...made.warnings, ...saved])];
  const files = [...(made.grid ? [made.grid] : []), ...made.images];
  const images: string[] = [];
  if (values.send_images) for (const { file } of files) images.push(await blobBase64(file));
  const modules = filesOf(catalogue, 'vae');
  const vae = modules.find(({ id }) => source.kind !== 'files' && source.modules?.includes(id));
  const info = infoOf(prepared, made, { warnings, vae, version: state.parts.version });
  return json({ images, parameters: echo(values), info: JSON.stringify(info) });
}

/** Everything that can be refused before a job waits for its turn. @throws HttpError 404, 422, 500; AppError */
async function prepare(state: ApiState, kind: 'txt2img' | 'img2img', body: unknown) {
  const fields = kind === 'txt2img' ? TXT2IMG_FIELDS : IMG2IMG_FIELDS;
  const filled = fillFromInfotext(body, Object.keys(fields));
  const { values: read, given, warnings } = readFields(fields, filled);
  const values = read as Common;
  const merged = mergeOptions(state.options, values.override_settings);
  const { source, catalogue } = await state.modelOf(merged.values);
  const scripts = await readScripts(values, kind === 'img2img', catalogue);
  // Unknown names are refused now, not after a wait.
  const names = resolveNames(values.sampler_name ?? values.sampler_index, values.scheduler);
  const prompts = readPrompts({ values }, merged.values, state.parts.styles);
  const refiner =
    values.refiner_checkpoint !== null && !/^none$/i.test(values.refiner_checkpoint)
      ? { modelId: needModel(catalogue, values.refiner_checkpoint), switchAt: values.refiner_switch_at ?? 0.8 }
      : scripts.refiner;
  const draw = (seed: number): number => (seed === -1 ? state.parts.randomSeed() : seed);
  const prepared: Prepared = {
    values,
    given: givenNames(given, filled),
    options: merged.values,
    scripts: { ...scripts, ...(refiner ? { refiner } : {}) },
    ...prompts,
    seed: draw(values.seed),
    subseed: draw(values.subseed),
    ...(isImg2img(values) ? await startPictures(values) : { initImages: [], mask: undefined }),
    warnings: [...warnings, ...merged.warnings, ...prompts.warnings, ...(names.notice ? [names.notice] : [])],
  };
  return { prepared, source, catalogue };
}

/** Names that have a value; a client that writes null means the default. */
function givenNames(given: ReadonlySet<string>, body: unknown): ReadonlySet<string> {
  const object = body as Readonly<Record<string, unknown>>;
  return new Set([...given].filter((name) => object[name] !== null));
}

/** @throws HttpError 404 without a picture, as the original; as `readPicture` */
async function startPictures(values: Img2img): Promise<Pick<Prepared, 'initImages' | 'mask'>> {
  const pictures = values.init_images ?? [];
  if (pictures.length === 0) throw new HttpError(404, 'Init image not found');
  const mask = values.mask ?? values.latent_mask;
  return {
    initImages: await Promise.all(pictures.map((picture, i) => readPicture(picture, `init_images[${i}]`))),
    mask: mask === null ? undefined : await readPicture(mask, 'mask'),
  };
}

async function draw(
  prepared: Prepared,
  job: { desk: JobDesk; source: Parameters<JobDesk['openModel']>[0]; iterations: number; passes: number },
): Promise<Made> {
  const { desk, source, iterations, passes } = job;
  const model = await desk.openModel(source);
  const warnings: string[] = [];
  const images: GeneratedImage[] = [];
  let grid: GeneratedImage | undefined;
  const onEvent = (event: JobEvent): void => {
    if (event.kind === 'notice') warnings.push(event.message);
  };
  const wantsGrid = prepared.values.save_images && !prepared.values.do_not_save_grid && prepared.options.return_grid;
  for (let i = 0; i < iterations && !desk.signal.aborted; i++) {
    const drawn = toRequest(prepared, model, i);
    warnings.push(...drawn.warnings);
    // A sheet over all iterations is one job of the engine; then a skip ends it as a whole.
    const whole = wantsGrid && iterations > 1 && prepared.initImages.length <= 1;
    const request = {
      ...drawn.request,
      ...(wantsGrid ? { grid: true } : {}),
      ...(whole ? { batchCount: iterations } : {}),
    };
    const result = await desk.generate(request, onEvent);
    images.push(...(result?.images ?? []));
    grid ??= result?.grid;
    if (result?.interrupted && !desk.job.skipped) break;
    if (whole) break;
    desk.job.passDone((i + 1) * passes);
  }
  return { images, grid, model, warnings };
}

/** Saves what the request wants saved. @returns what was saved, or why nothing was */
async function keep({ parts }: ApiState, { values }: Prepared, { images, grid }: Made): Promise<string[]> {
  if (!values.save_images) return [];
  if (!parts.pictures) return ['save_images: the companion keeps no pictures; start it with --output FOLDER.'];
  const chosen = [...(values.do_not_save_samples ? [] : images), ...(grid ? [grid] : [])];
  for (const { file, seed } of chosen) await parts.pictures.save(file, seed);
  return [];
}

/** The request with its defaults; pictures are not sent back unless asked for. */
function echo(values: Common): Record<string, unknown> {
  if (!isImg2img(values) || values.include_init_images) return { ...values };
  return { ...values, init_images: null, mask: null };
}
