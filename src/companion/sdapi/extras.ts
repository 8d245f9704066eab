/** Enlarging of finished pictures: `extra-single-image` and `extra-batch-images`. */
import { insertPngText } from '../../lib/formats/png_text';
import { infotextCandidate } from '../../lib/infotext/dialects/a1111';
import { readImageTexts } from '../../lib/infotext/image_texts';
import { cropImage } from '../../lib/pipeline/mask_image';
import { resampleImage } from '../../lib/pipeline/resample';
import { PIXEL_UPSCALERS } from '../../lib/pipeline/upscalers';
import type { PixelImage } from '../../lib/rpc/engine';
import { encodePng } from '../node_images';
import { HttpError } from '../server/http_error';
import { json, type Call, type Reply } from '../server/route';
import { readFields, type Values } from './field';
import { EXTRA_BATCH_FIELDS, EXTRA_SINGLE_FIELDS } from './fields';
import { base64Bytes, readPicture } from './pictures';
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
  const modes = [values.upscaler_1, ...(usesSecond(values) ? [values.upscaler_2] : [])].map(filterOf);
  const decoded = await Promise.all(
    pictures.map(async (text, i) => {
      const image = await readPicture(text, `image ${i}`);
      checkSize(targetOf(image, values));
      return { image, infotext: infotextCandidate(readImageTexts(base64Bytes(text)).texts) };
    }),
  );
  return desk.run(
    {
      id: `extras ${++jobs}`,
      client: asked.client,
      policy: 'queue',
      facts: { label: 'extras', count: pictures.length },
      ...(parts.stopWithClient ? { gone: asked.signal } : {}),
    },
    async ({ job, signal }) => {
      const results: string[] = [];
      for (const { image, infotext } of decoded) {
        if (signal.aborted) break;
        const [first, second] = modes.map((mode) => fit(image, values, mode));
        const large = second && first ? mix(first, second, values.extras_upscaler_2_visibility) : (first ?? image);
        const png = insertPngText(
          encodePng(large),
          infotext === undefined ? [] : [{ keyword: 'parameters', text: infotext }],
        );
        results.push(Buffer.from(png).toString('base64'));
        job.passDone();
      }
      return results;
    },
  );
}

function usesSecond({ upscaler_2, extras_upscaler_2_visibility }: Extras): boolean {
  return upscaler_2 !== 'None' && extras_upscaler_2_visibility > 0;
}

type FilterMode = (typeof PIXEL_UPSCALERS)[keyof typeof PIXEL_UPSCALERS];

/** @throws HttpError 404 */
function filterOf(name: string): FilterMode | 'none' {
  if (/^none$/i.test(name)) return 'none';
  const known = Object.keys(PIXEL_UPSCALERS).find((one) => one.toLowerCase() === name.toLowerCase());
  if (known === undefined) throw new HttpError(404, `Upscaler '${name.slice(0, 80)}' not found`);
  return PIXEL_UPSCALERS[known as keyof typeof PIXEL_UPSCALERS];
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

function fit(image: PixelImage, values: Extras, mode: FilterMode | 'none'): PixelImage {
  // The original leaves the size alone without an upscaler.
  if (mode === 'none') return image;
  const { widthPx, heightPx, coverWidthPx, coverHeightPx } = targetOf(image, values);
  const large = resampleImage(image, coverWidthPx, coverHeightPx, mode);
  return cropImage(large, {
    leftPx: Math.floor((coverWidthPx - widthPx) / 2),
    topPx: Math.floor((coverHeightPx - heightPx) / 2),
    widthPx,
    heightPx,
  });
}

function mix(first: PixelImage, second: PixelImage, visibility: number): PixelImage {
  const fitted = resampleImage(second, first.widthPx, first.heightPx);
  const rgba = first.rgba.map((value, i) => value + visibility * ((fitted.rgba[i] ?? 0) - value));
  return { ...first, rgba };
}

/** The original's place for remarks. Values are numbers and known names, so nothing of the request becomes markup. */
function htmlInfo(values: Extras, warnings: readonly string[]): string {
  const faces = values.gfpgan_visibility > 0 || values.codeformer_visibility > 0;
  const notes = [...warnings, ...(faces ? ['There is no face restoration here.'] : [])];
  const safe = notes.join(' ').replace(/[<>&"]/g, ' ');
  return `<p>${safe}</p>`;
}
