/** Planned bytes are the bytes then held, at the true sizes of published models, resident and streamed. */
import { afterEach, describe, expect, it } from 'vitest';
import { planWebgpu, WebgpuBackend } from '../../../../src/lib/backends/webgpu/backend';
import type { DeviceTensor } from '../../../../src/lib/backends/backend';
import { valueOf } from '../../../../src/lib/graph/ir';
import type { BuiltGraph } from '../../../../src/lib/models/part';
import { syntheticModel } from '../../../../src/lib/models/synthetic';
import { TRUE_SIZES, trueSizeById } from '../../../../src/lib/models/true_sizes';
import { contextTokens, decoderGraph, denoiserGraph, encoderGraphs } from '../../../../src/lib/pipeline/fit_stages';
import { diskKernels } from '../../../kernels/node_kernels';
import { defineGpuConstants, NullGpu } from './null_gpu';

defineGpuConstants();
const MIB = 2 ** 20;
const sources = diskKernels();

const open: WebgpuBackend[] = [];
afterEach(async () => {
  for (const backend of open.splice(0)) await backend.dispose();
});

/** A backend that holds memory and reads nothing. */
async function accounting(device = new NullGpu()): Promise<{ device: NullGpu; backend: WebgpuBackend }> {
  const backend = await WebgpuBackend.create({ gpu: device.gpu, sources, pack: () => Promise.resolve() });
  open.push(backend);
  return { device, backend };
}

function upload(backend: WebgpuBackend, { graph }: BuiltGraph): Record<string, DeviceTensor> {
  const inputs: Record<string, DeviceTensor> = {};
  for (const [name, id] of graph.inputs) {
    const { shape, elementType } = valueOf(graph, id);
    const count = shape.reduce((a, b) => a * b, 1);
    const data = elementType === 'i32' ? new Int32Array(count) : new Float32Array(count);
    inputs[name] = backend.upload({ shape, data });
  }
  return inputs;
}

/** Most bytes that the device held while the graph was compiled and run once, beside what the backend holds itself. */
async function heldBytes(built: BuiltGraph, weightsBudgetBytes?: number) {
  const { device, backend } = await accounting();
  const own = device.liveBytes;
  const options = weightsBudgetBytes === undefined ? {} : { weightsBudgetBytes };
  const program = await backend.compile(built.graph, built.weights, options);
  const inputs = upload(backend, built);
  device.peakBytes = 0;
  const outputs = await program.run(inputs);
  const held = device.peakBytes - own;
  for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.dispose();
  const planned = backend.plan(built.graph, built.weights, options);
  expect(planned.missingWeightsBytes).toBeLessThan(planned.weightsBytes);
  await program.dispose();
  backend.memory();
  expect(device.liveBytes).toBe(own);
  return { held, plan: program.plan, planned };
}

describe('plan and memory at true size', () => {
  it.each(TRUE_SIZES.map(({ id }) => id))('%s', async (id) => {
    const size = trueSizeById(id);
    if (!size) throw new Error(id);
    const model = syntheticModel(size, 'Q4_0');
    const spec = { widthPx: 512, heightPx: 512, batch: 1, promptTokens: 128 };
    const built: [string, BuiltGraph][] = [
      ...encoderGraphs(model, 128).map((one): [string, BuiltGraph] => [one.id, one.build()]),
      ['denoiser', denoiserGraph(model, spec, 1)],
      ['decoder', decoderGraph(model, spec)],
    ];
    for (const [name, graph] of built) {
      const { held, plan } = await heldBytes(graph);
      expect(held, `${id} ${name}`).toBe(plan.peakBytes);
      if (name !== 'denoiser') continue;
      for (const share of [0.6, 0]) {
        const streamed = await heldBytes(graph, share * plan.weightsBytes);
        expect(streamed.held, `${id} ${name} streamed`).toBe(streamed.plan.peakBytes);
        expect(streamed.plan.arenaBytes).toBe(plan.arenaBytes);
        expect(streamed.plan.weightsBytes).toBeLessThanOrEqual(Math.max(share, 0.35) * plan.weightsBytes);
        expect(streamed.plan.streamedBytes).toBeGreaterThan(0);
      }
    }
  });

  it('says before as after compiling', async () => {
    const size = trueSizeById('sd15');
    if (!size) throw new Error('sd15');
    const model = syntheticModel(size, 'Q8_0');
    const built = denoiserGraph(model, { widthPx: 512, heightPx: 512, batch: 1, promptTokens: 77 }, 2);
    const { backend } = await accounting();
    const { maxBindingBytes, maxBufferBytes } = backend.engine.gpu.limits;
    for (const budget of [undefined, 700 * MIB]) {
      const options = budget === undefined ? {} : { weightsBudgetBytes: budget };
      const before = backend.plan(built.graph, built.weights, options);
      const program = await backend.compile(built.graph, built.weights, options);
      expect(before).toEqual({ ...program.plan, missingWeightsBytes: before.weightsBytes });
      // Without a device its speed is unknown, on which the number of dispatches (256 bytes each) depends.
      const guess = planWebgpu(built.graph, built.weights, { maxBindingBytes, maxBufferBytes }, undefined, options);
      expect(guess.arenaBytes).toBe(program.plan.arenaBytes);
      expect(guess.weightsBytes / program.plan.weightsBytes).toBeCloseTo(1, 3);
      if (budget !== undefined) expect(program.plan.weightsBytes).toBeLessThanOrEqual(budget);
      await program.dispose();
    }
    expect(contextTokens(model, 77)).toBe(77);
  });
});

it('pictures give their memory back whichever allocation fails, and say so', async () => {
  const { device, backend } = await accounting();
  const image = { widthPx: 8, heightPx: 4, rgba: new Uint8ClampedArray(128).fill(255) };
  const pass = async () => {
    const tensor = await backend.pictures.upload(image);
    try {
      return await backend.pictures.download(tensor);
    } finally {
      tensor.dispose();
    }
  };
  await pass();
  const own = device.liveBytes;
  device.allocations = 0;
  await pass();
  const total = device.allocations;
  // The tensor, the bytes up, the bytes down, the factors, what is mapped.
  expect(total).toBe(5);
  for (let failAt = 1; failAt <= total; failAt++) {
    device.allocations = 0;
    device.failAt = failAt;
    await expect(pass(), `allocation ${failAt}`).rejects.toMatchObject({ code: 'backend/out-of-memory' });
    device.failAt = Infinity;
    expect(device.liveBytes, `allocation ${failAt}`).toBe(own);
    expect((await pass()).rgba).toHaveLength(128);
  }
});
