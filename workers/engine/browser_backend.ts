/** Chooses what computes in this browser, and says why. */
import type { Backend } from '../../src/lib/backends/backend';
import { createOnnxBackend } from '../../src/lib/backends/onnx/backend';
import { useBundledWasm } from '../../src/lib/backends/onnx/wasm_assets';
import { wasmRuntime } from '../../src/lib/backends/onnx/wasm_runtime';
import type { EngineOptions } from '../../src/lib/rpc/engine';

let wasmConfigured = false;

export async function createBrowserBackend(options: EngineOptions): Promise<{ backend: Backend; reason: string }> {
  if (!wasmConfigured) {
    useBundledWasm(options.threads === 0 ? undefined : options.threads);
    wasmConfigured = true;
  }
  const backend = createOnnxBackend({
    runtime: await wasmRuntime(),
    id: 'onnx-wasm',
    label: 'onnxruntime-web (WebAssembly)',
  });
  const asked = options.backend === 'wasm' ? 'as you asked' : 'the path that runs on every processor';
  return { backend, reason: asked };
}
