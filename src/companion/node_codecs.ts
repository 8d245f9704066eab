/** JPEG and WebP in Node, by the codecs of Squoosh as WebAssembly. Loaded when first needed. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { AppError } from '../lib/base/errors';
import { isJpeg } from '../lib/formats/jpeg_metadata';
import { isWebp } from '../lib/formats/webp_metadata';
import type { EncodeOptions } from '../lib/pipeline/save_picture';
import type { PictureFormat, PixelImage } from '../lib/rpc/engine';
import { decodePng, encodePng } from './node_images';

/** The packages fetch their WebAssembly by URL, which Node refuses for files: it is compiled here and handed in. */
type Init = (module: WebAssembly.Module) => Promise<unknown>;

const require = createRequire(import.meta.url);
const started = new Map<string, Promise<unknown>>();

function start(init: unknown, wasm: string): Promise<unknown> {
  const held =
    started.get(wasm) ??
    readFile(require.resolve(wasm)).then(async (bytes) => {
      await (init as Init)(await WebAssembly.compile(Uint8Array.from(bytes)));
    });
  started.set(wasm, held);
  return held;
}

function imageData({ widthPx, heightPx, rgba }: PixelImage): ImageData {
  return { data: rgba, width: widthPx, height: heightPx, colorSpace: 'srgb' };
}

/** For `GenerateHost.encodePicture`. */
export async function encodePicture(
  image: PixelImage,
  { format, quality, keepAlpha }: EncodeOptions,
): Promise<{ format: PictureFormat; bytes: Uint8Array }> {
  switch (format) {
    case 'png':
      return { format, bytes: encodePng(image, keepAlpha) };
    case 'jpeg': {
      const { default: encode, init } = await import('@jsquash/jpeg/encode.js');
      await start(init, '@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm');
      return { format, bytes: new Uint8Array(await encode(imageData(image), { quality })) };
    }
    case 'webp': {
      const { default: encode, init } = await import('@jsquash/webp/encode.js');
      await start(init, '@jsquash/webp/codec/enc/webp_enc_simd.wasm');
      const options = quality === 100 ? { lossless: 1, exact: 1, quality: 75 } : { quality };
      return { format, bytes: new Uint8Array(await encode(imageData(image), options)) };
    }
  }
}

/**
 * RGBA bytes of a PNG, JPEG or WebP.
 * @throws AppError 'image/invalid'
 */
export async function decodePicture(bytes: Uint8Array, name: string): Promise<PixelImage> {
  if (!isJpeg(bytes) && !isWebp(bytes)) return decodePng(bytes, name);
  try {
    const { data, width, height } = await (isJpeg(bytes) ? decodeJpeg(bytes) : decodeWebp(bytes));
    return { widthPx: width, heightPx: height, rgba: Uint8ClampedArray.from(data) };
  } catch (cause) {
    throw new AppError('image/invalid', `${name}: cannot be decoded; convert it to PNG first.`, { cause });
  }
}

async function decodeJpeg(bytes: Uint8Array): Promise<ImageData> {
  const { default: decode, init } = await import('@jsquash/jpeg/decode.js');
  await start(init, '@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
  return decode(Uint8Array.from(bytes).buffer);
}

async function decodeWebp(bytes: Uint8Array): Promise<ImageData> {
  const { default: decode, init } = await import('@jsquash/webp/decode.js');
  await start(init, '@jsquash/webp/codec/dec/webp_dec.wasm');
  return decode(Uint8Array.from(bytes).buffer);
}
