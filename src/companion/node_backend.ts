/** Backends for Node, by name. */
import type { Backend } from '../lib/backends/backend';
import { createOnnxBackend } from '../lib/backends/onnx/backend';
import { nodeRuntime } from '../lib/backends/onnx/node_runtime';
import { configureWasm, wasmRuntime } from '../lib/backends/onnx/wasm_runtime';
import { createReferenceBackend } from '../lib/backends/reference/backend';
import { AppError } from '../lib/base/errors';

export const NODE_BACKENDS = ['auto', 'onnx-node', 'onnx-wasm', 'reference'] as const;
export type NodeBackendId = (typeof NODE_BACKENDS)[number];

/**
 * `auto` takes onnxruntime-node when it is installed, else the WebAssembly build.
 * @param threads  0: all cores
 * @throws AppError 'backend/unavailable'
 */
export async function createNodeBackend(id: NodeBackendId, threads: number): Promise<Backend> {
  switch (id) {
    case 'reference':
      return createReferenceBackend();
    case 'onnx-wasm': {
      configureWasm({ numThreads: threads === 0 ? 1 : threads });
      return createOnnxBackend({ runtime: await wasmRuntime(), id, label: 'onnxruntime-web (WebAssembly)' });
    }
    case 'onnx-node':
      return createOnnxBackend({
        runtime: await nodeRuntime(threads === 0 ? {} : { threads }),
        id,
        label: 'onnxruntime-node (CPU)',
      });
    case 'auto':
      try {
        return await createNodeBackend('onnx-node', threads);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'backend/unavailable') throw error;
        return createNodeBackend('onnx-wasm', threads);
      }
  }
}
