/** Published models at their true size on devices with small limits: every binding, buffer and grid stays within them. */
import { describe, expect, it } from 'vitest';
import { arenaLowerBound, planArena } from '../../../../src/lib/backends/webgpu/arena';
import { gridOf } from '../../../../src/lib/backends/webgpu/executor';
import { composeKernel } from '../../../../src/lib/backends/webgpu/kernel_sources';
import type { ProgramPlan } from '../../../../src/lib/backends/webgpu/plan_types';
import { recordProgram } from '../../../../src/lib/backends/webgpu/recorder';
import { defaultTuning, plainTuning, type Tuning } from '../../../../src/lib/backends/webgpu/tuning';
import { KERNEL_VARIANTS } from '../../../../src/lib/backends/webgpu/variants';
import { GraphBuilder } from '../../../../src/lib/graph/builder';
import { memoryWeight } from '../../../../src/lib/graph/memory_weight';
import { optimize } from '../../../../src/lib/graph/passes/optimize';
import type { BuiltGraph } from '../../../../src/lib/models/part';
import { syntheticModel } from '../../../../src/lib/models/synthetic';
import { TRUE_SIZES, trueSizeById } from '../../../../src/lib/models/true_sizes';
import { denoiserGraph, encoderGraphs } from '../../../../src/lib/pipeline/fit_stages';
import { TILE_SIDES_PX, tiledGraphs, tiledVae } from '../../../../src/lib/pipeline/tiled_vae';
import { diskKernels } from '../../../kernels/node_kernels';

const MIB = 2 ** 20;
/** Largest binding and buffer of phones, of the WebGPU default, and of integrated graphics. */
const TIERS = [
  { name: '128 MiB', maxBindingBytes: 128 * MIB, maxBufferBytes: 256 * MIB },
  { name: '256 MiB', maxBindingBytes: 256 * MIB, maxBufferBytes: 256 * MIB },
  { name: '1 GiB', maxBindingBytes: 1024 * MIB, maxBufferBytes: 1024 * MIB },
] as const;
type Tier = (typeof TIERS)[number];

const fast = defaultTuning({
  enabled: new Set(KERNEL_VARIANTS.map(({ id }) => id)),
  fullGroups: 64,
  halfFloats: true,
});
const GROUPS_PER_AXIS = 65_535;
const STORAGE_BUFFERS = 8;
const sources = diskKernels();
const storageBuffers = new Map<string, number>();

function storageBuffersOf(files: readonly string[]): number {
  const label = files.join('+');
  const known = storageBuffers.get(label) ?? composeKernel(sources, files).bindings.length;
  storageBuffers.set(label, known);
  return known;
}

function check({ graph, weights }: BuiltGraph, tier: Tier, tuning: Tuning): void {
  const { maxBindingBytes, maxBufferBytes } = tier;
  const plan = recordProgram(optimize(graph), weights, { maxBindingBytes, dispatchFlops: 3e10, tuning });
  const bindings = plan.dispatches.flatMap((dispatch) => Object.values(dispatch.bindings));
  const largest = bindings.reduce((most, operand) => Math.max(most, operand?.bytes ?? 0), 0);
  expect(largest, `${graph.name}: largest binding`).toBeLessThanOrEqual(maxBindingBytes);
  const weightBuffers = plan.weights.flatMap((weight) => weight.plan.parts.map(({ bytes }) => bytes));
  expect(Math.max(0, ...weightBuffers), `${graph.name}: largest weight`).toBeLessThanOrEqual(maxBufferBytes);
  expect(Math.max(0, ...planArena(plan, maxBufferBytes).sizes), graph.name).toBeLessThanOrEqual(maxBufferBytes);
  for (const { workgroups, kernel } of plan.dispatches) {
    expect(Math.max(...gridOf(workgroups, GROUPS_PER_AXIS))).toBeLessThanOrEqual(GROUPS_PER_AXIS);
    expect(storageBuffersOf(kernel), kernel.join('+')).toBeLessThanOrEqual(STORAGE_BUFFERS);
  }
}

describe.each(TIERS)('limits of $name', (tier) => {
  it.each(TRUE_SIZES.map(({ id }) => id))('%s', (id) => {
    const size = trueSizeById(id);
    if (!size) throw new Error(id);
    const model = syntheticModel(size, 'Q4_0');
    const spec = { widthPx: 512, heightPx: 512, batch: 1, promptTokens: 128 };
    // The plain kernels bind what the fast ones bind, without their scratches.
    for (const tuning of tier === TIERS[0] ? [plainTuning, fast] : [fast]) {
      for (const { build } of encoderGraphs(model, 128)) check(build(), tier, tuning);
      check(denoiserGraph(model, spec, 1), tier, tuning);
      // A whole decoder at picture size has tensors beyond the smaller tiers; in tiles it has not.
      const side = { height: 1024 / model.latent.stride, width: 1024 / model.latent.stride, circular: false };
      const fits = TILE_SIDES_PX.some((tilePx) => {
        try {
          for (const built of tiledGraphs(tiledVae(model, 'decoder', side, tilePx))) check(built, tier, tuning);
          return true;
        } catch {
          return false;
        }
      });
      expect(fits, `${id}: a decoder in tiles`).toBe(true);
    }
  });
});

/** Kernels of dispatches that bind what they write a second time, which WebGPU refuses. */
function boundTwice({ dispatches }: ProgramPlan): string[] {
  return dispatches.flatMap(({ bindings, kernel }) => {
    const written = bindings['y']?.buffer;
    const places = Object.values(bindings).filter((operand) => operand && operand.buffer === written);
    return places.length > 1 ? [kernel.join('+')] : [];
  });
}

describe('memory at true size', () => {
  it.each(TRUE_SIZES.map(({ id }) => id))('%s: results in place, the peak within 1.15 of its lower bound', (id) => {
    const size = trueSizeById(id);
    if (!size) throw new Error(id);
    const model = syntheticModel(size, 'Q4_0');
    const spec = { widthPx: size.nativePx, heightPx: size.nativePx, batch: 1, promptTokens: 128 };
    const { graph, weights } = denoiserGraph(model, spec, 1);
    const optimized = optimize(graph);
    for (const tuning of [plainTuning, fast]) {
      const options = { maxBindingBytes: 2 ** 31 - 4, dispatchFlops: 3e10, tuning };
      const plan = recordProgram(optimized, weights, options);
      const { bytes } = planArena(plan, 2 ** 31);
      expect(bytes / arenaLowerBound(plan)).toBeLessThanOrEqual(1.15);
      const apart = recordProgram(optimized, weights, { ...options, apart: true });
      expect(bytes).toBeLessThanOrEqual(planArena(apart, 2 ** 31).bytes);
      expect(plan.dispatches.some(({ params }, i) => params !== apart.dispatches[i]?.params)).toBe(true);
      expect(boundTwice(plan)).toEqual([]);
    }
  });

  it('keeps the U-Net of SD1.5 in Q4_0, convolutions included, below 0.5 GB', () => {
    const size = trueSizeById('sd15');
    if (!size) throw new Error('sd15');
    const { graph, weights } = denoiserGraph(
      syntheticModel(size, 'Q4_0', { convolutions: true }),
      { widthPx: 512, heightPx: 512, batch: 1, promptTokens: 77 },
      2,
    );
    const plan = recordProgram(optimize(graph), weights, {
      maxBindingBytes: 2 ** 31 - 4,
      dispatchFlops: 3e10,
      tuning: plainTuning,
    });
    expect(plan.weights.reduce((sum, weight) => sum + weight.plan.bytes, 0)).toBeLessThanOrEqual(0.5e9);
  });

  it.each([
    ['plain', plainTuning],
    ['fast', fast],
  ])('needs no more per token where attention sees more of them: %s', (_name, tuning) => {
    const bytesPerToken = [1024, 4096, 16384].map((tokens) => {
      const g = GraphBuilder.create('attention', () => ({ type: 'F16', shape: [64, 64] }));
      const x = g.input('x', [1, tokens, 64]);
      const [q, k, v] = ['q', 'k', 'v'].map((name) => g.linear(x, name, { out: 64, bias: false }));
      if (!q || !k || !v) throw new Error('attention');
      g.output('y', g.linear(g.attention(q, k, v, { heads: 2 }), 'out', { out: 64, bias: false }));
      const names = ['q', 'k', 'v', 'out'].map((name) => `${name}.weight`);
      const weights = new Map(names.map((name) => [name, memoryWeight(name, [64, 64], new Float32Array(64 * 64))]));
      const options = { maxBindingBytes: 2 ** 31 - 4, dispatchFlops: 3e10, tuning };
      const plan = recordProgram(optimize(g.finish()), weights, options);
      expect(plan.dispatches.flatMap(({ kernel }) => kernel).join(' ')).toContain('attention');
      return planArena(plan, 2 ** 31).bytes / tokens;
    });
    expect(bytesPerToken[0]).toBeGreaterThan(0);
    expect(bytesPerToken[2]).toBe(bytesPerToken[0]);
    expect(bytesPerToken[1]).toBe(bytesPerToken[0]);
  });
});

it('every kernel numbers its groups over two axes', () => {
  const entries = [...sources].filter(([, text]) => text.includes('fn main('));
  expect(entries.length).toBeGreaterThan(20);
  for (const [name, text] of entries) expect(text, name).toContain('groupIndex(workgroup, groups)');
});
