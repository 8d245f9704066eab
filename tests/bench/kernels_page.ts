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
import { softwareTuning } from '../../src/lib/backends/webgpu/tuning';
import { benchCases } from './kernel_cases';
import { asItIs, chosen, measureEncoding, measureKernels, NOTHING, type KernelBench } from './kernel_timing';

/**
 * onnxruntime-web on WebGPU behind our contract; tensors pass through the host on both sides. As a native build, without
 * what our WebAssembly path does to fit its heap: scores in one piece, quantized products whatever their rows.
 */
function baseline(): Backend {
  ort.env.wasm.wasmPaths = new URL('/node_modules/onnxruntime-web/dist/', location.href).href;
  return createOnnxBackend({
    id: 'onnx-webgpu',
    label: 'onnxruntime-web WebGPU EP',
    keepQuantized: true,
    runtime: {
      id: 'node',
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

async function runKernelBench(only = ''): Promise<KernelBench> {
  const ours = await WebgpuBackend.create({ gpu: browserGpu(), sources: bundledKernels() });
  const tested = await selfTest(ours);
  const software = ours.info['architecture'] === 'swiftshader';
  // Measured choices, as the app makes them; without timestamps the defaults.
  if (!software) ours.setTuner(new Autotuner(ours, tested.tuning, tested.enabled, { browser: navigator.userAgent }));
  // A software adapter keeps plain kernels in the app, where compiling would take longer than a picture; here the faster
  // ones may win a case.
  const contenders = software
    ? [chosen(ours, 'plain', softwareTuning), chosen(ours, 'by shape', tested.tuning)]
    : [asItIs(ours, 'measured')];
  const rival = asItIs(baseline(), 'onnxruntime-web WebGPU EP');
  const rows = await measureKernels(contenders, rival, [
    NOTHING,
    ...benchCases(software).filter(({ name }) => name.includes(only)),
  ]);
  rows.push(await measureEncoding(ours));
  const info = {
    ...ours.info,
    ...Object.fromEntries(tested.kernels.map(({ variant, state }) => [`kernel ${variant}`, state])),
  };
  await ours.dispose();
  return { rows, info };
}

Object.assign(globalThis, { runKernelBench });
