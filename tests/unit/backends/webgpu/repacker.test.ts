/** Memory that the repacker itself needs may run out like any other: the load fails by name, the next one works. */
import { expect, it } from 'vitest';
import { WebgpuBackend } from '../../../../src/lib/backends/webgpu/backend';
import { plainTuning } from '../../../../src/lib/backends/webgpu/tuning';
import { GraphBuilder } from '../../../../src/lib/graph/builder';
import { weightResolver } from '../../../../src/lib/graph/weights';
import { randomWeight } from '../../../../src/lib/backends/op_cases/packed';
import { createRandom } from '../../../../src/lib/backends/op_cases/random';
import { diskKernels } from '../../../kernels/node_kernels';
import { defineGpuConstants, NullGpu } from './null_gpu';

defineGpuConstants();
const sources = diskKernels();
const random = createRandom(3);
/** Two block layouts and rows that are filled up: each needs buffers of the repacker's own. */
const weights = new Map(
  (
    [
      ['a.weight', [8, 64], 'Q4_0'],
      ['b.weight', [8, 64], 'Q8_0'],
      ['c.weight', [8, 7], 'F16'],
    ] as const
  ).map(([name, shape, type]) => [name, randomWeight(name, shape, type, 0.1, random)] as const),
);

function network() {
  const g = GraphBuilder.create('repacked', weightResolver(weights));
  const x = g.input('x', [2, 64]);
  const sum = g.add(g.linear(x, 'a', { out: 8, bias: false }), g.linear(x, 'b', { out: 8, bias: false }));
  g.output('y', g.add(sum, g.linear(g.input('z', [2, 7]), 'c', { out: 8, bias: false })));
  return g.finish();
}

async function opened() {
  const device = new NullGpu();
  const tuning = { ...plainTuning, deviceRepack: true };
  const backend = await WebgpuBackend.create({ gpu: device.gpu, sources, tuning });
  const { pool } = backend.engine;
  const allocateNow = pool.allocateNow.bind(pool);
  const kept: string[] = [];
  pool.allocateNow = async (label, ...rest) => {
    const made = await allocateNow(label, ...rest);
    kept.push(label);
    return made;
  };
  return { device, backend, kept, own: device.allocations };
}

it('each allocation of a first load, those of the repacker among them', async () => {
  const whole = await opened();
  await (await whole.backend.compile(network(), weights)).dispose();
  const total = whole.device.allocations - whole.own;
  expect(whole.kept).toEqual(['raw weights', 'repack recipe', 'repack recipe']);
  await whole.backend.dispose();

  for (let i = 1; i <= total; i++) {
    const { device, backend, kept, own } = await opened();
    device.failAt = own + i;
    await expect(backend.compile(network(), weights), `allocation ${i}`).rejects.toMatchObject({
      code: 'backend/out-of-memory',
    });
    expect(backend.memory(), `allocation ${i}`).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
    device.failAt = Infinity;
    await (await backend.compile(network(), weights)).dispose();
    // What had failed was made again, what had not was kept.
    expect(kept.toSorted(), `allocation ${i}`).toEqual(whole.kept.toSorted());
    await backend.dispose();
    expect(device.liveBytes, `allocation ${i}`).toBe(0);
  }
});

it('a backend whose first buffers find no room is refused', async () => {
  const device = new NullGpu();
  device.failAt = 1;
  await expect(WebgpuBackend.create({ gpu: device.gpu, sources })).rejects.toMatchObject({
    code: 'backend/out-of-memory',
  });
});
