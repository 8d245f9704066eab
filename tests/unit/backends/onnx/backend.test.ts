/** The backend contract at its edges: ownership, memory, cancelling, failures. */
import { describe, expect, it } from 'vitest';
import { emitOnnx, type EmitOptions } from '../../../../src/lib/backends/onnx/emitter';
import { fillBlobs } from '../../../../src/lib/backends/onnx/weight_blobs';
import { openSession, runtimeError } from '../../../../src/lib/backends/onnx/session';
import { memorySource } from '../../../../src/lib/base/byte_source';
import { readOnnx } from '../../../../src/lib/formats/onnx_header';
import { memoryWeight } from '../../../../src/lib/graph/memory_weight';
import { randomCase } from './graphs';
import { backendOn, nmseToReference, RUNTIMES, runOnce } from './runtimes';

const EMIT: EmitOptions = {
  location: 'test',
  maxScoreBytes: Infinity,
  matMulAccuracy: 0,
  minPackedRows: 1,
};
const SESSION = { optimization: 'disabled', prepack: true } as const;

const linear = (seed = 1) =>
  randomCase('linear', (g) => ({ y: g.linear(g.input('x', [3, 40]), 'layer', { out: 24 }) }), seed);
const noWeights = randomCase('no weights', (g) => ({ y: g.activation(g.input('x', [3, 4]), 'silu') }));

describe('emitOnnx', () => {
  it('writes a model that another reader understands, weights outside', async () => {
    const { graph, weights } = linear();
    const { model, blobs, weightsBytes } = emitOnnx(graph, weights, EMIT);
    expect(weightsBytes).toBe(4 * (40 * 24 + 24));
    expect(model.length).toBeLessThan(2000);
    const [blob] = await fillBlobs({ model, blobs, weightsBytes, origins: new Map() }, weights);
    const source = (name: string, bytes: Uint8Array) => memorySource(name, bytes as Uint8Array<ArrayBuffer>);
    const openSibling = (name: string) => Promise.resolve(source(name, blob!.data));
    const index = await readOnnx({ main: source('m.onnx', model), openSibling });
    const weight = index.tensors.get('layer.weight')!;
    expect(weight).toMatchObject({ type: 'F32', shape: [24, 40], byteLength: 24 * 40 * 4 });
    expect(weight.byteOffset % 64).toBe(0);
  });

  it('stores tied weights once', () => {
    const shared = memoryWeight('w', [8, 8], new Float32Array(64));
    const { graph } = randomCase('tied', (g) => {
      const h = g.linear(g.input('x', [2, 8]), 'a', { out: 8, bias: false });
      return { y: g.linear(h, 'b', { out: 8, bias: false }) };
    });
    const weights = new Map([
      ['a.weight', shared],
      ['b.weight', shared],
    ]);
    expect(emitOnnx(graph, weights, EMIT).weightsBytes).toBe(256);
  });

  it('fills several blobs and refuses a tensor that would span two', async () => {
    const { graph, weights } = linear();
    const limits = { maxShardBytes: 3840, maxTensorBytes: 3840 };
    const emitted = emitOnnx(graph, weights, { ...EMIT, limits });
    expect(emitted.blobs.map((blob) => blob.sizeBytes)).toEqual([96, 3840]);
    expect(() => emitOnnx(graph, weights, { ...EMIT, limits: { ...limits, maxTensorBytes: 3839 } })).toThrowError(
      expect.objectContaining({ code: 'backend/compile' }),
    );
  });

  it('writes equal constants and equal nodes once', () => {
    const { graph, weights } = randomCase('layers', (g) => {
      let x = g.input('x', [1, 77, 8]);
      for (let layer = 0; layer < 3; layer++) {
        const h = g.at(layer).linear(x, 'q', { out: 8, bias: false });
        x = g.attention(h, h, h, { heads: 2, causal: true });
      }
      return { y: x };
    });
    const { model } = emitOnnx(graph, weights, EMIT);
    const maskBytes = 77 * 77 * 4;
    expect(model.length).toBeGreaterThan(maskBytes);
    expect(model.length).toBeLessThan(2 * maskBytes);
  });

  it('names a weight that the map lacks', () => {
    expect(() => emitOnnx(linear().graph, new Map(), EMIT)).toThrowError(
      expect.objectContaining({ code: 'graph/unknown-weight' }),
    );
  });
});

describe('fillBlobs', () => {
  /** Many small layers and a large one, read from sources that count how many reads are under way. */
  const counted = () => {
    const { graph, weights } = randomCase('layers', (g) => {
      let x = g.input('x', [1, 16]);
      for (let layer = 0; layer < 60; layer++) x = g.at(layer).linear(x, 'small', { out: 16 });
      return { y: g.linear(x, 'large', { out: 300_000, bias: false }) };
    });
    const reads = { now: 0, most: 0 };
    const slow = [...weights].map(([name, weight]) => {
      const { source } = weight.tensor;
      const read = async (offset: number, length: number) => {
        reads.most = Math.max(reads.most, ++reads.now);
        await new Promise((done) => setTimeout(done, 1));
        reads.now--;
        return source.read(offset, length);
      };
      return [name, { ...weight, tensor: { ...weight.tensor, source: { ...source, read } } }] as const;
    });
    return { emitted: emitOnnx(graph, weights, EMIT), weights, slow: new Map(slow), reads };
  };

  it('reads small weights many at a time, and gives the bytes of reading them one by one', async () => {
    const { emitted, weights, slow, reads } = counted();
    const progress: number[] = [];
    const filled = await fillBlobs(emitted, slow, { onProgress: (done) => progress.push(done) });
    expect(reads.most).toBeGreaterThan(8);
    expect(reads.most).toBeLessThanOrEqual(32);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(emitted.weightsBytes);
    const [blob] = filled;
    for (const { weight, offset, length } of emitted.blobs[0]!.slots) {
      const { tensor } = weights.get(weight)!;
      const expected = await tensor.source.read(tensor.byteOffset, tensor.byteLength);
      expect(Buffer.compare(expected, blob!.data.subarray(offset, offset + length)), weight).toBe(0);
    }
  });
});

describe('runtimeError', () => {
  it.each([
    ['std::bad_alloc', 'backend/out-of-memory'],
    ['Array buffer allocation failed', 'backend/out-of-memory'],
    ['Could not find an implementation for GroupNorm(1) node', 'backend/unsupported-op'],
    ['something else', 'backend/run'],
  ])('%s → %s', (message, code) => {
    expect(runtimeError('here', new Error(message), 'backend/run')).toMatchObject({ code });
  });

  it('takes a bare C++ exception pointer for exhausted memory', () => {
    expect(runtimeError('here', 5_243_000, 'backend/run')).toMatchObject({ code: 'backend/out-of-memory' });
  });
});

describe.each(RUNTIMES)('onnx $id', (runtime) => {
  it('runs a model without weights', async () => {
    expect(await nmseToReference(backendOn(runtime), noWeights)).toBeLessThan(1e-12);
  });

  it('gives zeros for rows that see nothing, as the reference does', async () => {
    const graphCase = randomCase('masked', (g) => {
      const x = g.input('x', [1, 3, 8]);
      return { y: g.attention(x, x, x, { heads: 2, bias: g.input('bias', [1, 1, 3, 3]) }) };
    });
    const hidden = -Infinity;
    const data = Float32Array.from([0, hidden, 1, hidden, hidden, hidden, 0, 1, hidden]);
    const masked = { ...graphCase, inputs: { ...graphCase.inputs, bias: { shape: [1, 1, 3, 3], data } } };
    expect(await nmseToReference(backendOn(runtime), masked)).toBeLessThan(1e-10);
    const { y } = await runOnce(backendOn(runtime), masked);
    expect(y!.data.subarray(8, 16).every((value) => value === 0)).toBe(true);
  });

  it('gives sessions that are created at once their own weights', async () => {
    const backend = backendOn(runtime);
    const cases = [linear(1), linear(2)];
    const alone = [];
    for (const c of cases) alone.push(await runOnce(backend, c));
    expect(await Promise.all(cases.map((c) => runOnce(backend, c)))).toEqual(alone);
    expect(alone[0]!['y']!.data).not.toEqual(alone[1]!['y']!.data);
  });

  it('gives a graph that was planned once and compiled twice the weights of each', async () => {
    const backend = backendOn(runtime);
    const { graph, weights, inputs } = linear(1);
    const other = linear(2);
    expect(backend.plan(graph, weights)).toMatchObject({ weightsBytes: 3936, missingWeightsBytes: 3936 });
    const first = await runOnce(backend, { graph, weights, inputs });
    const program = await backend.compile(graph, weights);
    expect(await runOnce(backend, { graph, weights: other.weights, inputs })).not.toEqual(first);
    expect(await runOnce(backend, { graph, weights, inputs })).toEqual(first);
    await program.dispose();
  });

  it.each([
    ['empty', 0],
    ['cut', 100],
  ])('refuses %s external data', async (_what, length) => {
    const { graph, weights } = linear();
    const emitted = emitOnnx(graph, weights, { ...EMIT, location: `cut-${runtime.id}-${length}` });
    const data = (await fillBlobs(emitted, weights)).map((blob) => ({ ...blob, data: blob.data.slice(0, length) }));
    await expect(openSession(runtime, 'test', emitted.model, data, SESSION)).rejects.toMatchObject({
      code: 'backend/compile',
    });
  });

  it('counts weights and tensors, and is empty after disposal', async () => {
    const backend = backendOn(runtime);
    const { graph, weights, inputs } = linear();
    const progress: number[] = [];
    const program = await backend.compile(graph, weights, { onProgress: (done, total) => progress.push(done / total) });
    expect(progress.at(-1)).toBe(1);
    expect(program.plan).toMatchObject({ weightsBytes: 3936, arenaBytes: 4 * (3 * 40 + 3 * 24) });
    const x = backend.upload(inputs['x']!);
    const { y } = await program.run({ x });
    const twice = backend.lincomb([
      [2, y!],
      [-1, y!],
      [0.5, y!],
      [0.5, y!],
    ]);
    expect((await backend.download(twice)).data[5]).toBeCloseTo(2 * (await backend.download(y!)).data[5]!, 5);
    expect(backend.memory()).toEqual({ weightsBytes: 3936, arenaBytes: 0, tensorBytes: 4 * (120 + 72 + 72) });
    for (const tensor of [x, y!, twice, twice]) tensor.dispose();
    await program.dispose();
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
    await expect(program.run({ x })).rejects.toMatchObject({ code: 'backend/disposed' });
    await backend.dispose();
    expect(() => backend.upload(inputs['x']!)).toThrowError(expect.objectContaining({ code: 'backend/disposed' }));
  });

  it('refuses wrong inputs and ids outside the table', async () => {
    const backend = backendOn(runtime);
    const { graph, weights } = randomCase('embedding', (g) => ({
      y: g.embedding(g.input('ids', [1, 2], { elementType: 'i32' }), 'table', { count: 5, width: 4 }),
    }));
    const program = await backend.compile(graph, weights);
    const ids = (...values: number[]) => ({ ids: backend.upload({ shape: [1, 2], data: Int32Array.from(values) }) });
    await expect(program.run(ids(0, 5))).rejects.toMatchObject({ code: 'backend/run' });
    await expect(program.run(ids(-1, 0))).rejects.toMatchObject({ code: 'backend/run' });
    await expect(program.run({})).rejects.toMatchObject({ code: 'graph/shape' });
    const floats = backend.upload({ shape: [1, 2], data: new Float32Array(2) });
    await expect(program.run({ ids: floats })).rejects.toMatchObject({ code: 'graph/shape' });
    const foreign = backendOn(runtime).upload({ shape: [1, 2], data: new Int32Array(2) });
    await expect(program.run({ ids: foreign })).rejects.toMatchObject({ code: 'argument/invalid' });
    await expect(program.run(ids(4, 0))).resolves.toHaveProperty('y');
    await backend.dispose();
  });

  it('cancels before a run, after a run and while weights load, leaving nothing behind', async () => {
    const backend = backendOn(runtime);
    const { graph, weights, inputs } = linear();
    const program = await backend.compile(graph, weights);
    const x = backend.upload(inputs['x']!);
    const early = new AbortController();
    early.abort();
    await expect(program.run({ x }, { signal: early.signal })).rejects.toMatchObject({ code: 'job/cancelled' });
    const late = new AbortController();
    // Arrives as an event while the thread is busy.
    setTimeout(() => late.abort(), 0);
    const steps = async () => {
      for (let step = 0; step < 10_000; step++) (await program.run({ x }, { signal: late.signal }))['y']!.dispose();
    };
    await expect(steps()).rejects.toMatchObject({ code: 'job/cancelled' });
    const loading = new AbortController();
    const compile = backend.compile(graph, weights, { signal: loading.signal, onProgress: () => loading.abort() });
    await expect(compile).rejects.toMatchObject({ code: 'job/cancelled' });
    x.dispose();
    expect(backend.memory()).toEqual({ weightsBytes: 3936, arenaBytes: 0, tensorBytes: 0 });
    await backend.dispose();
  });
});
