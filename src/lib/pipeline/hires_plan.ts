/** The second pass of a job: its size, what enlarges for it, and the enlarging. */
import type { HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import { hiresSize } from '../sampling/img2img/hires_size';
import { decodeLatent, encodeImage } from './autoencoder';
import type { GenerateHost } from './generate';
import type { HiresPlan, JobContext } from './job_context';
import type { HiresSettings, JobSettings } from './job_settings';
import { pickLatent, stackLatents } from './latents';
import type { LoadedModel } from './loaded_model';
import { truncateLatents, upscaleLatents, upscalePicture } from './upscale';
import { findUpscaler } from './upscalers';

/** @throws AppError 'argument/invalid' for a size or an upscaler that does not exist */
export async function planHires(
  model: LoadedModel,
  { request }: JobSettings,
  settings: HiresSettings,
  host: GenerateHost,
): Promise<HiresPlan> {
  const { hires, widthPx, heightPx } = request;
  const { stride, multiple } = model.detected.latent;
  const wanted = hiresSize({
    widthPx,
    heightPx,
    scale: hires?.scale ?? 1,
    resizeWidthPx: hires?.widthPx ?? 0,
    resizeHeightPx: hires?.heightPx ?? 0,
    latentStride: stride,
  });
  const size = { widthPx: wanted.widthPx, heightPx: wanted.heightPx };
  // The cut sides must be what the network takes; what is beyond a multiple is cut off as well.
  const fit = (px: number, cut: number): { px: number; cut: number } => {
    const whole = Math.floor(px / stride);
    const step = Math.max(1, Math.round(multiple / stride));
    const kept = Math.max(step, Math.floor((whole - cut) / step) * step);
    return { px: Math.max(whole, kept) * stride, cut: Math.max(whole, kept) - kept };
  };
  const [w, h] = [fit(size.widthPx, wanted.truncateX), fit(size.heightPx, wanted.truncateY)];
  const maxPx = 8192;
  if (Math.max(w.px, h.px) > maxPx) {
    throw new AppError(
      'argument/invalid',
      `hires: the second pass may have sides up to ${maxPx} pixels, got ${w.px}x${h.px}; choose a smaller factor.`,
    );
  }
  const upscaler = await findUpscaler(hires?.upscaler ?? '', host);
  // A decoder or upscaler needs whole multiples; with latents the cells beyond are simply cut.
  return {
    ...settings,
    size: { widthPx: w.px, heightPx: h.px },
    cut: { truncateX: w.cut, truncateY: h.cut },
    upscaler,
  };
}

/** The first pass's latents at the size of the second: as latents, or decoded, enlarged and encoded. */
export async function enlarge(
  { upscaler, size, cut }: HiresPlan,
  latents: HostTensor,
  { model, settings, parts }: JobContext,
): Promise<HostTensor> {
  const { stride } = model.detected.latent;
  const { signal } = parts.host;
  if (upscaler.kind === 'latent') {
    const target = { height: size.heightPx / stride, width: size.widthPx / stride, ...cut };
    return upscaleLatents(latents, target, upscaler.mode);
  }
  const tiling = settings.request.tiling === true;
  const encoded: HostTensor[] = [];
  for (let i = 0; i < (latents.shape[0] ?? 1); i++) {
    const picture = await decodeLatent(model, pickLatent(latents, i), { tiling, signal });
    const large = await upscalePicture(model, upscaler, picture, { ...size, signal });
    encoded.push(await encodeImage(model, large, { tiling, signal }));
  }
  return truncateLatents(stackLatents(encoded), cut);
}
