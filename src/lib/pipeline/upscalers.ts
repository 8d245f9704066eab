/** What enlarges latents and pictures, by the web UIs' labels: filters, networks that ship, networks of the user's. */
import { memorySource } from '../base/byte_source';
import { AppError } from '../base/errors';
import { openTensorIndex } from '../formats/open_tensor_index';
import { detectFile } from '../models/detect';
import type { ModelPart } from '../models/part';
import type { UpscalerSummary } from '../rpc/engine';
import { LATENT_UPSCALERS, type LatentUpscaler, type ResampleMode } from '../sampling/img2img/resample';

/** Pixel upscalers that need no model. */
export const PIXEL_UPSCALERS = {
  None: 'nearest-exact',
  Nearest: 'nearest-exact',
  Bicubic: 'bicubic-antialias',
  Lanczos: 'lanczos',
} as const satisfies Readonly<Record<string, ResampleMode>>;

/** Networks that ship with the app. Adding one = one file in `static/` and one line here. */
export const SHIPPED_UPSCALERS = [{ name: 'Anime4K x2', path: 'upscalers/anime4k-x2.safetensors', scale: 2 }] as const;

/** An upscaler network; undefined when the host knows none of that name. */
export type LoadUpscaler = (id: string) => Promise<ModelPart | undefined>;

/** Bytes of a file that ships with the app, by its path below `static/`. */
export type ReadAsset = (path: string) => Promise<Uint8Array<ArrayBuffer>>;

export type Upscaler =
  | { readonly kind: 'latent'; readonly mode: ResampleMode }
  | { readonly kind: 'pixel'; readonly mode: ResampleMode }
  | { readonly kind: 'model'; readonly part: ModelPart };

export interface UpscalerHost {
  readonly loadUpscaler?: LoadUpscaler | undefined;
  /** Absent: shipped networks cannot be opened here. */
  readonly readAsset?: ReadAsset | undefined;
}

/** @throws AppError 'argument/invalid' for a name that is neither built in nor known to the host; 'file/…' */
export async function findUpscaler(name: string, host: UpscalerHost): Promise<Upscaler> {
  if (Object.hasOwn(LATENT_UPSCALERS, name)) {
    return { kind: 'latent', mode: LATENT_UPSCALERS[name as LatentUpscaler] };
  }
  if (Object.hasOwn(PIXEL_UPSCALERS, name)) {
    return { kind: 'pixel', mode: PIXEL_UPSCALERS[name as keyof typeof PIXEL_UPSCALERS] };
  }
  const part = (await shipped(name, host.readAsset)) ?? (await host.loadUpscaler?.(name));
  if (part) return { kind: 'model', part };
  const known = upscalerSummaries([]).map((one) => one.name);
  throw new AppError(
    'argument/invalid',
    `upscaler: must be one of ${known.join(', ')} or an upscaler model, got "${name}".`,
    { details: { upscaler: name } },
  );
}

async function shipped(name: string, readAsset: ReadAsset | undefined): Promise<ModelPart | undefined> {
  const entry = SHIPPED_UPSCALERS.find((one) => one.name === name);
  if (!entry || !readAsset) return undefined;
  const { parts } = detectFile(await openTensorIndex(memorySource(entry.path, await readAsset(entry.path))));
  return parts.find((part) => part.role === 'upscaler');
}

/** Everything a menu can offer, the user's own files last. */
export function upscalerSummaries(own: readonly string[]): UpscalerSummary[] {
  return [
    ...Object.keys(LATENT_UPSCALERS).map((name) => ({ name, kind: 'latent' as const })),
    ...Object.keys(PIXEL_UPSCALERS).map((name) => ({ name, kind: 'filter' as const })),
    ...SHIPPED_UPSCALERS.map(({ name, scale }) => ({ name, kind: 'network' as const, scale })),
    ...own.map((name) => ({ name, kind: 'network' as const })),
  ];
}
