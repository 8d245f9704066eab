/** LoRA, embedding and upscaler files in Node, opened by path and known by their file name. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { AppError } from '../lib/base/errors';
import { openTensorIndex } from '../lib/formats/open_tensor_index';
import type { TensorIndex } from '../lib/formats/tensor_index';
import { detectFile } from '../lib/models/detect';
import type { ModelPart } from '../lib/models/part';
import { readTextualInversion } from '../lib/models/textual_inversion';
import type { Embedding } from '../lib/pipeline/embeddings';
import type { LoraFile } from '../lib/pipeline/networks';
import { openFileSource } from './node_file_source';

/** A file name without folder and extension: its name in tags and prompts. */
export function networkName(path: string): string {
  return basename(path).replace(/\.[^.]+$/, '');
}

async function sha256(path: string, start = 0): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { start })) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** First 12 digits of the web UIs' LoRA hash: it leaves the header out, so edited metadata keep it. */
export async function tensorHash(path: string, { container }: TensorIndex): Promise<string> {
  return (await sha256(path, container?.dataStart ?? 0)).slice(0, 12);
}

export interface OpenedNetworks {
  readonly loras: ReadonlyMap<string, LoraFile>;
  readonly embeddings: readonly Embedding[];
  readonly upscalers: ReadonlyMap<string, ModelPart>;
  close(): Promise<void>;
}

/**
 * @throws AppError 'file/…', 'model/unrecognised' for a file of another kind
 */
export async function openNetworks(paths: {
  readonly loras: readonly string[];
  readonly embeddings: readonly string[];
  readonly upscalers: readonly string[];
}): Promise<OpenedNetworks> {
  const sources: { close(): Promise<void> }[] = [];
  const open = async (path: string): Promise<TensorIndex> => {
    const source = await openFileSource(path);
    sources.push(source);
    return openTensorIndex(source);
  };
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  try {
    const loras = new Map<string, LoraFile>();
    for (const path of paths.loras) {
      const index = await open(path);
      const shortHash = await tensorHash(path, index);
      loras.set(networkName(path), { id: (await sha256(path)).slice(0, 16), index, shortHash });
    }
    const embeddings: Embedding[] = [];
    for (const path of paths.embeddings) {
      const inversion = await readTextualInversion(await open(path));
      embeddings.push({ name: networkName(path), inversion, hash: (await sha256(path)).slice(0, 12) });
    }
    const upscalers = new Map<string, ModelPart>();
    for (const path of paths.upscalers) {
      const { parts, kind } = detectFile(await open(path));
      const part = parts.find((one) => one.role === 'upscaler');
      if (!part) {
        throw new AppError('model/unrecognised', `${path}: must hold an upscaler, got ${kind}; choose another file.`, {
          details: { path, kind },
        });
      }
      upscalers.set(networkName(path), part);
    }
    return { loras, embeddings, upscalers, close };
  } catch (error) {
    await close();
    throw error;
  }
}
