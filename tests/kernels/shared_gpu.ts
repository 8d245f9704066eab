/**
 * One device for all tests that do not end it, and the kernels compiled on it: a software adapter compiles for longer
 * than it computes, and most tests use the same kernels. Pages of the ring are not isolated, so it lasts for all files.
 */
import { browserGpu } from '../../src/lib/backends/webgpu/device';

let shared: Promise<GPUDevice> | undefined;

type RequestDevice = (descriptor?: GPUDeviceDescriptor) => Promise<GPUDevice>;

/** The browser's `GPU`, whose devices are asked for through `ask`. */
export function gpuThrough(ask: (request: RequestDevice) => RequestDevice): GPU | undefined {
  const gpu = browserGpu();
  if (!gpu) return undefined;
  return {
    wgslLanguageFeatures: gpu.wgslLanguageFeatures,
    getPreferredCanvasFormat: () => gpu.getPreferredCanvasFormat(),
    async requestAdapter(options) {
      const adapter = await gpu.requestAdapter(options);
      if (!adapter) return null;
      adapter.requestDevice = ask(adapter.requestDevice.bind(adapter));
      return adapter;
    },
  } as GPU;
}

/** The browser's `GPU`, whose adapter always gives the one device; it cannot be destroyed, and compiles nothing twice. */
export function sharedGpu(): GPU | undefined {
  return gpuThrough((request) => (descriptor) => (shared ??= request(descriptor).then(keepKernels)));
}

function keepKernels(device: GPUDevice): GPUDevice {
  const modules = new Map<string, GPUShaderModule>();
  const pipelines = new Map<GPUShaderModule, Map<string, Promise<GPUComputePipeline>>>();
  const createModule = device.createShaderModule.bind(device);
  const createPipeline = device.createComputePipelineAsync.bind(device);
  device.destroy = () => undefined;
  device.createShaderModule = (descriptor) => {
    const known = modules.get(descriptor.code) ?? createModule(descriptor);
    modules.set(descriptor.code, known);
    return known;
  };
  // Layouts are derived from the code, and equal ones are exchangeable between bind groups and pipelines.
  device.createComputePipelineAsync = (descriptor) => {
    const { module, constants } = descriptor.compute;
    const made = pipelines.get(module) ?? new Map<string, Promise<GPUComputePipeline>>();
    pipelines.set(module, made);
    const key = JSON.stringify(constants ?? {});
    const known = made.get(key) ?? createPipeline(descriptor);
    made.set(key, known);
    return known;
  };
  return device;
}
