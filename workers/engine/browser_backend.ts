/** Chooses what computes in this browser, and says why. */
import { AppError } from '../../src/lib/base/errors';
import type { Backend } from '../../src/lib/backends/backend';
import { createOnnxBackend } from '../../src/lib/backends/onnx/backend';
import { useBundledWasm } from '../../src/lib/backends/onnx/wasm_assets';
import { wasmRuntime } from '../../src/lib/backends/onnx/wasm_runtime';
import type { ChosenBackend, EngineOptions } from '../../src/lib/rpc/engine';
import { openDatabase } from '../../src/lib/storage/database';
import { MeasurementStore } from '../../src/lib/storage/measurement_store';

type Chosen = ChosenBackend<Backend>;
type Why = Omit<Chosen, 'backend'>;

/** Adapters that compute on the processor: right, but tens of times slower than WebAssembly. */
const SOFTWARE_ADAPTER = /swiftshader|llvmpipe|lavapipe|basic render|software/i;

/** More threads than this gain nothing on models of this size. */
const MAX_DEFAULT_THREADS = 8;

/** One core stays free for the page: with all of them busy, ink under the pen came hundreds of milliseconds late. */
function defaultThreads(): number {
  return Math.max(1, Math.min(MAX_DEFAULT_THREADS, navigator.hardwareConcurrency - 1));
}

let wasmConfigured = false;

async function wasmBackend(options: EngineOptions, why: Why): Promise<Chosen> {
  if (!wasmConfigured) {
    useBundledWasm(options.threads === 0 ? defaultThreads() : options.threads);
    wasmConfigured = true;
  }
  const runtime = await wasmRuntime();
  const backend = createOnnxBackend({ runtime, id: 'onnx-wasm', label: 'onnxruntime-web (WebAssembly)' });
  return { backend, ...why };
}

/** Kernels and their device are loaded only where they are wanted. */
async function webgpuBackend(
  { roundActivations = false }: EngineOptions,
  why: Why,
  acceptSoftware: boolean,
): Promise<Chosen> {
  const [{ WebgpuBackend }, { browserGpu }, { bundledKernels }, { selfTest }, { Autotuner }, { softwareTuning }] =
    await Promise.all([
      import('../../src/lib/backends/webgpu/backend'),
      import('../../src/lib/backends/webgpu/device'),
      import('../../src/lib/backends/webgpu/sources_vite'),
      import('../../src/lib/backends/webgpu/self_test'),
      import('../../src/lib/backends/webgpu/autotune'),
      import('../../src/lib/backends/webgpu/tuning'),
    ]);
  const backend = await WebgpuBackend.create({ gpu: browserGpu(), sources: bundledKernels() });
  const software = Object.values(backend.info).some((fact) => SOFTWARE_ADAPTER.test(fact));
  if (software && !acceptSoftware) {
    await backend.dispose();
    throw new AppError(
      'backend/unavailable',
      'WebGPU: only a software adapter was offered, which is slower than WebAssembly.',
      { details: { software } },
    );
  }
  // A software adapter compiles for seconds and is there for correctness only: it keeps plain kernels, unless asked.
  if (software && !roundActivations) backend.setTuning(softwareTuning);
  else {
    const { tuning, enabled } = await selfTest(backend, { roundActivations });
    const store = new MeasurementStore(openDatabase);
    backend.setTuner(
      new Autotuner(backend, tuning, enabled, { store, browser: navigator.userAgent, roundActivations }),
    );
  }
  return { backend, ...why };
}

export async function createBrowserBackend(options: EngineOptions): Promise<Chosen> {
  switch (options.backend) {
    case 'wasm':
      return wasmBackend(options, { reason: 'chosen' });
    case 'webgpu':
      try {
        return await webgpuBackend(options, { reason: 'chosen' }, true);
      } catch (error) {
        return wasmBackend(options, fallbackReason(error));
      }
    case 'auto':
      try {
        return await webgpuBackend(options, { reason: 'adapter' }, false);
      } catch (error) {
        return wasmBackend(options, fallbackReason(error));
      }
  }
}

function fallbackReason(error: unknown): Why {
  if (!(error instanceof AppError)) throw error;
  if (error.details['software'] === true) return { reason: 'software' };
  return { reason: 'fallback', reasonDetail: error.message };
}
