/** The default model on onnxruntime-node (or its WebAssembly build), and one short job with everything it reported. */
import { encodePng } from '../../../src/companion/node_images';
import { createNodeBackend } from '../../../src/companion/node_backend';
import { defaultModelFiles, loadNodeModel } from '../../../src/companion/node_model';
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { generate, type GenerateHost } from '../../../src/lib/pipeline/generate';
import type { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import type { GenerateRequest, JobEvent, JobResult, PixelImage } from '../../../src/lib/rpc/engine';
import { BASE } from './base_request';

export interface Opened {
  readonly backend: Backend;
  readonly model: LoadedModel;
  close(): Promise<void>;
}

export async function openDefault(): Promise<Opened> {
  const backend = await createNodeBackend('auto', 1);
  const { model, close } = await loadNodeModel(await defaultModelFiles(), backend);
  return {
    backend,
    model,
    async close() {
      await model.dispose();
      await backend.dispose();
      await close();
    },
  };
}

export interface Ran {
  readonly result: JobResult;
  readonly latents: readonly HostTensor[];
  readonly pictures: readonly PixelImage[];
  readonly events: readonly JobEvent[];
  readonly notices: readonly string[];
  readonly infotexts: readonly string[];
}

export async function run(
  model: LoadedModel,
  request: Partial<GenerateRequest>,
  host: Partial<GenerateHost> = {},
): Promise<Ran> {
  const latents: HostTensor[] = [];
  const pictures: PixelImage[] = [];
  const events: JobEvent[] = [];
  const result = await generate(
    model,
    { ...BASE, ...request },
    {
      randomSeed: () => 1,
      encodePicture: (image) => Promise.resolve({ format: 'png', bytes: encodePng(image) }),
      onPicture: (image) => pictures.push(image),
      onLatents: (tensor) => latents.push(tensor),
      ...host,
      onEvent: (event) => {
        events.push(event);
        host.onEvent?.(event);
      },
    },
  );
  const notices = events.flatMap((event) => (event.kind === 'notice' ? [event.message] : []));
  return { result, latents, pictures, events, notices, infotexts: result.images.map((image) => image.infotext) };
}

/** A picture of a smooth pattern, so that nothing in it is constant. */
export function pattern(widthPx: number, heightPx: number): PixelImage {
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      rgba.set([(x * 255) / widthPx, (y * 255) / heightPx, 40 + ((x * y) % 97), 255], 4 * (y * widthPx + x));
    }
  }
  return { widthPx, heightPx, rgba };
}

/** A white rectangle on black. */
export function boxMask(
  widthPx: number,
  heightPx: number,
  [left, top, right, bottom]: readonly [number, number, number, number],
): PixelImage {
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      const v = x >= left && x < right && y >= top && y < bottom ? 255 : 0;
      rgba.set([v, v, v, 255], 4 * (y * widthPx + x));
    }
  }
  return { widthPx, heightPx, rgba };
}
