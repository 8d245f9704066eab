/**
 * Whole models through the fast kernels, as a device chooses them that passed the self-test: the committed golden models,
 * and the shipped model's denoiser against the plain kernels. Other golden models run so in `dawn_ring.ts`: compiling
 * their kernels takes a software adapter minutes.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memorySource } from '../../src/lib/base/byte_source';
import { nmse } from '../../src/lib/backends/op_cases/run_op_case';
import type { Backend, HostTensor } from '../../src/lib/backends/backend';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { plainTuning } from '../../src/lib/backends/webgpu/tuning';
import { openTensorIndex } from '../../src/lib/formats/open_tensor_index';
import { detectModel } from '../../src/lib/models/assemble';
import type { BuiltGraph } from '../../src/lib/models/part';
import committed from '../golden/data/models/index.json';
import { GoldenStore } from '../golden/models/golden_case';
import { OUT_OF_SCOPE } from '../golden/models/out_of_scope';
import { jobsOf, runJob } from '../golden/models/suite';
import { fastTuning } from './kernel_tunings';
import { createTestBackend, goldenFile } from './test_backend';
import unetUrl from '../../static/models/tiny-icons.safetensors?url';
import vaeUrl from '../../static/models/tiny-icons-ae.safetensors?url';

let backend: WebgpuBackend;
beforeAll(async () => {
  backend = await createTestBackend();
  backend.setTuning(fastTuning(backend.engine.gpu));
});
afterAll(() => backend.dispose());

const store = new GoldenStore((path) => goldenFile(`models/${path}`));
const here = (await store.json('index.json')) ? await store.familyNames() : [];
const small = Object.keys(committed.families).filter((name) => here.includes(name) && OUT_OF_SCOPE[name] === undefined);

describe('golden models through the fast kernels', () => {
  if (small.length === 0) it.skip('skipped: the golden folder has none of the committed models', () => undefined);

  it.each(small)('%s', async (name) => {
    const { jobs, problems } = await jobsOf(store, name);
    expect(problems).toEqual([]);
    const failed: string[] = [];
    const seen = new Set<string>();
    for (const job of jobs) {
      if (seen.has(job.goldenCase.name)) continue;
      seen.add(job.goldenCase.name);
      const outcome = await runJob(job, backend);
      failed.push(...outcome.problems.map((problem) => `${job.goldenCase.name}: ${problem}`));
    }
    expect(failed).toEqual([]);
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });
});

async function fileOf(url: string) {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  return openTensorIndex(memorySource(url.split('/').at(-1) ?? url, bytes));
}

function ramp(shape: readonly number[], step: number): HostTensor {
  const length = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float32Array.from({ length }, (_, i) => Math.sin(step * (i + 1))) };
}

async function outputOf(on: Backend, { graph, weights }: BuiltGraph, inputs: Readonly<Record<string, HostTensor>>) {
  const program = await on.compile(graph, weights);
  const given = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, on.upload(tensor)]));
  const outputs = Object.values(await program.run(given));
  const found = await on.download(outputs[0]!);
  for (const tensor of [...outputs, ...Object.values(given)]) tensor.dispose();
  await program.dispose();
  return found;
}

describe('the shipped model through the fast kernels', () => {
  it('predicts like the plain kernels', async () => {
    const model = detectModel([await fileOf(unetUrl), await fileOf(vaeUrl)]);
    const unet = model.family.buildDenoiser(model, { batch: 1, height: 8, width: 8, tokens: 77 });
    const width = unet.graph.values[unet.graph.inputs.get('context') ?? -1]?.shape.at(-1) ?? 0;
    const inputs = {
      x: ramp([1, 4, 8, 8], 0.7),
      timestep: { shape: [1], data: Float32Array.of(500) },
      context: ramp([1, 77, width], 0.31),
    };
    backend.setTuning(fastTuning(backend.engine.gpu, 1));
    const found = await outputOf(backend, unet, inputs);
    backend.setTuning(plainTuning);
    const plain = await outputOf(backend, unet, inputs);
    expect(nmse(found.data, plain.data)).toBeLessThan(1e-6);
    expect(plain.data.some((value) => value !== 0)).toBe(true);
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  }, 300_000);
});
