/**
 * Models that ship with the app: fetched once from the app's own origin, then kept in the model store like any file
 * of the user's, so that the app works offline.
 */
import { blobSource, type ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import type { ModelRecord } from './database';
import type { ImportFile, ModelStore } from './model_store';

export interface BuiltinFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface BuiltinModel {
  readonly id: string;
  readonly name: string;
  readonly licence: string;
  /** Older names of the same weights, for saved parameters. */
  readonly aliases: readonly string[];
  readonly files: readonly BuiltinFile[];
}

export interface BuiltinIndex {
  readonly default: string;
  readonly models: readonly BuiltinModel[];
}

export interface OpenOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** The store cannot keep the model; it is used from memory and will be fetched again next time. */
  readonly onNotStored?: (error: AppError) => void;
}

/** @throws AppError 'network/failed' */
export async function fetchBuiltinIndex(modelsUrl: string): Promise<BuiltinIndex> {
  const response = await fetchOk(`${modelsUrl}index.json`);
  return (await response.json()) as BuiltinIndex;
}

/** The catalogue id of a built-in model: its content decides, so that an update is another entry. */
export function builtinRecordId(model: BuiltinModel): string {
  return `builtin-${model.id}-${model.files.map((file) => file.sha256.slice(0, 10)).join('-')}`;
}

/**
 * Byte sources of a built-in model, from the store, or from the network into the store.
 * @throws AppError 'network/failed', 'storage/hash-mismatch', 'job/cancelled'
 */
export async function openBuiltin(
  model: BuiltinModel,
  modelsUrl: string,
  store: ModelStore | undefined,
  options: OpenOptions = {},
): Promise<{ sources: ByteSource[]; record?: ModelRecord }> {
  const fromStore = async (record: ModelRecord) => {
    if (!store) return undefined;
    return { sources: await Promise.all(record.files.map((file) => store.open(record, file))), record };
  };
  const id = builtinRecordId(model);
  if (store) {
    const known = await store.get(id);
    if (known) {
      try {
        const opened = await fromStore(known);
        if (opened) return opened;
      } catch (error) {
        // Evicted or damaged: the app can fetch it again by itself.
        if (!(error instanceof AppError) || error.code !== 'storage/corrupt') throw error;
        await store.delete(id);
      }
    }
    try {
      const files = model.files.map((file) => builtinFile(file, modelsUrl));
      const record = await store.import(files, {
        id,
        name: model.name,
        facts: { origin: 'built-in', licence: model.licence },
        ...(options.signal ? { signal: options.signal } : {}),
        ...(options.onProgress ? { onProgress: options.onProgress } : {}),
      });
      const opened = await fromStore(record);
      if (opened) return opened;
    } catch (error) {
      const storageFailed = error instanceof AppError && ['storage/quota', 'storage/unavailable'].includes(error.code);
      if (!storageFailed) throw error;
      options.onNotStored?.(error);
    }
  }
  const sources: ByteSource[] = [];
  let done = 0;
  const total = model.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  for (const file of model.files) {
    const response = await fetchOk(`${modelsUrl}${file.path}`, options.signal);
    const blob = await response.blob();
    done += blob.size;
    options.onProgress?.(done, total);
    sources.push(blobSource(file.path, blob));
  }
  return { sources };
}

function builtinFile(file: BuiltinFile, modelsUrl: string): ImportFile {
  return {
    ...file,
    async open(offset, signal) {
      const url = `${modelsUrl}${file.path}`;
      const response = await fetchOk(url, signal, offset > 0 ? { Range: `bytes=${offset}-` } : {});
      if (!response.body) throw networkError(url, 'the answer has no body');
      if (offset > 0 && response.status !== 206) {
        // The host ignores Range: drop what is stored already.
        return response.body.pipeThrough(skipBytes(offset));
      }
      return response.body;
    },
  };
}

function skipBytes(count: number): TransformStream<Uint8Array, Uint8Array> {
  let left = count;
  return new TransformStream({
    transform(chunk, controller) {
      const skipped = Math.min(left, chunk.byteLength);
      left -= skipped;
      if (skipped < chunk.byteLength) controller.enqueue(chunk.subarray(skipped));
    },
  });
}

async function fetchOk(url: string, signal?: AbortSignal, headers: Record<string, string> = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { headers, ...(signal ? { signal } : {}) });
  } catch (cause) {
    if (signal?.aborted) throw new AppError('job/cancelled', 'The download was stopped.', { cause });
    throw networkError(url, 'the host does not answer', cause);
  }
  if (!response.ok) throw networkError(url, `the host answered ${response.status}`);
  return response;
}

function networkError(url: string, what: string, cause?: unknown): AppError {
  return new AppError('network/failed', `${url}: ${what}; check the connection and try again.`, {
    details: { url },
    cause,
  });
}

/** Text of a file that ships with the app. @throws AppError 'network/failed' */
export async function fetchAppText(url: string): Promise<string> {
  return (await fetchOk(url)).text();
}
