/**
 * Every golden model on a device that computes nothing and counts every byte: what was planned is what is held, when a
 * program is made and while it runs, and nothing is left afterwards.
 */
import { describe, expect, it } from 'vitest';
import { WebgpuBackend } from '../../../src/lib/backends/webgpu/backend';
import type { DeviceTensor } from '../../../src/lib/backends/backend';
import { bufferBytes } from '../../../src/lib/backends/webgpu/buffer_pool';
import { diskKernels } from '../../kernels/node_kernels';
import { defineGpuConstants, NullGpu } from '../../unit/backends/webgpu/null_gpu';
import { goldenGroup } from '../golden_dir';
import { CaseRun } from './adapter';
import { inputsOf } from './golden_case';
import { nodeStore } from './node_store';
import { OUT_OF_SCOPE } from './out_of_scope';
import { jobsOf } from './suite';

defineGpuConstants();
const sources = diskKernels();
const root = goldenGroup('models');
const store = nodeStore(root ?? '');
const names = root ? await store.familyNames() : [];

const bytesOf = (tensors: Iterable<DeviceTensor>) =>
  [...new Set(tensors)].reduce((sum, { shape }) => sum + bufferBytes(4 * shape.reduce((a, b) => a * b, 1)), 0);

/** A backend that checks its own plans; `checked` counts runs. */
async function checkedBackend() {
  const device = new NullGpu();
  const backend = await WebgpuBackend.create({ gpu: device.gpu, sources, pack: () => Promise.resolve() });
  const seen = { checked: 0 };
  const compile = backend.compile.bind(backend);
  backend.compile = async (graph, weights, options) => {
    const { missingWeightsBytes } = backend.plan(graph, weights, options);
    const before = device.liveBytes;
    const program = await compile(graph, weights, options);
    expect(device.liveBytes - before, `${graph.name}: weights`).toBe(missingWeightsBytes);
    const run = program.run.bind(program);
    program.run = async (inputs, runOptions) => {
      // Frees arenas that earlier runs left for later ones.
      backend.memory();
      device.peakBytes = device.liveBytes;
      const idle = device.liveBytes;
      const outputs = await run(inputs, runOptions);
      const held = device.peakBytes - idle + bytesOf(Object.values(inputs));
      expect(held, `${graph.name}: arena`).toBe(program.plan.arenaBytes);
      seen.checked++;
      return outputs;
    };
    return program;
  };
  return { device, backend, seen };
}

describe('planned and held bytes of golden models', () => {
  if (names.length === 0) it.skip('skipped: the golden folder has no models group', () => undefined);

  it.each(names.filter((name) => OUT_OF_SCOPE[name] === undefined))('%s', async (name) => {
    const { jobs } = await jobsOf(store, name);
    const { device, backend, seen } = await checkedBackend();
    const own = device.liveBytes;
    const planned = new Set<string>();
    for (const job of jobs) {
      // Other spellings of the same files make the same programs.
      if (planned.has(job.goldenCase.name)) continue;
      planned.add(job.goldenCase.name);
      const inputs = inputsOf(job.family, job.goldenCase);
      // Whole sampling runs repeat programs of single calls.
      if (Object.keys(job.goldenCase.inputs).some((key) => key.startsWith('sigmas'))) continue;
      await job.adapter.run(new CaseRun({ ...job, backend, inputs }));
    }
    expect(seen.checked).toBeGreaterThan(0);
    backend.memory();
    expect(device.liveBytes).toBe(own);
    await backend.dispose();
  });
});
