/** Graphs of many nodes: they show wiring errors that single operators cannot. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_UNET, randomCase, resBlock, spatialTransformer, unet } from './graphs';
import { backendOn, nmseToReference, RUNTIMES } from './runtimes';

/** f32 sums in another order, through up to 300 nodes. */
const BOUND = 1e-9;

const CASES = [
  randomCase('upsample and convolution', (g) => ({
    out: g.conv2d(g.upsampleNearest(g.input('x', [1, 8, 5, 7], { layout: 'image' }), 2), 'conv', { out: 6, kernel: 3 }),
  })),
  randomCase('residual and transformer block', (g) => {
    const x = g.input('x', [2, 32, 6, 5], { layout: 'image' });
    const h = resBlock(g.at('res'), x, g.input('emb', [2, 24]), 64);
    return { out: spatialTransformer(g.at('attn'), h, g.input('context', [2, 11, 40]), 16) };
  }),
  randomCase('unet', unet({ ...DEFAULT_UNET, side: 8 })),
];

describe.each(RUNTIMES)('onnx $id', (runtime) => {
  it.each(CASES.map((c) => [c.graph.name, c] as const))('%s agrees with the reference', async (_name, graphCase) => {
    expect(await nmseToReference(backendOn(runtime), graphCase)).toBeLessThan(BOUND);
  });

  it('cuts long queries into slices without changing the result', async () => {
    const sliced = backendOn(runtime, { maxScoreBytes: 5000 });
    expect(await nmseToReference(sliced, CASES[1]!)).toBeLessThan(BOUND);
  });

  it('plans less with slices than without', async () => {
    const peak = async (maxScoreBytes: number) => {
      const program = await backendOn(runtime, { maxScoreBytes }).compile(CASES[1]!.graph, CASES[1]!.weights);
      await program.dispose();
      return program.plan.peakBytes;
    };
    expect(await peak(1000)).toBeLessThan(await peak(1e6));
  });
});
