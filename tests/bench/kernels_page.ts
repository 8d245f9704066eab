/** The half of the kernel bench that runs in a page: our backend and onnxruntime's WebGPU provider, interleaved. */
import * as ort from 'onnxruntime-web/webgpu';
import type { Backend } from '../../src/lib/backends/backend';
import { createOnnxBackend } from '../../src/lib/backends/onnx/backend';
import { ortOptions, wrapSession } from '../../src/lib/backends/onnx/ort_session';
import { browserGpu } from '../../src/lib/backends/webgpu/device';
import { bundledKernels } from '../../src/lib/backends/webgpu/sources_vite';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { Autotuner } from '../../src/lib/backends/webgpu/autotune';
import { selfTest } from '../../src/lib/backends/webgpu/self_test';
import { benchCases, measureEncoding, measureKernels, type KernelBench } from './kernel_cases';

/** onnxruntime-web on WebGPU behind our contract; tensors pass through the host on both sides. */
function baseline(): Backend {
  ort.env.wasm.wasmPaths = new URL('/node_modules/onnxruntime-web/dist/', location.href).href;
  return createOnnxBackend({
    id: 'onnx-webgpu',
    label: 'onnxruntime-web WebGPU EP',
    keepQuantized: true,
    runtime: {
      id: 'wasm',
      threads: 1,
      info: {},
      async createSession(model, externalData, options) {
        const session = await ort.InferenceSession.create(model, {
          ...ortOptions(options),
          executionProviders: ['webgpu'],
          externalData: externalData.map(({ path, data }) => ({ path, data })),
        });
        return wrapSession(session, ort.Tensor);
      },
    },
  });
}

async function runKernelBench(): Promise<KernelBench> {
  const ours = await WebgpuBackend.create({ gpu: browserGpu(), sources: bundledKernels() });
  const tested = await selfTest(ours);
  const software = ours.info['architecture'] === 'swiftshader';
  // Measured choices, as the app makes them; without timestamps the defaults.
  if (!software) ours.setTuner(new Autotuner(ours, tested.tuning, tested.enabled, { browser: navigator.userAgent }));
  const rows = await measureKernels(ours, baseline(), benchCases(software), 'onnxruntime-web WebGPU EP');
  rows.push(await measureEncoding(ours));
  const info = {
    ...ours.info,
    ...Object.fromEntries(tested.kernels.map(({ variant, state }) => [`kernel ${variant}`, state])),
  };
  await ours.dispose();
  return { rows, info };
}

Object.assign(globalThis, { runKernelBench });
