/** Enlarging a finished picture, without drawing it anew (the web UIs' "Extras"). */
import { AppError } from '../base/errors';
import type { GeneratedImage, JobEvent, JobResult, PixelImage, UpscaleRequest } from '../rpc/engine';
import { hiresSize } from '../sampling/img2img/hires_size';
import { addPairs } from './job_series';
import { JobClock } from './job_clock';
import { cropImage } from './mask_image';
import { assertPixels } from './pixels';
import { savePicture, type EncodePicture } from './save_picture';
import { upscalePicture, type UpscaleRunner } from './upscale';
import { findUpscaler, type UpscalerHost } from './upscalers';

const MAX_SIDE_PX = 16_384;

export interface UpscaleJobHost extends UpscalerHost {
  readonly onEvent: (event: JobEvent) => void;
  readonly signal?: AbortSignal;
  readonly encodePicture?: EncodePicture;
  readonly onPicture?: (picture: PixelImage, image: GeneratedImage) => void;
}

/**
 * @throws AppError 'argument/invalid' for a size above 16384 pixels, a factor outside 1..8, a latent upscaler, a
 * visibility outside 0..1; 'image/invalid', 'job/cancelled'
 */
export async function runUpscale(
  runner: UpscaleRunner,
  request: UpscaleRequest,
  host: UpscaleJobHost,
): Promise<JobResult> {
  const clock = new JobClock();
  const { image } = request;
  assertPixels(image);
  const target = targetOf(request);
  clock.enter('upscale');
  host.onEvent({ kind: 'stage', stage: 'upscale', batch: 0, batches: 1 });
  const { second } = request;
  const first = await enlarged(runner, request.upscaler, image, target.cover, host);
  const other =
    second && second.visibility > 0 ? await enlarged(runner, second.upscaler, image, target.cover, host) : undefined;
  const mixed = other && second ? mix(first, other, second.visibility) : first;
  const picture = request.crop === true ? cropImage(mixed, centred(mixed, target.wanted)) : mixed;
  clock.enter('save');
  const seed = Number(/(?:^|, )Seed: (\d+)/m.exec(request.infotext ?? '')?.[1] ?? 0);
  const infotext = describe(request, picture);
  const { widthPx, heightPx } = picture;
  const saved = host.encodePicture
    ? await savePicture(host.encodePicture, picture, infotext, request.save)
    : { file: new Blob([]) };
  if ('notice' in saved && saved.notice !== undefined) {
    host.onEvent({ kind: 'notice', code: 'format', message: saved.notice });
  }
  const made: GeneratedImage = { index: 0, widthPx, heightPx, seed, infotext, file: saved.file };
  host.onPicture?.(picture, made);
  host.onEvent({ kind: 'image', image: made });
  clock.stop();
  return { images: [made], times: clock.times, peakBytes: peakOf(runner), interrupted: false };
}

function peakOf({ backend }: UpscaleRunner): number {
  const { weightsBytes, arenaBytes, tensorBytes } = backend.memory();
  return weightsBytes + arenaBytes + tensorBytes;
}

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

function targetOf({ image, scale, widthPx, heightPx, second }: UpscaleRequest): { cover: Size; wanted: Size } {
  const sized = widthPx > 0 || heightPx > 0;
  if (!sized && !(scale >= 1 && scale <= 8)) {
    throw new AppError('argument/invalid', `upscale: the factor must be in 1..8, got ${scale}.`);
  }
  if (second && !(second.visibility >= 0 && second.visibility <= 1)) {
    throw new AppError('argument/invalid', `upscale: visibility must be in 0..1, got ${second.visibility}.`);
  }
  const found = hiresSize({ ...image, scale, resizeWidthPx: widthPx, resizeHeightPx: heightPx, latentStride: 1 });
  const cover = { widthPx: Math.max(1, found.widthPx), heightPx: Math.max(1, found.heightPx) };
  if (Math.max(cover.widthPx, cover.heightPx) > MAX_SIDE_PX) {
    throw new AppError(
      'argument/invalid',
      `upscale: sides may have up to ${MAX_SIDE_PX} pixels, got ${cover.widthPx}x${cover.heightPx}; choose a smaller factor.`,
    );
  }
  return {
    cover,
    wanted: { widthPx: cover.widthPx - found.truncateX, heightPx: cover.heightPx - found.truncateY },
  };
}

async function enlarged(
  runner: UpscaleRunner,
  name: string,
  image: PixelImage,
  size: Size,
  host: UpscaleJobHost,
): Promise<PixelImage> {
  const upscaler = await findUpscaler(name, host);
  if (upscaler.kind === 'latent') {
    throw new AppError('argument/invalid', `upscaler: "${name}" enlarges latents; choose a filter or a network.`);
  }
  const signal = host.signal;
  return upscalePicture(runner, upscaler, image, { ...size, signal });
}

/** The second picture over the first with a share. */
function mix(a: PixelImage, b: PixelImage, share: number): PixelImage {
  return { ...a, rgba: a.rgba.map((v, i) => Math.round(v + ((b.rgba[i] ?? v) - v) * share)) };
}

function centred(image: Size, size: Size) {
  const leftPx = Math.max(0, Math.floor((image.widthPx - size.widthPx) / 2));
  const topPx = Math.max(0, Math.floor((image.heightPx - size.heightPx) / 2));
  return { leftPx, topPx, ...size };
}

/** The picture's own parameters, and what was done to it, in the web UIs' keys. */
function describe(
  { infotext = '', upscaler, scale, widthPx, heightPx, second, image }: UpscaleRequest,
  made: Size,
): string {
  const sized = widthPx > 0 || heightPx > 0;
  const pairs: [string, string][] = [
    sized ? ['Postprocess upscale to', `${made.widthPx}x${made.heightPx}`] : ['Postprocess upscale by', String(scale)],
    ['Postprocess upscaler', upscaler],
  ];
  if (second && second.visibility > 0) {
    pairs.push(['Postprocess upscaler 2', second.upscaler]);
    pairs.push(['Postprocess upscaler 2 visibility', String(second.visibility)]);
  }
  // A picture without parameters at least says how large it was.
  return addPairs(infotext, infotext === '' ? [['Size', `${image.widthPx}x${image.heightPx}`], ...pairs] : pairs);
}
