/** Latents ⇄ pictures through the model's autoencoder, one picture at a time so that memory stays bounded. */
import type { DeviceTensor, HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import { buildVaeDecoder, buildVaeEncoder } from '../models/vae';
import type { PixelImage } from '../rpc/engine';
import type { LoadedModel } from './loaded_model';
import { pixelsToTensor, tensorToPixels } from './pixels';

/**
 * One latent `[1, C, h, w]` on the denoiser's side as a picture.
 * @throws AppError 'job/non-finite' when the latent or the picture holds NaN: a black picture would hide it
 */
export async function decodeLatent(
  model: LoadedModel,
  latent: HostTensor,
  options: { tiling: boolean; signal?: AbortSignal | undefined },
): Promise<PixelImage> {
  assertFinite(latent, 'the latent');
  const [, , height = 0, width = 0] = latent.shape;
  const spec = { batch: 1, height, width, circular: options.tiling };
  const program = await model.program('decoder', JSON.stringify(spec) + model.vaeKey, () =>
    buildVaeDecoder(model.detected, spec),
  );
  const pixels = await runSingle(model, program, latent, options.signal);
  assertFinite(pixels, 'the picture');
  return tensorToPixels(pixels);
}

function assertFinite({ data }: HostTensor, what: string): void {
  const place = data.findIndex((value: number) => !Number.isFinite(value));
  if (place < 0) return;
  throw new AppError(
    'job/non-finite',
    `decode: ${what} holds values that are not finite; try another sampler, a lower guidance scale or the WebAssembly backend (full f32), and get the model's file again when every picture fails.`,
    { details: { what, place } },
  );
}

export interface EncodeImageOptions {
  readonly tiling: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A picture, already at the wanted size, as a latent `[1, C, h, w]` on the denoiser's side. */
export function encodeImage(model: LoadedModel, image: PixelImage, options: EncodeImageOptions): Promise<HostTensor> {
  return encodePixels(model, pixelsToTensor(image), options);
}

/**
 * Pixels `[1, 3, H, W]` in 0..1 as a latent.
 * @throws AppError 'image/invalid' when a side is no multiple of the latent's stride
 */
export async function encodePixels(
  model: LoadedModel,
  pixels: HostTensor,
  options: EncodeImageOptions,
): Promise<HostTensor> {
  const { stride } = model.detected.latent;
  const [, , heightPx = 0, widthPx = 0] = pixels.shape;
  if (heightPx % stride !== 0 || widthPx % stride !== 0) {
    throw new AppError(
      'image/invalid',
      `encode: sides must be multiples of ${stride} pixels, got ${widthPx}x${heightPx}; choose another size.`,
      { details: { widthPx, heightPx, stride } },
    );
  }
  const spec = { batch: 1, height: heightPx / stride, width: widthPx / stride, circular: options.tiling };
  const program = await model.program('encoder', JSON.stringify(spec) + model.vaeKey, () =>
    buildVaeEncoder(model.detected, spec),
  );
  return runSingle(model, program, pixels, options.signal);
}

/** Runs a program with one input and one output, whatever their names. */
async function runSingle(
  model: LoadedModel,
  program: Awaited<ReturnType<LoadedModel['program']>>,
  tensor: HostTensor,
  signal: AbortSignal | undefined,
): Promise<HostTensor> {
  const [input] = program.graph.inputs.keys();
  const [output] = program.graph.outputs.keys();
  const uploaded: DeviceTensor = model.backend.upload(tensor);
  try {
    const outputs = await program.run({ [input ?? 'x']: uploaded }, signal ? { signal } : {});
    const result = outputs[output ?? 'y'];
    if (!result) throw new AppError('backend/run', `${program.graph.name}: gave no output.`);
    try {
      return await model.backend.download(result);
    } finally {
      for (const tensor of Object.values(outputs)) tensor.dispose();
    }
  } finally {
    uploaded.dispose();
  }
}
