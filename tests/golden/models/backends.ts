/** Backends that the golden model suite runs on in Node, with the reason when one is absent. */
import type { Backend } from '../../../src/lib/backends/backend';
import { createOnnxBackend } from '../../../src/lib/backends/onnx/backend';
import { wasmRuntime } from '../../../src/lib/backends/onnx/wasm_runtime';
import { createReferenceBackend } from '../../../src/lib/backends/reference/backend';

export interface BackendChoice {
  readonly id: string;
  readonly open: () => Promise<Backend>;
}

export const BACKENDS: readonly BackendChoice[] = [
  { id: 'reference', open: () => Promise.resolve(createReferenceBackend()) },
  {
    id: 'onnx-wasm',
    open: async () =>
      createOnnxBackend({ runtime: await wasmRuntime(), id: 'onnx-wasm', label: 'onnxruntime-web WASM' }),
  },
];
