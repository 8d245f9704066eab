/**
 * onnxruntime-web's CPU build: SIMD always, threads where the page is cross-origin isolated. Loaded on first use.
 * In Node it runs one thread (its worker start-up fetches a `file:` URL and fails).
 */
import type * as OrtWeb from 'onnxruntime-web/wasm';
import { AppError } from '../../base/errors';
import { ortOptions, wrapSession } from './ort_session';
import type { OnnxRuntime } from './runtime';

export interface WasmConfig {
  /** Where the two runtime files are, absolute or relative to the document; see `wasm_assets.ts`. */
  readonly wasmPaths?: { readonly mjs: string; readonly wasm: string };
  /** The `.wasm` file itself, instead of its path. */
  readonly wasmBinary?: Uint8Array;
  /** Wanted threads; fewer are used where the platform allows fewer. Default: all cores, at most 8. */
  readonly numThreads?: number;
}

const MAX_DEFAULT_THREADS = 8;

let config: WasmConfig = {};
let runtime: Promise<OnnxRuntime> | undefined;

function sameConfig(a: WasmConfig, b: WasmConfig): boolean {
  return (
    a.numThreads === b.numThreads &&
    a.wasmBinary === b.wasmBinary &&
    a.wasmPaths?.mjs === b.wasmPaths?.mjs &&
    a.wasmPaths?.wasm === b.wasmPaths?.wasm
  );
}

/**
 * Sets where the runtime's files lie and how many threads it takes, before the first session of a page or worker.
 * @throws AppError 'argument/invalid' when the runtime is already running otherwise
 */
export function configureWasm(wanted: WasmConfig): void {
  if (runtime && !sameConfig(config, wanted)) {
    throw new AppError(
      'argument/invalid',
      'onnx wasm: the runtime can be configured before its first session only; restart the worker to change it.',
    );
  }
  config = wanted;
}

function threadCount(): { threads: number; reason?: string } {
  const cores = (globalThis.navigator as { hardwareConcurrency?: number } | undefined)?.hardwareConcurrency ?? 1;
  const wanted = Math.max(1, Math.floor(config.numThreads ?? Math.min(cores, MAX_DEFAULT_THREADS)));
  if (typeof process !== 'undefined' && process.versions?.node !== undefined) {
    return wanted === 1 ? { threads: 1 } : { threads: 1, reason: 'this runtime has one thread in Node' };
  }
  // Said even where one thread is all that is wanted: it is what a user can change.
  if (globalThis.crossOriginIsolated !== true) {
    return { threads: 1, reason: 'the page is not cross-origin isolated' };
  }
  if (typeof SharedArrayBuffer === 'undefined') {
    return { threads: 1, reason: 'this browser shares no memory between threads' };
  }
  return { threads: wanted };
}

async function start(): Promise<OnnxRuntime> {
  const { threads, reason } = threadCount();
  let ort: typeof OrtWeb;
  try {
    ort = await import('onnxruntime-web/wasm');
  } catch (cause) {
    throw new AppError('backend/unavailable', 'onnx wasm: onnxruntime-web could not be loaded; reload the page.', {
      cause,
    });
  }
  const { wasm } = ort.env;
  wasm.numThreads = threads;
  if (config.wasmPaths) wasm.wasmPaths = config.wasmPaths;
  if (config.wasmBinary) wasm.wasmBinary = config.wasmBinary;
  return {
    id: 'wasm',
    threads,
    info: {
      library: 'onnxruntime-web',
      version: ort.env.versions.web ?? ort.env.versions.common,
      threads: reason === undefined ? String(threads) : `${threads} (${reason})`,
    },
    async createSession(model, externalData, options) {
      const session = await ort.InferenceSession.create(model, {
        ...ortOptions(options),
        executionProviders: ['wasm'],
        externalData: externalData.map(({ path, data }) => ({ path, data })),
      });
      return wrapSession(session, ort.Tensor);
    },
  };
}

/**
 * The WASM runtime of this page or worker.
 * @throws AppError 'backend/unavailable'
 */
export function wasmRuntime(): Promise<OnnxRuntime> {
  runtime ??= start().catch((error: unknown) => {
    runtime = undefined;
    throw error;
  });
  return runtime;
}
