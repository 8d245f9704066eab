/** Probe, profile and tuning. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { autotune, candidates, tileMemoryBytes, type KeyValueStore } from '../../src/lib/backends/webgpu/autotune';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { countNonFinite } from '../../src/lib/backends/webgpu/probe';
import { supportMarkdown, supportTable } from '../../src/lib/backends/webgpu/support';
import { plainTuning } from '../../src/lib/backends/webgpu/tuning';
import { GraphBuilder } from '../../src/lib/graph/builder';
import { createTestBackend } from './test_backend';

let backend: WebgpuBackend;
beforeAll(async () => {
  backend = await createTestBackend();
});
afterAll(() => backend.dispose());

describe('probe', () => {
  it('counts infinities and NaNs, and nothing else', async () => {
    const data = new Float32Array(1000).fill(3e38);
    const clean = backend.upload({ shape: [1000], data });
    data[0] = NaN;
    data[500] = Infinity;
    data[999] = -Infinity;
    const broken = backend.upload({ shape: [1000], data });
    expect(await countNonFinite(backend, clean)).toBe(0);
    expect(await countNonFinite(backend, broken)).toBe(3);
    clean.dispose();
    broken.dispose();
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });
});

describe('profile', () => {
  it.each([[[] as GPUFeatureName[]], [['timestamp-query'] as GPUFeatureName[]]])(
    'gives a time per node, without %j too',
    async (withoutFeatures) => {
      const own = await createTestBackend({ withoutFeatures });
      const g = GraphBuilder.create('profile', () => undefined);
      const x = g.input('x', [1, 8, 4, 4], { layout: 'image' });
      g.output('y', g.activation(g.upsampleNearest(x, 2), 'silu'));
      const program = await own.compile(g.finish(), new Map());
      const input = own.upload({ shape: [1, 8, 4, 4], data: new Float32Array(128) });
      const timings = await program.profile({ x: input });
      expect(timings.map(({ op }) => op).sort()).toEqual(['border', 'unary', 'upsampleNearest']);
      expect(timings.every(({ ms }) => Number.isFinite(ms) && ms >= 0)).toBe(true);
      input.dispose();
      await program.dispose();
      expect(own.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
      await own.dispose();
    },
  );
});

describe('tuning', () => {
  it('offers only what the limits allow', () => {
    const small = { workgroupMemoryBytes: 16_384, workgroupThreads: 128 };
    for (const choice of candidates({ m: 64, n: 64, k: 64 }, small)) {
      if (choice.kernel !== 'tiled') continue;
      expect(tileMemoryBytes(choice.tile)).toBeLessThanOrEqual(16_384);
      expect((choice.tile.bm / 8) * (choice.tile.bn / 8)).toBeLessThanOrEqual(128);
    }
  });

  it('measures once, keeps the verdict, ignores a damaged store', async () => {
    const kept = new Map<string, unknown>();
    let reads = 0;
    const store: KeyValueStore = {
      get: (key) => (reads++, Promise.resolve(kept.get(key))),
      set: (key, value) => Promise.resolve(void kept.set(key, value)),
    };
    // One thread per group leaves the plain kernel only, so that the test compiles little.
    const narrow = await createTestBackend();
    Object.assign(narrow.engine.gpu.limits, { workgroupThreads: 1 });
    const shape = { m: 32, n: 8, k: 8 };
    const tuning = await autotune(narrow, [shape], plainTuning, { store, runs: 1 });
    expect(tuning.gemm(shape)).toEqual({ kernel: 'plain' });
    expect(kept.size).toBe(1);
    const [key] = [...kept.keys()];
    kept.set(key!, { '32x8x8': { kernel: 'skinny' }, broken: { kernel: 'tiled', tile: { bm: 'x' } } });
    const again = await autotune(narrow, [shape], plainTuning, { store });
    expect(again.gemm(shape)).toEqual({ kernel: 'skinny' });
    expect(reads).toBe(2);
    expect(narrow.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
    await narrow.dispose();
  });
});

describe('support table', () => {
  it('reads every common type in place', () => {
    const direct = new Set(
      supportTable()
        .filter(({ paths }) => paths.linear === 'direct')
        .map(({ type }) => type),
    );
    for (const type of ['F16', 'BF16', 'Q8_0', 'Q4_K', 'Q6_K', 'NF4', 'FP4', 'LLM_INT8', 'F8_E4M3'] as const) {
      expect(direct.has(type), type).toBe(true);
    }
    expect(supportMarkdown()).toContain('| `conv2d` |');
  });
});
