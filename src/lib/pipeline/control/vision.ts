/** A picture as prompt tokens: CLIP's vision tower, then the adapter's projection. */
import type { Backend, HostTensor } from '../../backends/backend';
import { buildClipVision } from '../../models/clip_vision/clip_vision';
import type { HostArray } from '../../models/family';
import { buildImageProjection } from '../../models/ip_adapter/ip_adapter';
import type { BuiltGraph } from '../../models/part';
import type { PixelImage } from '../../rpc/engine';
import { cropImage } from '../mask_image';
import { pixelsToTensor } from '../pixels';
import { resampleImage } from '../resample';
import type { ControlModel } from './control_model';

/** Source: openai/CLIP, `_transform`. */
const MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
const DEVIATION = [0.26862954, 0.26130258, 0.27577711] as const;

/** The picture's shorter side fills the tower's square, the middle is read; normalised. */
function clipPixels(image: PixelImage, side: number): HostTensor {
  const scale = side / Math.min(image.widthPx, image.heightPx);
  const [w, h] = [image.widthPx, image.heightPx].map((px) => Math.max(side, Math.round(px * scale))) as [
    number,
    number,
  ];
  const fitted = resampleImage(image, w, h);
  const box = { leftPx: Math.floor((w - side) / 2), topPx: Math.floor((h - side) / 2), widthPx: side, heightPx: side };
  const { shape, data } = pixelsToTensor(cropImage(fitted, box));
  const plane = side * side;
  const normal = Float32Array.from(data, (value, i) => {
    const c = Math.floor(i / plane) % 3;
    return (value - (MEAN[c] ?? 0)) / (DEVIATION[c] ?? 1);
  });
  return { shape, data: normal };
}

/**
 * Tokens `[1, count, C]` of a picture, and of "no picture" for the negative side: the projection of zeros.
 * Source: tencent-ailab/IP-Adapter `get_image_embeds`.
 */
export async function imageTokens(
  backend: Backend,
  { part, vision }: Extract<ControlModel, { kind: 'ip-adapter' }>,
  image: PixelImage,
  signal: AbortSignal | undefined,
): Promise<{ readonly picture: HostArray; readonly none: HostArray }> {
  const side = vision.config.grid * vision.config.patch;
  const seen = await runOnce(backend, buildClipVision(vision, 1), { pixels: clipPixels(image, side) }, signal);
  const embeds = seen['imageEmbeds'] ?? { shape: [1, 0], data: new Float32Array(0) };
  const zeros = { shape: embeds.shape, data: new Float32Array(embeds.data.length) };
  const projection = buildImageProjection(part, 1);
  const project = async (imageEmbeds: HostTensor): Promise<HostArray> => {
    const { imageTokens: tokens } = await runOnce(backend, projection, { imageEmbeds }, signal);
    return { shape: tokens?.shape ?? [], data: Float32Array.from(tokens?.data ?? []) };
  };
  return { picture: await project(embeds), none: await project(zeros) };
}

/** Compiles, runs and frees: for networks that are needed once in a job. */
export async function runOnce(
  backend: Backend,
  { graph, weights }: BuiltGraph,
  inputs: Readonly<Record<string, HostTensor>>,
  signal: AbortSignal | undefined,
): Promise<Record<string, HostTensor>> {
  const program = await backend.compile(graph, weights, {});
  const uploaded = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, backend.upload(tensor)]));
  try {
    const outputs = await program.run(uploaded, signal ? { signal } : {});
    const result: Record<string, HostTensor> = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      result[name] = await backend.download(tensor);
      tensor.dispose();
    }
    return result;
  } finally {
    for (const tensor of Object.values(uploaded)) tensor.dispose();
    await program.dispose();
  }
}
