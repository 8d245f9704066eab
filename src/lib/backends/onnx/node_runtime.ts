/** onnxruntime-node's CPU library, an optional package: the command line and the companion prefer it to WASM. */
import { availableParallelism } from 'node:os';
import type * as OrtNode from 'onnxruntime-node';
import { AppError } from '../../base/errors';
import { ortOptions, wrapSession } from './ort_session';
import type { OnnxRuntime } from './runtime';

export interface NodeRuntimeOptions {
  /** Threads inside an operator; default: all cores. */
  readonly threads?: number;
}

/**
 * The native runtime.
 * @throws AppError 'backend/unavailable' when the package is not installed or does not load on this system
 */
export async function nodeRuntime({ threads = availableParallelism() }: NodeRuntimeOptions = {}): Promise<OnnxRuntime> {
  let ort: typeof OrtNode;
  try {
    ort = await import('onnxruntime-node');
  } catch (cause) {
    throw new AppError(
      'backend/unavailable',
      'onnx node: onnxruntime-node is not installed or does not load on this system; run "npm install onnxruntime-node" or use the WASM backend.',
      { cause },
    );
  }
  return {
    id: 'node',
    threads,
    info: {
      library: 'onnxruntime-node',
      version: ort.env.versions.node ?? ort.env.versions.common,
      threads: String(threads),
    },
    async createSession(model, externalData, options) {
      const session = await ort.InferenceSession.create(model, {
        ...ortOptions(options),
        executionProviders: ['cpu'],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        externalData: externalData.map(({ path, data }) => ({ path, data })),
      });
      return wrapSession(session, ort.Tensor);
    },
  };
}
