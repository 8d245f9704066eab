/** One picture of one model, with or without a LoRA, and everything that a report says of it. */
import { AppError, toPlainError } from '../../lib/base/errors';
import { generate } from '../../lib/pipeline/generate';
import type { LoadedModel } from '../../lib/pipeline/loaded_model';
import type { NetworkLibrary } from '../../lib/pipeline/network_library';
import type { NetworkStacks } from '../../lib/pipeline/networks';
import type { GenerateRequest, JobResult, PixelImage } from '../../lib/rpc/engine';
import { readAsset } from '../node_assets';

export interface Drawn {
  readonly picture?: PixelImage;
  readonly result?: JobResult;
  /** What the user should know; the first line of each is the message, the rest its list. */
  readonly warnings: readonly { readonly message: string; readonly details: readonly string[] }[];
  /** `code: message` of what went wrong. */
  readonly error?: string;
}

export interface DrawSettings {
  readonly prompt: string;
  /** Largest side, pixels. */
  readonly side: number;
  readonly steps: number;
  readonly seed: number;
}

/** The model's own settings at a small size. */
export function validationRequest({ detected, id }: LoadedModel, settings: DrawSettings): GenerateRequest {
  const { defaults, latent, inputs } = detected;
  const scale = Math.min(1, settings.side / Math.max(defaults.widthPx, defaults.heightPx));
  const least = Math.ceil(64 / latent.multiple) * latent.multiple;
  const fit = (px: number) => Math.max(least, Math.round((px * scale) / latent.multiple) * latent.multiple);
  const [widthPx, heightPx] = [fit(defaults.widthPx), fit(defaults.heightPx)];
  const picture = inputs.includes('concat') || inputs.includes('inpaint');
  return {
    modelId: id,
    prompt: settings.prompt,
    negativePrompt: '',
    steps: Math.min(settings.steps, defaults.steps),
    cfgScale: defaults.cfgScale,
    sampler: defaults.sampler,
    schedule: defaults.schedule,
    seed: settings.seed,
    widthPx,
    heightPx,
    batchSize: 1,
    batchCount: 1,
    clipSkip: defaults.clipSkip,
    noiseSource: 'NV',
    previewEvery: 0,
    // Models that change a picture get one.
    ...(picture ? { init: { image: ramp(widthPx, heightPx), strength: 1, resizeMode: 'just' as const } } : {}),
  };
}

/** A disc on two ramps. */
function ramp(widthPx: number, heightPx: number): PixelImage {
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx);
  for (let i = 0; i < widthPx * heightPx; i++) {
    const [x, y] = [(i % widthPx) / widthPx, Math.floor(i / widthPx) / heightPx];
    const inside = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.06;
    rgba.set(inside ? [220, 40, 30, 255] : [255 * x, 255 * y, 160, 255], 4 * i);
  }
  return { widthPx, heightPx, rgba };
}

/** Never throws for what is wrong with the files: that is what the report is for. @throws AppError 'job/cancelled' */
export async function draw(
  model: LoadedModel,
  request: GenerateRequest,
  { library, networks, signal }: { library: NetworkLibrary; networks: NetworkStacks; signal: AbortSignal },
): Promise<Drawn> {
  const warnings: { message: string; details: readonly string[] }[] = [];
  const made: PixelImage[] = [];
  try {
    const result = await generate(model, request, {
      ...(await library.partsFor([request.prompt])),
      networks,
      signal,
      readAsset,
      randomSeed: () => 0,
      onPicture: (image) => made.push(image),
      onEvent: (event) => {
        if (event.kind === 'notice') warnings.push({ message: event.message, details: event.details ?? [] });
      },
    });
    const [picture] = made;
    if (picture && isFlat(picture)) warnings.push({ message: 'The picture is of one colour.', details: [] });
    return { result, warnings, ...(picture ? { picture } : {}) };
  } catch (error) {
    if (error instanceof AppError && error.code === 'job/cancelled') throw error;
    const { code, message } = toPlainError(error);
    return { warnings, error: `${code}: ${message}` };
  }
}

function isFlat({ rgba }: PixelImage): boolean {
  return rgba.every((value, i) => i % 4 === 3 || Math.abs(value - (rgba[i % 4] ?? 0)) <= 2);
}
