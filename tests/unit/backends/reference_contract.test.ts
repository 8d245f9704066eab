/** The reference as a Backend: memory accounting, disposal, refusals, cancelling. */
import { describe, expect, it } from 'vitest';
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { createReferenceBackend } from '../../../src/lib/backends/reference/backend';
import { GraphBuilder } from '../../../src/lib/graph/builder';
import type { Graph } from '../../../src/lib/graph/ir';
import { stopwatch } from '../../tools/stopwatch';

const f32 = (shape: number[], data: Iterable<number>): HostTensor => ({ shape, data: Float32Array.from(data) });
const i32 = (shape: number[], data: Iterable<number>): HostTensor => ({ shape, data: Int32Array.from(data) });
const ramp = (count: number, step: number) => Array.from({ length: count }, (_, i) => Math.sin(1 + i * step) * 2);

describe('contract', () => {
  function graph(): Graph {
    const b = GraphBuilder.create('double', () => undefined);
    const x = b.input('x', [2]);
    b.output('y', b.add(x, x));
    b.output('same', x);
    return b.finish();
  }
  const live = (backend: Backend) => backend.memory().tensorBytes;

  it('counts bytes until disposed, twice is harmless', async () => {
    const backend = createReferenceBackend();
    const program = await backend.compile(graph(), new Map());
    const x = backend.upload(f32([2], [1, 2]));
    expect(live(backend)).toBe(8);
    const { y, same } = await program.run({ x });
    expect(live(backend)).toBe(24);
    x.dispose();
    x.dispose();
    expect([...(await backend.download(same!)).data]).toEqual([1, 2]);
    const sum = backend.lincomb([
      [0.5, y!],
      [1, same!],
    ]);
    expect([...(await backend.download(sum)).data]).toEqual([2, 4]);
    for (const tensor of [y!, same!, sum]) tensor.dispose();
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
    await program.dispose();
    await program.dispose();
  });

  it('copies what it is given', async () => {
    const backend = createReferenceBackend();
    const source = f32([2], [1, 2]);
    const tensor = backend.upload(source);
    source.data[0] = 9;
    expect([...(await backend.download(tensor)).data]).toEqual([1, 2]);
  });

  it('refuses use after dispose with a code', async () => {
    const backend = createReferenceBackend();
    const program = await backend.compile(graph(), new Map());
    const x = backend.upload(f32([2], [1, 2]));
    const gone = backend.upload(f32([2], [1, 2]));
    gone.dispose();
    const code = { code: 'backend/disposed' };
    await expect(backend.download(gone)).rejects.toMatchObject(code);
    await expect(program.run({ x: gone })).rejects.toMatchObject(code);
    expect(() => backend.lincomb([[1, gone]])).toThrow(expect.objectContaining(code));
    await program.dispose();
    await expect(program.run({ x })).rejects.toMatchObject(code);
    await backend.dispose();
    await backend.dispose();
    expect(() => backend.upload(f32([2], [1, 2]))).toThrow(expect.objectContaining(code));
    await expect(backend.compile(graph(), new Map())).rejects.toMatchObject(code);
    expect(live(backend)).toBe(0);
  });

  it('refuses wrong inputs with a code', async () => {
    const backend = createReferenceBackend();
    const other = createReferenceBackend();
    const program = await backend.compile(graph(), new Map());
    const shape = { code: 'graph/shape' };
    await expect(program.run({})).rejects.toMatchObject(shape);
    await expect(program.run({ x: backend.upload(f32([1, 2], [1, 2])) })).rejects.toMatchObject(shape);
    await expect(program.run({ x: backend.upload(i32([2], [1, 2])) })).rejects.toMatchObject(shape);
    await expect(program.run({ x: other.upload(f32([2], [1, 2])) })).rejects.toMatchObject({
      code: 'argument/invalid',
    });
    expect(() => backend.upload(f32([3], [1]))).toThrow(expect.objectContaining(shape));
    expect(() => backend.lincomb([])).toThrow(expect.objectContaining({ code: 'argument/invalid' }));
    const [a, b] = [backend.upload(f32([2], [1, 2])), backend.upload(f32([1], [1]))];
    expect(() =>
      backend.lincomb([
        [1, a],
        [1, b],
      ]),
    ).toThrow(expect.objectContaining(shape));
  });

  it('stops when cancelled, and leaves no bytes behind', async () => {
    const b = GraphBuilder.create('long', () => undefined);
    let x = b.input('x', [64, 64]);
    for (let i = 0; i < 2000; i++) x = b.op('linear', [x, x], {});
    b.output('y', x);
    const backend = createReferenceBackend();
    const program = await backend.compile(b.finish(), new Map());
    const input = backend.upload(f32([64, 64], ramp(4096, 0.001)));
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 30);
    const seconds = stopwatch();
    await expect(program.run({ x: input }, { signal: stop.signal })).rejects.toMatchObject({ code: 'job/cancelled' });
    expect(seconds()).toBeLessThan(1);
    input.dispose();
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });
});
