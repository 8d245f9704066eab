/**
 * The two files of the WASM runtime as assets of the app's own origin. Vite only: workers import it, Node code must
 * not. With the resolve condition `onnxruntime-web-use-extern-wasm` (vite.config.ts) the loader is not bundled a second
 * time. Checked with Vite 8, build and dev, two threads in Chromium 156 under cross-origin isolation.
 */
import mjsUrl from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import { configureWasm, type WasmConfig } from './wasm_runtime';

/**
 * Points the WASM runtime at the app's own files; once per worker, before the first session.
 * @param numThreads wanted threads; default: all cores, at most 8
 * @throws AppError 'argument/invalid' when the runtime is already running
 */
export function useBundledWasm(numThreads?: number): void {
  // Absolute: the runtime resolves relative paths against its own script, not against this worker.
  const absolute = (url: string) => new URL(url, globalThis.location.href).href;
  const config: WasmConfig = { wasmPaths: { mjs: absolute(mjsUrl), wasm: absolute(wasmUrl) } };
  configureWasm(numThreads === undefined ? config : { ...config, numThreads });
}
