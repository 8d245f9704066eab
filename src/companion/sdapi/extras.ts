/** Enlarging of finished pictures: `extra-single-image` and `extra-batch-images`. */
import { infotextCandidate } from '../../lib/infotext/dialects/a1111';
import { readImageTexts } from '../../lib/infotext/image_texts';
import type { PixelImage, UpscaleRequest } from '../../lib/rpc/engine';
import { filesOf } from '../engine/catalogue';
import type { Desk } from '../engine/desk';
import { HttpError } from '../server/http_error';
import { json, type Call, type Reply } from '../server/route';
import { readFields, type Values } from './field';
import { EXTRA_BATCH_FIELDS, EXTRA_SINGLE_FIELDS } from './fields';
import { base64Bytes, blobBase64, readPicture } from './pictures';
import type { ApiState } from './state';

type Extras = Omit<Values<typeof EXTRA_SINGLE_FIELDS>, 'image'>;

/** Pixels of a result: as many as the largest request picture may have. */
const MAX_PIXELS = 64 * 2 ** 20;

export async function extraSingleRoute(state: ApiState, { body, client, signal }: Call): Promise<Reply> {
  const { values, warnings } = readFields(EXTRA_SINGLE_FIELDS, body);
  if (values.image.trim() === '') throw new HttpError(404, 'Image not found');
  const [image = null] = await enlarge(state, values, [values.image], { client, signal });
  return json({ html_info: htmlInfo(values, warnings), image });
}

export async function extraBatchRoute(state: ApiState, { body, client, signal }: Call): Promise<Reply> {
  const { values, warnings } = readFields(EXTRA_BATCH_FIELDS, body);
  const pictures = values.imageList.map((item, i) => {
    const data = typeof item === 'object' && item !== null && 'data' in item ? item.data : undefined;
    if (typeof data !== 'string') throw new HttpError(422, `imageList[${i}]: must have the picture as "data".`);
    return data;
  });
  return json({
    html_info: htmlInfo(values, warnings),
    images: await enlarge(state, values, pictures, { client, signal }),
  });
}

let jobs = 0;

async function enlarge(
  { desk, parts }: ApiState,
  values: Extras,
  pictures: readonly string[],
  asked: { readonly client: string; readonly signal: AbortSignal },
): Promise<string[]> {
  const first = await upscalerOf(desk, values.upscaler_1);
  const second = usesSecond(values) ? await upscalerOf(desk, values.upscaler_2) : undefined;
  const decoded = await Promise.all(
    pictures.map(async (text, i) => {
      const image = await readPicture(text, `image ${i}`);
      checkSize(targetOf(image, values));
      return { image, infotext: infotextCandidate(readImageTexts(base64Bytes(text)).texts) };
    }),
  );
  const id = `extras ${++jobs}`;
  return desk.run(
    {
      id,
      client: asked.client,
      policy: 'queue',
      facts: { label: 'extras', count: pictures.length },
      ...(parts.stopWithClient ? { gone: asked.signal } : {}),
    },
    async ({ job, signal }) => {
      const results: string[] = [];
      for (const [i, { image, infotext }] of decoded.entries()) {
        if (signal.aborted) break;
        const engineId = `${id} ${i}`;
        const stop = () => void desk.engine.interrupt(engineId).catch(() => undefined);
        signal.addEventListener('abort', stop, { once: true });
        // The original leaves the size alone without an upscaler.
        const { widthPx, heightPx } = first === 'None' && second === undefined ? image : targetOf(image, values);
        const request: UpscaleRequest = {
          image,
          upscaler: first,
          scale: 1,
          widthPx,
          heightPx,
          crop: true,
          ...(second === undefined
            ? {}
            : { second: { upscaler: second, visibility: values.extras_upscaler_2_visibility } }),
          ...(infotext === undefined ? {} : { infotext }),
        };
        try {
          const { images } = await desk.engine.upscale(engineId, request, (event) => job.observe(event));
          for (const { file } of images) results.push(await blobBase64(file));
        } finally {
          signal.removeEventListener('abort', stop);
        }
        job.passDone(i + 1);
      }
      return results;
    },
  );
}

function usesSecond({ upscaler_2, extras_upscaler_2_visibility }: Extras): boolean {
  return upscaler_2 !== 'None' && extras_upscaler_2_visibility > 0;
}

/** The engine's name of an upscaler that a client named in any case. @throws HttpError 404 */
async function upscalerOf({ engine }: Desk, name: string): Promise<string> {
  const known = [
    ...(await engine.upscalers()).filter(({ kind }) => kind !== 'latent').map((one) => one.name),
    ...filesOf(await engine.catalogue(), 'upscaler').map((file) => file.name),
  ];
  const found = known.find((one) => one.toLowerCase() === name.toLowerCase());
  if (found === undefined) throw new HttpError(404, `Upscaler '${name.slice(0, 80)}' not found`);
  return found;
}

interface Target {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Size before what stands out is cut off. */
  readonly coverWidthPx: number;
  readonly coverHeightPx: number;
}

/** By a factor, or to a size that is covered, as the original's Extras tab. */
function targetOf({ widthPx, heightPx }: PixelImage, values: Extras): Target {
  if (values.resize_mode === 0) {
    const size = {
      widthPx: Math.floor(widthPx * values.upscaling_resize),
      heightPx: Math.floor(heightPx * values.upscaling_resize),
    };
    return { ...size, coverWidthPx: size.widthPx, coverHeightPx: size.heightPx };
  }
  const scale = Math.max(values.upscaling_resize_w / widthPx, values.upscaling_resize_h / heightPx);
  const cover = { coverWidthPx: Math.round(widthPx * scale), coverHeightPx: Math.round(heightPx * scale) };
  return values.upscaling_crop
    ? { ...cover, widthPx: values.upscaling_resize_w, heightPx: values.upscaling_resize_h }
    : { ...cover, widthPx: cover.coverWidthPx, heightPx: cover.coverHeightPx };
}

function checkSize({ coverWidthPx, coverHeightPx }: Target): void {
  if (coverWidthPx < 1 || coverHeightPx < 1 || coverWidthPx * coverHeightPx > MAX_PIXELS) {
    throw new HttpError(
      422,
      `The result would have ${coverWidthPx}x${coverHeightPx} pixels; at most ${MAX_PIXELS} are made.`,
    );
  }
}

/** The original's place for remarks. Values are numbers and known names, so nothing of the request becomes markup. */
function htmlInfo(values: Extras, warnings: readonly string[]): string {
  const faces = values.gfpgan_visibility > 0 || values.codeformer_visibility > 0;
  const notes = [...warnings, ...(faces ? ['There is no face restoration here.'] : [])];
  const safe = notes.join(' ').replace(/[<>&"]/g, ' ');
  return `<p>${safe}</p>`;
}
