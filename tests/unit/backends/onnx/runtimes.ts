/** The runtimes that this machine can test: WASM always, the native one when its optional package is installed. */
import { createOnnxBackend, type OnnxBackendOptions } from '../../../../src/lib/backends/onnx/backend';
import { nodeRuntime } from '../../../../src/lib/backends/onnx/node_runtime';
import type { OnnxRuntime } from '../../../../src/lib/backends/onnx/runtime';
import { wasmRuntime } from '../../../../src/lib/backends/onnx/wasm_runtime';
import type { Backend, HostTensor } from '../../../../src/lib/backends/backend';
import { createReferenceBackend } from '../../../../src/lib/backends/reference/backend';
import { AppError } from '../../../../src/lib/base/errors';
import type { GraphCase } from './graphs';

async function optional(open: () => Promise<OnnxRuntime>): Promise<OnnxRuntime[]> {
  try {
    return [await open()];
  } catch (error) {
    if (error instanceof AppError && error.code === 'backend/unavailable') return [];
    throw error;
  }
}

export const RUNTIMES: readonly OnnxRuntime[] = [
  await wasmRuntime(),
  ...(await optional(() => nodeRuntime({ threads: 1 }))),
];

export function backendOn(runtime: OnnxRuntime, options: Partial<OnnxBackendOptions> = {}): Backend {
  return createOnnxBackend({ runtime, id: `onnx-${runtime.id}`, label: runtime.id, ...options });
}

/** All outputs of one run; nothing stays behind. */
export async function runOnce(
  backend: Backend,
  { graph, weights, inputs }: GraphCase,
): Promise<Record<string, HostTensor>> {
  const program = await backend.compile(graph, weights);
  const uploaded = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, backend.upload(tensor)]));
  const results: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(await program.run(uploaded))) {
    results[name] = await backend.download(tensor);
    tensor.dispose();
  }
  for (const tensor of Object.values(uploaded)) tensor.dispose();
  await program.dispose();
  return results;
}

/** Normalised mean squared error of the first output against the CPU reference. */
export async function nmseToReference(backend: Backend, graphCase: GraphCase): Promise<number> {
  const [expected, found] = [await runOnce(createReferenceBackend(), graphCase), await runOnce(backend, graphCase)];
  let error = 0;
  let power = 0;
  for (const [name, { shape, data }] of Object.entries(expected)) {
    const other = found[name];
    if (other?.shape.join() !== shape.join()) return NaN;
    for (const [i, value] of data.entries()) {
      error += (value - (other.data[i] ?? NaN)) ** 2;
      power += value ** 2;
    }
  }
  return error / power;
}
