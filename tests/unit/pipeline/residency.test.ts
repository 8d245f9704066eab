/** Programs under a memory limit, and what follows a failed allocation, on a device that only counts. */
import { afterEach, describe, expect, it } from 'vitest';
import { WebgpuBackend } from '../../../src/lib/backends/webgpu/backend';
import type { DeviceTensor } from '../../../src/lib/backends/backend';
import { GraphBuilder } from '../../../src/lib/graph/builder';
import { memoryWeight } from '../../../src/lib/graph/memory_weight';
import { weightResolver, type WeightMap } from '../../../src/lib/graph/weights';
import { Residency } from '../../../src/lib/pipeline/residency';
import { diskKernels } from '../../kernels/node_kernels';
import { defineGpuConstants, NullGpu } from '../backends/webgpu/null_gpu';

defineGpuConstants();
const sources = diskKernels();
const MIB = 2 ** 20;

/** A stack of layers of 1 MiB each. */
function network(name: string, layers: number) {
  const weights: WeightMap = new Map(
    Array.from({ length: layers }, (_, i) => {
      const weight = `${name}${i}.weight`;
      return [weight, memoryWeight(weight, [512, 512], new Float32Array(512 * 512))] as const;
    }),
  );
  const g = GraphBuilder.create(name, weightResolver(weights));
  let x = g.input('x', [4, 512]);
  for (let i = 0; i < layers; i++) x = g.linear(x, `${name}${i}`, { out: 512, bias: false });
  g.output('y', x);
  return { graph: g.finish(), weights };
}

const open: WebgpuBackend[] = [];
afterEach(async () => {
  for (const backend of open.splice(0)) await backend.dispose();
});

async function opened(limitBytes?: number) {
  const device = new NullGpu();
  const backend = await WebgpuBackend.create({ gpu: device.gpu, sources, pack: () => Promise.resolve() });
  open.push(backend);
  const residency = new Residency(backend, limitBytes);
  const measures: string[] = [];
  residency.onMeasure = (text) => measures.push(text);
  const owner = {};
  const run = (component: string, layers: number, { whole = false } = {}) =>
    residency.withRoom(owner, component, async () => {
      const key = String(layers);
      const built = network(component, layers);
      const program =
        residency.find(owner, component, key) ??
        (await residency.admit({ owner, component, key, built, options: {}, whole }));
      const tensors: DeviceTensor[] = [];
      try {
        const x = backend.upload({ shape: [4, 512], data: new Float32Array(2048) });
        tensors.push(x);
        tensors.push(...Object.values(await program.run({ x })));
        return program;
      } finally {
        for (const tensor of tensors) tensor.dispose();
      }
    });
  return { device, backend, residency, measures, run, owner };
}

it('reads no weight again for another size, and keeps one program', async () => {
  const device = new NullGpu();
  const backend = await WebgpuBackend.create({ gpu: device.gpu, sources });
  open.push(backend);
  const residency = new Residency(backend);
  const [owner, built] = [{}, network('a', 4)];
  const admit = (key: string) => residency.admit({ owner, component: 'a', key, built, options: {} });
  await admit('first');
  expect(device.writtenBytes).toBeGreaterThan(4 * MIB);
  const [before, held] = [device.writtenBytes, backend.memory().weightsBytes];
  await admit('second');
  expect(device.writtenBytes - before).toBeLessThan(MIB / 8);
  expect(residency.programs).toHaveLength(1);
  expect(backend.memory().weightsBytes).toBe(held);
  // Where both find no room together, the first goes before the second is made.
  device.failAt = device.allocations + 1;
  await admit('third');
  expect(residency.programs).toHaveLength(1);
  expect(backend.memory().weightsBytes).toBe(held);
});

describe('a memory limit', () => {
  it('frees the least recently used first, and never more than needed', async () => {
    const { residency, run, owner, backend, measures } = await opened(7.5 * MIB);
    await run('a', 2);
    await run('b', 2);
    await run('a', 2);
    await run('c', 3);
    expect(residency.componentsOf(owner)).toEqual(['b', 'a', 'c']);
    await run('d', 2);
    expect(residency.componentsOf(owner)).toEqual(['a', 'c', 'd']);
    expect(backend.memory().weightsBytes).toBeLessThanOrEqual(7.5 * MIB);
    expect(measures.some((text) => text.includes('released to make room'))).toBe(true);
  });

  it('streams what does not fit alone, holding the limit', async () => {
    const { run, device, measures } = await opened(6 * MIB);
    const program = await run('big', 20);
    expect(program.plan.streamedBytes).toBeGreaterThan(10 * MIB);
    expect(device.peakBytes).toBeLessThanOrEqual(6.2 * MIB);
    expect(measures.join()).toMatch(/pass through the device/);
  });

  it('refuses with the numbers where neither helps, and the next program works', async () => {
    const { run, backend } = await opened(1.5 * MIB);
    await expect(run('big', 20, { whole: true })).rejects.toMatchObject({ code: 'backend/out-of-memory' });
    await expect(run('big', 20)).rejects.toMatchObject({
      code: 'backend/out-of-memory',
      message: /needs \d+ MiB, 2 MiB/,
    });
    expect(backend.memory().weightsBytes).toBe(0);
    await run('small', 1);
  });
});

describe('a device that runs out of memory', () => {
  it('frees what is idle, then streams, within what is really there', async () => {
    const { run, device, residency, owner, measures } = await opened();
    await run('idle', 4);
    device.capacityBytes = device.liveBytes + 8 * MIB;
    const program = await run('big', 20);
    expect(program.plan.streamedBytes).toBeGreaterThan(0);
    expect(residency.componentsOf(owner)).toEqual(['big']);
    expect(device.peakBytes).toBeLessThanOrEqual(device.capacityBytes);
    expect(measures.join()).toMatch(/everything else was released.*planned anew/);
  });

  it('at any single allocation: the job ends well or with a code, memory is weights only, the next works', async () => {
    const { run, device, backend, residency, owner } = await opened();
    const base = device.liveBytes;
    const job = async () => {
      await run('encoder', 2);
      await run('denoiser', 4);
    };
    device.allocations = 0;
    await job();
    const total = device.allocations;
    expect(total).toBeGreaterThan(8);
    for (let failAt = 1; failAt <= total; failAt++) {
      await residency.release(owner);
      residency.forgetLimit();
      expect(device.liveBytes - base).toBeLessThan(MIB / 4);
      device.allocations = 0;
      device.failAt = failAt;
      const outcome = await job().then(
        () => 'done',
        (error: { code?: string }) => error.code,
      );
      expect(['done', 'backend/out-of-memory'], `allocation ${failAt}`).toContain(outcome);
      device.failAt = Infinity;
      const { arenaBytes, tensorBytes } = backend.memory();
      expect({ arenaBytes, tensorBytes }, `allocation ${failAt}`).toEqual({ arenaBytes: 0, tensorBytes: 0 });
      await job();
    }
  });
});
