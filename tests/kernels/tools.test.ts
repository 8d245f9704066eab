/** Probe, profile and tuning. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Autotuner, type KeyValueStore } from '../../src/lib/backends/webgpu/autotune';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { supportTable } from '../../src/lib/backends/webgpu/support';
import { DEFAULT_TILE, defaultTuning, plainTuning, scratchFor } from '../../src/lib/backends/webgpu/tuning';
import { attentionCandidates, candidates, tileMemoryBytes } from '../../src/lib/backends/webgpu/tuning_candidates';
import { KERNEL_VARIANTS, kernelStatus, type KernelVariantId } from '../../src/lib/backends/webgpu/variants';
import { GraphBuilder } from '../../src/lib/graph/builder';
import { memoryWeight } from '../../src/lib/graph/memory_weight';
import { weightResolver } from '../../src/lib/graph/weights';
import { createTestBackend } from './test_backend';

let backend: WebgpuBackend;
beforeAll(async () => {
  backend = await createTestBackend();
});
afterAll(() => backend.dispose());

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
  const every = new Set(KERNEL_VARIANTS.map(({ id }) => id));

  it('offers only what the limits allow', () => {
    const small = { workgroupMemoryBytes: 16_384, workgroupThreads: 128 };
    const offered = candidates({ m: 64, n: 64, k: 64 }, { kernel: 'plain' }, every, small);
    expect(offered.length).toBeGreaterThan(4);
    for (const { choice } of offered) {
      if (choice.kernel !== 'tiled' && choice.kernel !== 'half') continue;
      expect(tileMemoryBytes(choice.tile, choice.kernel)).toBeLessThanOrEqual(16_384);
      expect((choice.tile.bm / 8) * (choice.tile.bn / 8)).toBeLessThanOrEqual(128);
    }
  });

  it('offers nothing that failed the self-test', () => {
    const large = { workgroupMemoryBytes: 32_768, workgroupThreads: 256 };
    const offered = candidates({ m: 8, n: 64, k: 64 }, { kernel: 'plain' }, new Set(['gemm-skinny']), large);
    expect(offered.map(({ choice }) => choice.kernel)).toEqual(['plain', 'skinny']);
  });

  it('measures the products of a graph before it compiles it, keeps the verdict, ignores a damaged store', async () => {
    const kept = new Map<string, unknown>();
    let reads = 0;
    const store: KeyValueStore = {
      get: (key) => (reads++, Promise.resolve(kept.get(key))),
      set: (key, value) => Promise.resolve(void kept.set(key, value)),
    };
    const own = await createTestBackend();
    const graph = () => {
      const weights = new Map([['w.weight', memoryWeight('w.weight', [8, 8], new Float32Array(64).fill(1))]]);
      const g = GraphBuilder.create('tuned', weightResolver(weights));
      g.output('y', g.linear(g.input('x', [32, 8]), 'w', { out: 8, bias: false }));
      return { graph: g.finish(), weights };
    };
    // No variant passed, so that the test compiles little: the standard choice is the only candidate.
    own.setTuner(new Autotuner(own, plainTuning, new Set(), { store, runs: 1, budgetMs: Infinity }));
    const first = graph();
    await (await own.compile(first.graph, first.weights)).dispose();
    const [[key, value] = []] = [...kept];
    expect(value).toEqual({ '32x8x8 f32': { kernel: 'plain' } });
    expect(key).toContain('webgpu tuning');
    kept.set(key ?? '', { '32x8x8 f32': { kernel: 'skinny' }, broken: { kernel: 'tiled', tile: { bm: 'x' } } });
    kept.set(key ?? '', { ...(kept.get(key ?? '') as object), '4x8x8 f32': { kernel: 'half', tile: DEFAULT_TILE } });
    const again = new Autotuner(own, plainTuning, new Set(['gemm-skinny']), { store });
    await again.tune([{ op: 'product', shape: { m: 32, n: 8, k: 8 } }]);
    expect(again.tuning.gemm({ m: 30, n: 8, k: 8 })).toEqual({ kernel: 'skinny' });
    expect(again.tuning.gemm({ m: 30, n: 16, k: 8 })).toEqual({ kernel: 'plain' });
    // Measured once, but it has failed the self-test since.
    expect(again.tuning.gemm({ m: 4, n: 8, k: 8 })).toEqual({ kernel: 'plain' });
    // Verdicts of a tuning that rounds are kept apart: what was fastest with rounding is not exact.
    const rounding = new Autotuner(own, plainTuning, new Set(['gemm-skinny']), { store, roundActivations: true });
    await rounding.tune([]);
    expect(rounding.tuning.gemm({ m: 30, n: 8, k: 8 })).toEqual({ kernel: 'plain' });
    expect(reads).toBe(3);
    expect(own.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
    await own.dispose();
  });

  it('measures convolutions as convolutions and attention at its heads', async () => {
    const kept = new Map<string, unknown>();
    const store: KeyValueStore = {
      get: () => Promise.resolve(undefined),
      set: (key, value) => Promise.resolve(void kept.set(key, value)),
    };
    const own = await createTestBackend();
    const weights = new Map([['c.weight', memoryWeight('c.weight', [6, 4, 3, 3], new Float32Array(216).fill(1))]]);
    const g = GraphBuilder.create('tuned', weightResolver(weights));
    const image = g.input('x', [1, 4, 6, 6], { layout: 'image' });
    g.output('y', g.conv2d(image, 'c', { out: 6, kernel: 3, stride: 2, pad: 1, bias: false }));
    const tokens = g.input('q', [1, 9, 16]);
    g.output('z', g.attention(tokens, tokens, tokens, { heads: 2 }));
    own.setTuner(new Autotuner(own, plainTuning, new Set(), { store, runs: 1, budgetMs: Infinity }));
    await (await own.compile(g.finish(), weights)).dispose();
    expect([...kept.values()]).toEqual([
      { '8x6x36 f32 conv 3x3/2': { kernel: 'plain' }, 'attention 8x8 2x8': { kernel: 'plain' } },
    ]);
    expect(own.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
    await own.dispose();
  });

  it('offers attention in half precision and by subgroups where they passed', () => {
    const offered = (...enabled: KernelVariantId[]) =>
      attentionCandidates({ kernel: 'flash' }, new Set(enabled)).map(({ choice }) => choice);
    expect(offered('attention-flash')).toEqual([{ kernel: 'flash' }, { kernel: 'plain' }]);
    expect(offered('attention-flash', 'attention-half', 'attention-subgroups')).toEqual([
      { kernel: 'flash' },
      { kernel: 'plain' },
      { kernel: 'flash', subgroups: true },
      { kernel: 'flash', half: true },
    ]);
  });

  it('measures nothing without timestamps', async () => {
    const own = await createTestBackend({ withoutFeatures: ['timestamp-query'] });
    const tuner = new Autotuner(own, plainTuning, every);
    await tuner.tune([{ op: 'product', shape: { m: 32, n: 8, k: 8 } }]);
    expect(own.info['tuning']).toBe('0 shapes measured');
    await own.dispose();
  });

  it('decodes beforehand where many rows would decode again', () => {
    const choose = (m: number, fragment: string) => scratchFor({ m, n: 1280, k: 1280, fragment }, 'f16');
    expect(choose(77, 'q4_k')).toBeUndefined();
    expect(choose(4096, 'q4_k')).toBe('f16');
    expect(choose(4096, 'f16')).toBeUndefined();
    expect(choose(1024, 'q8_0')).toBeUndefined();
    // A convolution whose blocks run across taps reads its left side number by number: worth decoding much earlier.
    expect(scratchFor({ m: 1024, n: 320, k: 2880, fragment: 'q8_0', channelMajor: true }, 'f32')).toBe('f32');
  });
});

describe('8-bit products', () => {
  const facts = { has: () => false, hasLanguage: () => true, smallestSubgroup: 0 };
  const rowOf = (roundActivations: boolean, verdict: string) =>
    kernelStatus(facts, new Map([['gemm-integer', verdict]]), { roundActivations }).find(
      ({ choice }) => choice === 'roundActivations',
    );
  const shape = { m: 64, n: 64, k: 64, fragment: 'q8_0' };
  const chosen = (roundActivations: boolean) =>
    defaultTuning({ enabled: new Set(KERNEL_VARIANTS.map(({ id }) => id)), fullGroups: 64, roundActivations }).gemm(
      shape,
    ).kernel;

  it('wait for the user, and are never used once they failed', () => {
    expect(rowOf(false, 'ok')).toMatchObject({ variant: 'gemm-integer', state: 'ready' });
    expect(rowOf(true, 'ok')).toMatchObject({ state: 'used' });
    expect(rowOf(true, 'wrong results')).toMatchObject({ state: 'off' });
    expect(chosen(true)).toBe('integer');
    expect(chosen(false)).not.toBe('integer');
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
    // Every type that GGUF files hold loads; those without a fragment are decoded on the host.
    const gguf = supportTable().filter(({ type }) => /^(I?Q\d|TQ|MXFP4|NVFP4)/.test(type));
    expect(gguf.length).toBeGreaterThan(20);
    expect(gguf.filter(({ paths }) => paths.linear === 'refused')).toEqual([]);
  });
});
