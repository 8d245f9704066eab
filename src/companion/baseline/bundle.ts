/**
 * A captured baseline on disk: `baseline.json` with every request, seed and infotext, the pictures (their parameters
 * inside), start pictures and masks, and the adapters. A comparison needs nothing else.
 */
import { join } from 'node:path';
import { AppError } from '../../lib/base/errors';
import type { GenerateRequest, PixelImage } from '../../lib/rpc/engine';
import { decodePng, encodePng } from '../node_images';
import { readWhole, writeWhole } from '../node_files';

const INDEX = 'baseline.json';
const VERSION = 1;

export interface StoredJob {
  readonly name: string;
  readonly about: string;
  readonly seed: number;
  /** Files of the bundle. */
  readonly picture: string;
  readonly infotext: string;
  /** Everything that decides the picture; images are the names of their files. */
  readonly request: unknown;
}

export interface Bundle {
  readonly version: typeof VERSION;
  readonly capturedAt: string;
  readonly model: { readonly name: string; readonly hash: string };
  readonly backend: string;
  readonly adapters: readonly string[];
  readonly jobs: readonly StoredJob[];
}

const isImage = (value: unknown): value is PixelImage =>
  typeof value === 'object' && value !== null && 'rgba' in value && value.rgba instanceof Uint8ClampedArray;

/** The request as JSON; its images are written beside it as PNG. */
export async function storeRequest(folder: string, name: string, request: GenerateRequest): Promise<unknown> {
  const files: [string, PixelImage][] = [];
  const json = JSON.stringify(request, (key, value: unknown) => {
    if (!isImage(value)) return value;
    const file = `${name}.${key}.png`;
    files.push([file, value]);
    return { file };
  });
  for (const [file, image] of files) await writeWhole(join(folder, file), encodePng(image));
  return JSON.parse(json) as unknown;
}

/** @throws AppError 'file/unreadable' for a file that is missing */
export async function restoreRequest(folder: string, stored: unknown): Promise<GenerateRequest> {
  const restore = async (value: unknown): Promise<unknown> => {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return Promise.all(value.map(restore));
    const { file } = value as { file?: unknown };
    if (typeof file === 'string') return decodePng(await readWhole(join(folder, file)), file);
    const fields = await Promise.all(
      Object.entries(value).map(async ([key, field]): Promise<[string, unknown]> => [key, await restore(field)]),
    );
    return Object.fromEntries(fields);
  };
  return (await restore(stored)) as GenerateRequest;
}

export async function writeBundle(folder: string, bundle: Omit<Bundle, 'version'>): Promise<string> {
  const path = join(folder, INDEX);
  await writeWhole(path, `${JSON.stringify({ version: VERSION, ...bundle }, null, 2)}\n`);
  return path;
}

/** @throws AppError 'file/unreadable' where nothing was captured, 'file/bad-metadata' for another version */
export async function readBundle(folder: string): Promise<Bundle> {
  const path = join(folder, INDEX);
  const text = await readWhole(path).catch((cause: unknown) => {
    throw new AppError('file/unreadable', `${path}: cannot be opened; run "capture" first.`, { cause });
  });
  const bundle = JSON.parse(new TextDecoder().decode(text)) as Bundle;
  if ((bundle.version as number) === VERSION) return bundle;
  throw new AppError(
    'file/bad-metadata',
    `${path}: must be of version ${VERSION}, got ${String(bundle.version)}; capture anew.`,
  );
}
