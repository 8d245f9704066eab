/** Picture sides in multiples of 8, where the levels of a U-Net do not halve evenly. */
import { describe, expect, it } from 'vitest';
import { createReferenceBackend } from '../../../src/lib/backends/reference/backend';
import { GraphBuilder } from '../../../src/lib/graph/builder';
import type { Value } from '../../../src/lib/graph/ir';
import { memoryWeight } from '../../../src/lib/graph/memory_weight';
import { weightResolver } from '../../../src/lib/graph/weights';
import { detectModel } from '../../../src/lib/models/assemble';
import { buildT2iAdapter, findT2iAdapter } from '../../../src/lib/models/t2i_adapter/t2i_adapter';
import { TensorView } from '../../../src/lib/models/tensor_view';
import { upsampleTo } from '../../../src/lib/models/unet/blocks';
import { sd15Checkpoint } from './published';
import { stored } from './synthetic';

/** Enlarges by `upsampleTo` with a convolution that only copies. */
async function enlarged(size: readonly [number, number], wanted: readonly [number, number]): Promise<number[]> {
  const copy = Float32Array.from({ length: 9 }, (_, i) => (i === 4 ? 1 : 0));
  const weights = new Map([
    ['conv.weight', memoryWeight('conv.weight', [1, 1, 3, 3], copy)],
    ['conv.bias', memoryWeight('conv.bias', [1], new Float32Array(1))],
  ]);
  const g = GraphBuilder.create('enlarge', weightResolver(weights));
  const image = (name: string, [h, w]: readonly [number, number]): Value =>
    g.input(name, [1, 1, h, w], { layout: 'image' });
  g.output('y', upsampleTo(g, image('x', size), image('skip', wanted)));
  const backend = createReferenceBackend();
  const program = await backend.compile(g.finish(), weights);
  const ramp = (count: number) => Float32Array.from({ length: count }, (_, i) => i);
  const upload = ([h, w]: readonly [number, number]) => backend.upload({ shape: [1, 1, h, w], data: ramp(h * w) });
  const { y } = await program.run({ x: upload(size), skip: upload(wanted) });
  const { shape, data } = await backend.download(y!);
  expect(shape).toEqual([1, 1, ...wanted]);
  await backend.dispose();
  return [...data];
}

/** Nearest neighbour to a size, as torch's `interpolate(mode="nearest")` reads: source = ⌊i · in / out⌋. */
function nearest([h, w]: readonly [number, number], [oh, ow]: readonly [number, number]): number[] {
  return Array.from({ length: oh * ow }, (_, i) => {
    const [y, x] = [Math.floor(i / ow), i % ow];
    return Math.floor((y * h) / oh) * w + Math.floor((x * w) / ow);
  });
}

/** A T2I-Adapter whose blocks, flatly numbered, have these widths. */
function t2iView(widths: readonly number[]): TensorView {
  const shapes: Record<string, number[]> = { conv_in: [widths[0] ?? 0, 64, 3, 3] };
  for (const [i, width] of widths.entries()) {
    const before = widths[i - 1] ?? width;
    if (before !== width) shapes[`body.${i}.in_conv`] = [width, before, 1, 1];
    shapes[`body.${i}.block1`] = [width, width, 3, 3];
    shapes[`body.${i}.block2`] = [width, width, 1, 1];
  }
  const tensors = Object.entries(shapes).flatMap(([name, shape]) => [
    stored(`${name}.weight`, shape),
    stored(`${name}.bias`, shape.slice(0, 1)),
  ]);
  return TensorView.of(new Map(tensors.map((tensor) => [tensor.name, tensor])));
}

describe('levels that do not halve evenly', () => {
  it.each([
    [
      [4, 5],
      [8, 10],
    ],
    [
      [4, 5],
      [7, 10],
    ],
    [
      [4, 5],
      [8, 9],
    ],
    [
      [9, 1],
      [17, 1],
    ],
  ] as const)('%j enlarges to the skip connection of %j by nearest neighbour', async (size, wanted) => {
    expect(await enlarged(size, wanted)).toEqual(nearest(size, wanted));
  });

  it('have features of a T2I-Adapter that round up with them', () => {
    const part = findT2iAdapter(t2iView([4, 4, 4, 4, 8, 8]), 'adapter');
    const { graph } = buildT2iAdapter(part!, { batch: 1, height: 9, width: 14 });
    const sides = [...graph.outputs.values()].map((id) => graph.values[id]?.shape.slice(2));
    expect(sides).toEqual([
      [9, 14],
      [5, 7],
      [3, 4],
    ]);
  });

  it.each([
    [[4, 4, 4, 4, 8, 8], {}, [4, 4, 8], 2],
    [[4, 8], {}, [4, 8], 1],
    [[4, 4, 4, 8, 8, 8], {}, [4, 8], 3],
    [[4, 4, 8, 8], { blocksPerLevel: 1 }, [4, 4, 8, 8], 1],
    [[4, 4, 4], {}, [4], 3],
  ] as const)('a T2I-Adapter of blocks %j with %j has levels %j of %i', (widths, hints, levels, blocksPerLevel) => {
    expect(findT2iAdapter(t2iView(widths), 'adapter', hints)?.config).toMatchObject({ levels, blocksPerLevel });
  });

  it('build for every latent size, and are offered sizes that halve', () => {
    const model = detectModel(sd15Checkpoint());
    expect(model.latent).toMatchObject({ stride: 8, multiple: 8, evenMultiple: 64 });
    for (const [height, width] of [
      [8, 9],
      [65, 64],
      [13, 15],
      [64, 97],
    ] as const) {
      const { graph } = model.family.buildDenoiser(model, { batch: 2, height, width, tokens: 77 });
      expect(graph.values[graph.outputs.get('prediction') ?? -1]?.shape).toEqual([2, 4, height, width]);
    }
  });
});
