/** Weights that pass through the device give the same bits as weights that stay, and leave nothing behind. */
import { afterEach, describe, expect, it } from 'vitest';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { GraphBuilder } from '../../src/lib/graph/builder';
import { memoryWeight } from '../../src/lib/graph/memory_weight';
import { weightResolver, type WeightMap } from '../../src/lib/graph/weights';
import { createTestBackend } from './test_backend';

const WIDTH = 192;
const LAYERS = 6;
const weights: WeightMap = new Map(
  Array.from({ length: LAYERS }, (_, layer) => {
    const name = `l${layer}.weight`;
    const data = Float32Array.from({ length: WIDTH * WIDTH }, (_, i) => Math.sin(i * (layer + 1)) / 16);
    return [name, memoryWeight(name, [WIDTH, WIDTH], data)] as const;
  }),
);

function network() {
  const g = GraphBuilder.create('streamed', weightResolver(weights));
  let x = g.input('x', [5, WIDTH]);
  for (let i = 0; i < LAYERS; i++) x = g.activation(g.linear(x, `l${i}`, { out: WIDTH, bias: false }), 'silu');
  // The first layer's weight again, far from its first use.
  g.output('y', g.linear(x, 'l0', { out: WIDTH, bias: false }));
  return g.finish();
}

const open: WebgpuBackend[] = [];
afterEach(async () => {
  for (const backend of open.splice(0)) await backend.dispose();
});

describe('streamed weights', () => {
  it('give the bits of resident ones, at every budget, run after run', async () => {
    const backend = await createTestBackend();
    open.push(backend);
    const graph = network();
    const x = backend.upload({
      shape: [5, WIDTH],
      data: Float32Array.from({ length: 5 * WIDTH }, (_, i) => Math.cos(i)),
    });
    const resident = await backend.compile(graph, weights);
    const read = async (program: typeof resident) => {
      const { y } = await program.run({ x });
      const { data } = await backend.download(y!);
      y!.dispose();
      return data;
    };
    const wanted = await read(resident);
    const all = resident.plan.weightsBytes;
    await resident.dispose();
    for (const share of [0, 0.4, 0.7]) {
      const program = await backend.compile(graph, weights, { weightsBudgetBytes: share * all });
      expect(program.plan.weightsBytes).toBeLessThan(all);
      expect(program.plan.arenaBytes).toBe(resident.plan.arenaBytes);
      expect(await read(program)).toEqual(wanted);
      // Two runs at once take turns in the slots.
      expect(await Promise.all([read(program), read(program)])).toEqual([wanted, wanted]);
      await program.dispose();
    }
    x.dispose();
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });

  it('report what was read and how much of it was waited for; a cancelled run leaves the slots usable', async () => {
    const backend = await createTestBackend();
    open.push(backend);
    const program = await backend.compile(network(), weights, { weightsBudgetBytes: 0 });
    const x = backend.upload({ shape: [5, WIDTH], data: new Float32Array(5 * WIDTH).fill(1) });
    const streamed: (number | undefined)[] = [];
    backend.observe({ wantsTimings: () => false, onRun: (report) => streamed.push(report.streamed?.bytes) });
    await expect(program.run({ x }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'job/cancelled' });
    const { y } = await program.run({ x });
    expect((await backend.download(y!)).data.every(Number.isFinite)).toBe(true);
    expect(streamed).toEqual([program.plan.streamedBytes]);
    expect(program.plan.streamedBytes).toBeGreaterThan(4 * WIDTH * WIDTH * LAYERS);
    y!.dispose();
    x.dispose();
    await program.dispose();
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });
});
