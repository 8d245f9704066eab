/** Loopback: img2img again and again, each result the next start picture. */
import { AppError } from '../base/errors';
import {
  LOOPBACK_CURVES,
  type GenerateRequest,
  type JobResult,
  type LoopbackRequest,
  type PixelImage,
} from '../rpc/engine';
import { fitImage } from './fit_image';
import { generate } from './generate';
import { imageGrid } from './image_grid';
import { JobSeries } from './job_series';
import type { LoadedModel } from './loaded_model';
import type { RunHost } from './run_request';
import { savePicture } from './save_picture';

/**
 * Denoising strength of a loop.
 * @param loop  from 0
 * Source of the curves: A1111 scripts/loopback.py (sine and cosine of a quarter turn).
 */
export function loopStrength(first: number, { loops, finalStrength, curve }: LoopbackRequest, loop: number): number {
  if (loops === 1) return first;
  const progress = loop / (loops - 1);
  const share = {
    Linear: progress,
    Aggressive: Math.sin((progress * Math.PI) / 2),
    Lazy: 1 - Math.cos((progress * Math.PI) / 2),
  };
  return first + (finalStrength - first) * share[curve];
}

function check({ loops, finalStrength, curve }: LoopbackRequest): void {
  if (!(Number.isInteger(loops) && loops >= 1 && loops <= 32)) {
    throw new AppError('argument/invalid', `loopback: loops must be a whole number in 1..32, got ${loops}.`);
  }
  if (!(finalStrength >= 0 && finalStrength <= 1)) {
    throw new AppError('argument/invalid', `loopback: the final strength must be in 0..1, got ${finalStrength}.`);
  }
  if (!LOOPBACK_CURVES.includes(curve)) {
    throw new AppError('argument/invalid', `loopback: the curve must be one of ${LOOPBACK_CURVES.join(', ')}.`);
  }
}

/**
 * Runs the loops, `batchCount` chains of them; the seed counts up with every loop, as in the web UIs.
 * @throws AppError 'argument/invalid' without a start picture or for settings out of range, and as `generate`
 */
export async function runLoopback(
  model: LoadedModel,
  request: GenerateRequest,
  loopback: LoopbackRequest,
  host: RunHost,
): Promise<JobResult> {
  check(loopback);
  const { loopback: _loopback, grid, ...base } = request;
  const { init } = base;
  if (!init) throw new AppError('argument/invalid', 'loopback: needs a start picture.');
  const parts = new JobSeries(host, true);
  const seed = base.seed === -1 ? host.randomSeed() : base.seed;
  const pictures: PixelImage[] = [];
  const cells = base.batchCount * loopback.loops;
  let interrupted = false;
  for (let i = 0; i < cells && !interrupted; i++) {
    const loop = i % loopback.loops;
    const previous = loop === 0 ? undefined : pictures.at(-1);
    if (host.signal?.aborted && i > 0) break;
    host.onEvent({ kind: 'cell', cell: i + 1, cells, labels: [`Loop ${loop + 1}`] });
    const own = {
      ...base,
      seed: seed + i,
      batchSize: 1,
      batchCount: 1,
      init: { ...startOf(base, previous), strength: loopStrength(init.strength, loopback, loop) },
    };
    try {
      const part = await parts.run((silent) =>
        generate(model, own, { ...silent, ...(init.colorCorrection ? { colorReference: init.image } : {}) }),
      );
      pictures.push(...part.pictures);
      interrupted = part.result.interrupted;
    } catch (error) {
      if (pictures.length === 0 || !(error instanceof AppError) || error.code !== 'job/cancelled') throw error;
      interrupted = true;
    }
  }
  const result = parts.result(interrupted || host.signal?.aborted === true);
  const [first] = result.images;
  if (grid !== true || pictures.length < 2 || !first || !host.encodePicture) return result;
  const sheet = imageGrid(pictures, Math.ceil(Math.sqrt(pictures.length)));
  const { file } = await savePicture(host.encodePicture, sheet, first.infotext, request.save);
  return {
    ...result,
    grid: { ...first, index: pictures.length, widthPx: sheet.widthPx, heightPx: sheet.heightPx, file },
  };
}

/** The next loop's start: the last result, what was masked from its own content, the mask fitted as the picture was. */
function startOf(request: Pick<GenerateRequest, 'init' | 'widthPx' | 'heightPx'>, previous: PixelImage | undefined) {
  const { init, widthPx, heightPx } = request;
  if (!init) throw new AppError('argument/invalid', 'loopback: needs a start picture.');
  if (!previous) return init;
  const { inpaint } = init;
  if (!inpaint) return { ...init, image: previous };
  const mask = inpaint.area === 'masked' ? inpaint.mask : fitImage(inpaint.mask, widthPx, heightPx, init.resizeMode);
  return { ...init, image: previous, inpaint: { ...inpaint, mask, fill: 'original' as const } };
}
