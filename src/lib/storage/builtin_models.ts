/**
 * Models that ship with the app: fetched once from the app's own origin, then kept in the model store like any file
 * of the user's, so that the app works offline.
 */
import { blobSource, type ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import type { ModelRecord } from './database';
import type { ImportFile } from './model_import';
import type { ModelStore } from './model_store';

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
  /** Settings that suit these weights better than their family's. */
  readonly defaults?: { readonly steps?: number; readonly cfgScale?: number };
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
  const url = `${modelsUrl}index.json`;
  const response = await fetchOk(url);
  try {
    return (await response.json()) as BuiltinIndex;
  } catch (cause) {
    throw networkError(url, 'the answer is not the list of models (a proxy or a sign-in page in between?)', cause);
  }
}

const BUILTIN_PREFIX = 'builtin-';

/** The catalogue id of a built-in model: its content decides, so that an update is another entry. */
export function builtinRecordId(model: BuiltinModel): string {
  return `${BUILTIN_PREFIX}${model.id}-${model.files.map((file) => file.sha256.slice(0, 10)).join('-')}`;
}

/** Whether an id of the store is a built-in model's: the engine brings those in by itself. */
export function isBuiltinRecord(id: string): boolean {
  return id.startsWith(BUILTIN_PREFIX);
}

/**
 * Byte sources of a built-in model, from the store, or from the network into the store. A store that refuses or is full
 * is told to `onNotStored`, and the model comes from the network into memory.
 * @throws AppError 'network/failed', 'file/truncated', 'storage/hash-mismatch', 'job/cancelled'
 */
export async function openBuiltin(
  model: BuiltinModel,
  modelsUrl: string,
  store: ModelStore | undefined,
  options: OpenOptions = {},
): Promise<{ sources: ByteSource[]; record?: ModelRecord }> {
  if (store) {
    try {
      const record = await keepBuiltin(model, modelsUrl, store, options);
      return { sources: await store.openAll(record), record };
    } catch (error) {
      const storageFailed =
        error instanceof AppError && error.code.startsWith('storage/') && error.code !== 'storage/hash-mismatch';
      if (!storageFailed) throw error;
      options.onNotStored?.(error);
    }
  }
  const sources: ByteSource[] = [];
  let done = 0;
  const total = model.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  for (const file of model.files) {
    sources.push(
      blobSource(
        file.path,
        await fetchBlob(file, modelsUrl, options.signal, (bytes) => options.onProgress?.(done + bytes, total)),
      ),
    );
    done += file.sizeBytes;
  }
  return { sources };
}

/**
 * The stored record of a built-in model, whose files are fetched first unless they are there and sound.
 * @throws AppError 'network/failed', 'file/truncated', 'storage/*', 'job/cancelled'
 */
export async function keepBuiltin(
  model: BuiltinModel,
  modelsUrl: string,
  store: ModelStore,
  options: Pick<OpenOptions, 'signal' | 'onProgress'> = {},
): Promise<ModelRecord> {
  return (await intact(model, store, options.signal)) ?? (await fetchInto(store, model, modelsUrl, options));
}

/** The stored model when every byte is as it was written; a damaged or evicted one is deleted, to be fetched again. */
async function intact(
  model: BuiltinModel,
  store: ModelStore,
  signal: AbortSignal | undefined,
): Promise<ModelRecord | undefined> {
  const record = await store.get(builtinRecordId(model));
  if (!record) return undefined;
  const damaged = await store.verify(record, signal);
  if (damaged.length === 0) return record;
  await store.delete(record.id);
  return undefined;
}

function fetchInto(
  store: ModelStore,
  model: BuiltinModel,
  modelsUrl: string,
  options: OpenOptions,
): Promise<ModelRecord> {
  return store.import(
    model.files.map((file) => builtinFile(file, modelsUrl)),
    {
      id: builtinRecordId(model),
      name: model.name,
      facts: { origin: 'built-in', licence: model.licence },
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.onProgress ? { onProgress: options.onProgress } : {}),
    },
  );
}

function builtinFile(file: BuiltinFile, modelsUrl: string): ImportFile {
  return {
    ...file,
    async open(offset, signal) {
      const url = `${modelsUrl}${file.path}`;
      const response = await fetchOk(url, signal, offset > 0 ? { Range: `bytes=${offset}-` } : {});
      // A host that ignores Range: drop what is stored already.
      const skip = offset > 0 && response.status !== 206 ? offset : 0;
      return bodyOf(response, url, signal, skip);
    },
  };
}

/** A whole file in a Blob, for browsers that refuse storage. @throws AppError 'network/failed', 'file/truncated' */
async function fetchBlob(
  file: BuiltinFile,
  modelsUrl: string,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<Blob> {
  const url = `${modelsUrl}${file.path}`;
  const reader = bodyOf(await fetchOk(url, signal), url, signal, 0).getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value as Uint8Array<ArrayBuffer>);
    onBytes((bytes += value.byteLength));
  }
  if (bytes !== file.sizeBytes) {
    throw new AppError(
      'file/truncated',
      `${file.path}: ${bytes} bytes arrived instead of ${file.sizeBytes}; the connection was cut. Try again.`,
      { details: { path: file.path, bytes, sizeBytes: file.sizeBytes } },
    );
  }
  return new Blob(parts);
}

/** The body from `skip` on; a connection that breaks in the middle becomes our error. */
function bodyOf(
  response: Response,
  url: string,
  signal: AbortSignal | undefined,
  skip: number,
): ReadableStream<Uint8Array> {
  if (!response.body) throw networkError(url, 'the answer has no body');
  const body = skip > 0 ? response.body.pipeThrough(skipBytes(skip)) : response.body;
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (cause) {
        if (signal?.aborted) throw new AppError('job/cancelled', 'The download was stopped.', { cause });
        throw networkError(url, 'the connection broke', cause);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
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

/** Bytes of a file that ships with the app. @throws AppError 'network/failed' */
export async function fetchAppBytes(url: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fetchOk(url)).arrayBuffer());
}
