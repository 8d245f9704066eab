/** LoRA, embedding, control, upscaler and autoencoder files in Node: named one by one, or all of a folder. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { AppError } from '../lib/base/errors';
import type { TensorIndex } from '../lib/formats/tensor_index';
import { MODEL_FILE, openModelFiles } from '../lib/models/open_model_files';
import { NETWORK_OF_KIND, type NetworkEntry, type NetworkStore } from '../lib/pipeline/network_library';
import { regularFilesBelow } from './node_files';
import { openModelPaths } from './node_model_files';

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

/** Files by what they are for; each must be of that kind. */
export interface NetworkPaths {
  readonly files: readonly { readonly path: string; readonly kind: NetworkEntry['kind'] }[];
  /** Folders whose networks are all offered, with their subfolders; other files in them are passed over. */
  readonly folders?: readonly string[];
}

export interface NodeNetworks extends NetworkStore {
  close(): Promise<void>;
}

/**
 * Opens the headers of all files.
 * @throws AppError 'file/…'; 'model/unrecognised' for a named file of another kind
 */
export async function openNetworks({ files, folders = [] }: NetworkPaths): Promise<NodeNetworks> {
  const sources: { close(): Promise<void> }[] = [];
  const indexes = new Map<string, TensorIndex>();
  const entries: NetworkEntry[] = [];
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  const add = async (path: string, wanted: NetworkEntry['kind'] | undefined): Promise<void> => {
    if (indexes.has(path)) return;
    // An ONNX model may have its weights in a file beside it.
    const opened = await openModelPaths([path]);
    sources.push(opened);
    const [file] = (await openModelFiles(opened.sources)).files;
    if (!file) return;
    const { index, ...found } = file.detected;
    const kind = NETWORK_OF_KIND[found.kind];
    if (kind === undefined || (wanted !== undefined && kind !== wanted)) {
      if (wanted === undefined) return;
      throw new AppError(
        'model/unrecognised',
        `${path}: must hold ${KIND_LABELS[wanted]}, got ${found.kind}; choose another file.`,
        { details: { path, kind: found.kind } },
      );
    }
    indexes.set(path, index);
    const whole = await sha256(path);
    const hash = kind === 'lora' ? await tensorHash(path, index) : whole;
    const alias = index.metadata.get('ss_output_name');
    entries.push({
      id: path,
      name: networkName(path),
      kind,
      contentId: whole,
      sizeBytes: file.sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      hash: hash.slice(0, kind === 'lora' || kind === 'embedding' ? 12 : 10),
      triggerWords: [],
      ...(kind === 'control' ? { variant: found.kind } : {}),
      ...(found.family ? { family: found.family } : {}),
      ...(typeof alias === 'string' ? { aliases: [alias] } : {}),
    });
  };
  try {
    for (const { path, kind } of files) await add(path, kind);
    for (const folder of folders) for (const path of await networkFilesIn(folder)) await add(path, undefined);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    close,
    list: () => Promise.resolve(entries),
    open(id) {
      const index = indexes.get(id);
      if (index) return Promise.resolve(index);
      return Promise.reject(new AppError('file/unreadable', `${id}: was not opened; name it on the command line.`));
    },
  };
}

const KIND_LABELS: Readonly<Record<NetworkEntry['kind'], string>> = {
  lora: 'an adapter (LoRA)',
  embedding: 'a textual inversion',
  control: 'a ControlNet, T2I-Adapter or IP-Adapter',
  'clip-vision': 'a CLIP vision model',
  upscaler: 'an upscaler',
  vae: 'an autoencoder',
};

/** Files of model formats below a folder, sorted. @throws AppError 'file/unreadable' */
export async function networkFilesIn(folder: string): Promise<string[]> {
  return (await regularFilesBelow(folder)).filter(isNetworkFile);
}

export const isNetworkFile = (path: string): boolean => MODEL_FILE.test(path);
