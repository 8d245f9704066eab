/** The default model in memory, changed in chosen ways, and an engine around it: the smallest real pipeline. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Backend } from '../../../src/lib/backends/backend';
import { createOnnxBackend } from '../../../src/lib/backends/onnx/backend';
import { nodeRuntime } from '../../../src/lib/backends/onnx/node_runtime';
import type { OnnxRuntime } from '../../../src/lib/backends/onnx/runtime';
import { wasmRuntime } from '../../../src/lib/backends/onnx/wasm_runtime';
import { memorySource, type ByteSource } from '../../../src/lib/base/byte_source';
import { AppError } from '../../../src/lib/base/errors';
import { encodePng } from '../../../src/companion/node_images';
import type { CreateBackend } from '../../../src/lib/pipeline/engine_backend';
import { EngineService } from '../../../src/lib/pipeline/engine_service';
import type { GenerateRequest, JobEvent, JobResult } from '../../../src/lib/rpc/engine';
import type { QueuePolicy } from '../../../src/lib/rpc/job_queue';
import { createClipTokenizer } from '../../../src/lib/tokenizers/clip';
import { BASE } from './base_request';

const staticDir = resolve(import.meta.dirname, '../../../static');
const readBytes = (path: string): Uint8Array<ArrayBuffer> => Uint8Array.from(readFileSync(resolve(staticDir, path)));

export const modelBytes = readBytes('models/tiny-icons.safetensors');
export const autoencoderBytes = readBytes('models/tiny-icons-ae.safetensors');
export const clip = createClipTokenizer(readFileSync(resolve(staticDir, 'tokenizers/clip.txt'), 'utf8'));

interface HeaderEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

export interface ChangedTensor {
  readonly name?: string;
  readonly shape?: number[];
  readonly data?: Uint8Array;
}

/** A safetensors file with some tensors left out (`null`) or replaced; `undefined` keeps one as it is. */
export function changed(
  bytes: Uint8Array<ArrayBuffer>,
  change: (name: string, data: Uint8Array, shape: readonly number[]) => ChangedTensor | null | undefined,
): Uint8Array<ArrayBuffer> {
  const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes))) as Record<
    string,
    HeaderEntry
  >;
  const next: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      next[name] = entry;
      continue;
    }
    const [from, to] = entry.data_offsets;
    const data = bytes.subarray(8 + headerBytes + from, 8 + headerBytes + to);
    const wanted = change(name, data, entry.shape);
    if (wanted === null) continue;
    const kept = wanted?.data ?? data;
    next[wanted?.name ?? name] = {
      ...entry,
      shape: wanted?.shape ?? entry.shape,
      data_offsets: [at, at + kept.byteLength],
    };
    at += kept.byteLength;
    parts.push(kept);
  }
  let text = JSON.stringify(next);
  text = text.padEnd(Math.ceil(text.length / 8) * 8);
  const out = new Uint8Array(8 + text.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(new TextEncoder().encode(text), 8);
  let offset = 8 + text.length;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.byteLength;
  }
  return out;
}

/** f16 NaN in every element. */
export function nanBytes(byteLength: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint16Array(byteLength / 2).fill(0x7e00).buffer);
}

export const file = (name: string, bytes: Uint8Array<ArrayBuffer>): ByteSource => memorySource(name, bytes);
export const tinyFiles = (main = modelBytes, autoencoder = autoencoderBytes): ByteSource[] => [
  file('tiny-icons.safetensors', main),
  file('tiny-icons-ae.safetensors', autoencoder),
];

/** The fastest runtime of this machine. */
export async function anyRuntime(): Promise<OnnxRuntime> {
  try {
    return await nodeRuntime({ threads: 1 });
  } catch (error) {
    if (error instanceof AppError && error.code === 'backend/unavailable') return wasmRuntime();
    throw error;
  }
}

const request: GenerateRequest = {
  ...BASE,
  modelId: 'test',
  prompt: 'a red apple, 3d',
  cfgScale: 4,
  schedule: 'Automatic',
  seed: 1,
};

/** An engine whose files are named by the source's id. */
export class TestEngine {
  readonly engine: EngineService;
  readonly events: JobEvent[] = [];
  readonly #files: Readonly<Record<string, readonly ByteSource[]>>;
  readonly backend: Backend;
  /** Bytes of the last picture made, RGBA. */
  lastPixels: Uint8ClampedArray | undefined;
  #jobs = 0;

  private constructor(
    backend: Backend,
    files: Readonly<Record<string, readonly ByteSource[]>>,
    createBackend: CreateBackend = () => Promise.resolve({ backend, reason: 'start' }),
  ) {
    this.backend = backend;
    this.#files = files;
    this.engine = new EngineService({
      createBackend,
      openFiles: (source) => {
        const id = source.kind === 'files' ? '' : source.id;
        return Promise.resolve({ id, name: id, sha256: '0'.repeat(64), sources: this.#files[id] ?? [] });
      },
      tokenizers: () => Promise.resolve({ clip }),
      encodePicture: (image) => {
        this.lastPixels = image.rgba;
        return Promise.resolve({ format: 'png', bytes: encodePng(image) });
      },
      randomSeed: () => 1,
      isolated: false,
      // Tests compare bytes of weights: only the model in use keeps any.
      idleWeightsBytes: 0,
    });
  }

  static async start(
    files: Readonly<Record<string, readonly ByteSource[]>>,
    {
      runtime,
      open = 'tiny',
      createBackend,
    }: { runtime?: OnnxRuntime; open?: string; createBackend?: CreateBackend } = {},
  ): Promise<TestEngine> {
    const backend = createOnnxBackend({ runtime: runtime ?? (await anyRuntime()), id: 'test', label: 'test' });
    const test = new TestEngine(backend, files, createBackend);
    await test.engine.start({ backend: createBackend ? 'webgpu' : 'wasm', threads: 1, baseUrl: '' });
    await test.open(open);
    return test;
  }

  open(id: string) {
    return this.engine.openModel({ kind: 'builtin', id }, (event) => this.events.push(event));
  }

  job(
    change: Partial<GenerateRequest> = {},
    {
      id = `job ${++this.#jobs}`,
      policy = 'queue',
      onEvent = () => undefined,
    }: { id?: string; policy?: QueuePolicy; onEvent?: (event: JobEvent) => void } = {},
  ): Promise<JobResult> {
    return this.engine.generate(id, { ...request, ...change }, onEvent, policy);
  }

  /** Bytes that only jobs hold: zero between jobs. */
  get jobBytes(): number {
    const { arenaBytes, tensorBytes } = this.backend.memory();
    return arenaBytes + tensorBytes;
  }
}

/** The error of a promise that must reject with an AppError. */
export async function failure(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
