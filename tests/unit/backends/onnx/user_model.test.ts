/** Models that users bring, here made by the emitter. */
import { describe, expect, it } from 'vitest';
import { emitOnnx } from '../../../../src/lib/backends/onnx/emitter';
import { ProtoWriter } from '../../../../src/lib/backends/onnx/proto_writer';
import { openOnnxModel } from '../../../../src/lib/backends/onnx/user_model';
import { fillBlobs } from '../../../../src/lib/backends/onnx/weight_blobs';
import { randomCase } from './graphs';
import { RUNTIMES } from './runtimes';

const OPTIONS = { location: 'upscaler', maxScoreBytes: Infinity, matMulAccuracy: 0, minPackedRows: 1 } as const;

async function upscaler() {
  const { graph, weights } = randomCase('upscaler', (g) => ({
    y: g.pixelShuffle(g.conv2d(g.input('x', [1, 3, 4, 5], { layout: 'image' }), 'c', { out: 12, kernel: 3 }), 2),
  }));
  const emitted = emitOnnx(graph, weights, OPTIONS);
  const blobs = await fillBlobs(emitted, weights);
  return { name: 'upscaler.onnx', model: emitted.model, externalData: new Map(blobs.map((b) => [b.path, b.data])) };
}

describe.each(RUNTIMES)('openOnnxModel on $id', (runtime) => {
  it('tells inputs and outputs, and runs', async () => {
    const model = await openOnnxModel(runtime, await upscaler());
    expect(model.inputs).toEqual([{ name: 'x', type: 'float32', shape: [1, 3, 4, 5] }]);
    expect(model.outputs).toEqual([{ name: 'y', type: 'float32', shape: [1, 3, 8, 10] }]);
    const x = { type: 'float32', shape: [1, 3, 4, 5], data: new Float32Array(60).fill(1) } as const;
    const { y } = await model.run({ x });
    expect(y).toMatchObject({ type: 'float32', shape: [1, 3, 8, 10] });
    await expect(model.run({})).rejects.toMatchObject({ code: 'graph/shape' });
    await expect(model.run({ x: { ...x, shape: [1, 3, 5, 4] } })).rejects.toMatchObject({ code: 'graph/shape' });
    const data = new Int32Array(60);
    await expect(model.run({ x: { ...x, type: 'int32', data } })).rejects.toMatchObject({ code: 'graph/shape' });
    await expect(model.run({ x }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'job/cancelled' });
    await model.dispose();
    await expect(model.run({ x })).rejects.toMatchObject({ code: 'backend/disposed' });
  });

  it('refuses a model whose external files were not given, before the runtime looks for them', async () => {
    const { externalData, ...files } = await upscaler();
    expect(externalData.size).toBe(1);
    await expect(openOnnxModel(runtime, files)).rejects.toMatchObject({
      code: 'file/missing-shard',
      details: { location: 'upscaler.0.bin' },
    });
  });

  it('refuses damaged models', async () => {
    const { model } = await upscaler();
    const name = 'damaged.onnx';
    const cut = openOnnxModel(runtime, { name, model: model.slice(0, model.length / 2) });
    await expect(cut).rejects.toMatchObject({ code: 'file/bad-protobuf' });
    await expect(openOnnxModel(runtime, { name, model: new Uint8Array(50).fill(255) })).rejects.toMatchObject({
      code: 'file/bad-protobuf',
    });
    await expect(openOnnxModel(runtime, { name, model: new Uint8Array(0) })).rejects.toMatchObject({
      code: 'backend/compile',
    });
  });

  it('refuses subgraphs nested without end', async () => {
    let graph = new ProtoWriter();
    for (let depth = 0; depth < 500; depth++) {
      graph = new ProtoWriter().message(1, new ProtoWriter().message(5, new ProtoWriter().message(6, graph)));
    }
    const model = new ProtoWriter().message(7, graph).finish().slice();
    await expect(openOnnxModel(runtime, { name: 'deep.onnx', model })).rejects.toMatchObject({
      code: 'file/bad-protobuf',
    });
  });
});
