/** Memory, cancelling, failure and loss: everything returns to where it was. */
import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceTensor } from '../../src/lib/backends/backend';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { planWebgpu } from '../../src/lib/backends/webgpu/backend';
import { browserGpu } from '../../src/lib/backends/webgpu/device';
import { bundledKernels } from '../../src/lib/backends/webgpu/sources_vite';
import { GraphBuilder } from '../../src/lib/graph/builder';
import { memoryWeight } from '../../src/lib/graph/memory_weight';
import { weightResolver, type WeightMap } from '../../src/lib/graph/weights';
import { gpuThrough } from './shared_gpu';
import { createTestBackend } from './test_backend';

const weights: WeightMap = new Map([
  [
    'a.weight',
    memoryWeight(
      'a.weight',
      [32, 16],
      Float32Array.from({ length: 512 }, (_, i) => Math.sin(i)),
    ),
  ],
  ['a.bias', memoryWeight('a.bias', [32], new Float32Array(32).fill(0.5))],
]);

/** `layers` layers that keep [rows, 16]: linear to 32, SiLU, halves gated. */
function network(layers: number, rows = 8) {
  const g = GraphBuilder.create('test', weightResolver(weights));
  let x = g.input('x', [rows, 16]);
  for (let i = 0; i < layers; i++) {
    x = g.gatedActivation(g.linear(x, 'a', { out: 32 }), { activation: 'silu', gate: 'first' });
  }
  g.output('y', x);
  return g.finish();
}

const input = (rows = 8) => ({
  shape: [rows, 16],
  data: Float32Array.from({ length: 16 * rows }, (_, i) => Math.cos(i)),
});
const NOTHING = { weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 };
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: { code?: string; message?: string }) => error.code ?? error.message,
  );

const open: WebgpuBackend[] = [];
async function backendFor(options: Parameters<typeof createTestBackend>[0] = {}) {
  const backend = await createTestBackend(options);
  open.push(backend);
  return backend;
}
afterEach(async () => {
  for (const backend of open.splice(0)) await backend.dispose();
});

/** A `GPU` whose devices go through `change` first. */
function wrapGpu(change: (device: GPUDevice) => void): GPU {
  const gpu = gpuThrough((request) => async (descriptor) => {
    const device = await request(descriptor);
    change(device);
    return device;
  });
  if (!gpu) throw new Error('no WebGPU here');
  return gpu;
}

describe('memory', () => {
  it('holds exactly what was planned while a run is under way, weights only after it', async () => {
    const backend = await backendFor();
    const graph = network(3);
    const program = await backend.compile(graph, weights);
    const x = backend.upload(input());
    const { maxBindingBytes, maxBufferBytes } = backend.engine.gpu.limits;
    expect(planWebgpu(graph, weights, { maxBindingBytes, maxBufferBytes })).toEqual(program.plan);
    expect(program.plan.peakBytes).toBe(program.plan.weightsBytes + program.plan.arenaBytes);
    expect(program.plan.arenaBytes).toBeLessThan(program.plan.naiveArenaBytes);
    let held = 0;
    const { pool } = backend.engine;
    const settle = pool.settle.bind(pool);
    pool.settle = async () => {
      await settle();
      held = Math.max(held, pool.bytes('weights') + pool.bytes('arena') + pool.bytes('tensors'));
    };
    const { y } = await program.run({ x });
    expect(held).toBe(program.plan.peakBytes);
    x.dispose();
    y!.dispose();
    expect(backend.memory()).toEqual({ weightsBytes: program.plan.weightsBytes, arenaBytes: 0, tensorBytes: 0 });
    await program.dispose();
    expect(backend.memory()).toEqual(NOTHING);
  });

  it('loads weights once for programs that share them', async () => {
    const backend = await backendFor();
    const first = await backend.compile(network(1), weights);
    const alone = backend.memory().weightsBytes;
    const second = await backend.compile(network(1, 4), weights);
    const own = backend.memory().weightsBytes - alone;
    expect(own).toBeLessThan(alone - 2000);
    await first.dispose();
    expect(backend.memory().weightsBytes).toBe(alone);
    await second.dispose();
    expect(backend.memory()).toEqual(NOTHING);
  });

  it('gives the same values from an arena that is used again', async () => {
    const backend = await backendFor();
    const program = await backend.compile(network(4), weights);
    const x = backend.upload(input());
    const runs: Float32Array[] = [];
    for (let i = 0; i < 3; i++) {
      const { y } = await program.run({ x });
      runs.push((await backend.download(y!)).data as Float32Array);
      y!.dispose();
    }
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });

  // 600 take more dispatches than there are slots for their parameters.
  it.each([9, 600])('combines %i device tensors, a repeated one included', async (count) => {
    const backend = await backendFor();
    const tensors = Array.from({ length: count }, (_, i) =>
      backend.upload({ shape: [3], data: Float32Array.of(i % 7, 1, -(i % 7)) }),
    );
    const terms = [...tensors, tensors[0]!].map((tensor, i) => [(i % 5) + 1, tensor] as const);
    const sum = backend.lincomb(terms);
    const total = tensors.reduce((s, _, i) => s + ((i % 5) + 1) * (i % 7), 0);
    const ones = terms.reduce((s, [coefficient]) => s + coefficient, 0);
    expect([...(await backend.download(sum)).data]).toEqual([total, ones, -total]);
    for (const tensor of [...tensors, sum]) tensor.dispose();
    expect(backend.memory()).toEqual(NOTHING);
  });
});

describe('wrong use', () => {
  it('is refused with a code', async () => {
    const backend = await backendFor();
    const other = await backendFor();
    const program = await backend.compile(network(1), weights);
    const x = backend.upload(input());
    expect(await codeOf(program.run({}))).toBe('graph/shape');
    expect(await codeOf(program.run({ x: backend.upload(input(9)) }))).toBe('graph/shape');
    expect(await codeOf(program.run({ x: backend.upload({ shape: [8, 16], data: new Int32Array(128) }) }))).toBe(
      'graph/shape',
    );
    expect(await codeOf(program.run({ x: other.upload(input()) }))).toBe('argument/invalid');
    expect(await codeOf(backend.compile(network(1), new Map()))).toBe('graph/unknown-weight');
    await program.dispose();
    expect(await codeOf(program.run({ x }))).toBe('backend/disposed');
    x.dispose();
    expect(await codeOf(backend.download(x))).toBe('backend/disposed');
  });

  it('includes token ids outside the table', async () => {
    const backend = await backendFor();
    const g = GraphBuilder.create('ids', weightResolver(weights));
    g.output('y', g.embedding(g.input('ids', [1, 2], { elementType: 'i32' }), 'a.weight', { count: 32, width: 16 }));
    const program = await backend.compile(g.finish(), weights);
    const run = (ids: number[]) => program.run({ ids: backend.upload({ shape: [1, 2], data: Int32Array.from(ids) }) });
    expect(await codeOf(run([0, 31]))).toBe('no error');
    expect(await codeOf(run([0, 32]))).toBe('argument/invalid');
    expect(await codeOf(run([-1, 0]))).toBe('argument/invalid');
  });

  it('of a broken kernel names file and line', async () => {
    const sources = new Map(bundledKernels());
    sources.set('unary', (sources.get('unary') ?? '').replace('y[i] = unaryOf(', 'y[i] = noSuchFunction('));
    const backend = await backendFor({ sources });
    const g = GraphBuilder.create('broken', () => undefined);
    g.output('y', g.activation(g.input('x', [4]), 'silu'));
    const error = await backend.compile(g.finish(), new Map()).catch((e: unknown) => e as Error & { code: string });
    expect(error).toMatchObject({ code: 'backend/compile' });
    expect((error as Error).message).toMatch(/wgsl\/unary\.wgsl:\d+:\d+ .*noSuchFunction/);
    expect(backend.memory()).toEqual(NOTHING);
  });
});

describe('a job that does not end well', () => {
  it('stops when cancelled, before, during load and during a run', async () => {
    const backend = await backendFor();
    expect(await codeOf(backend.compile(network(1), weights, { signal: AbortSignal.abort() }))).toBe('job/cancelled');
    const loading = new AbortController();
    const compile = backend.compile(network(1), weights, { signal: loading.signal, onProgress: () => loading.abort() });
    expect(await codeOf(compile)).toBe('job/cancelled');
    expect(backend.memory()).toEqual(NOTHING);

    const program = await backend.compile(network(40), weights);
    const weightsOnly = backend.memory();
    const x = backend.upload(input());
    const running = new AbortController();
    let submits = 0;
    const { queue } = backend.engine;
    Object.defineProperty(queue, 'pieceFlops', { get: () => (++submits === 4 && running.abort(), 1) });
    expect(await codeOf(program.run({ x }, { signal: running.signal }))).toBe('job/cancelled');
    expect(submits).toBeLessThan(10);
    x.dispose();
    expect(backend.memory()).toEqual(weightsOnly);
    await program.dispose();
    expect(backend.memory()).toEqual(NOTHING);
  });

  it('reports a lost device, and the next backend works', async () => {
    const backend = await backendFor({ gpu: browserGpu() });
    const program = await backend.compile(network(2), weights);
    const x = backend.upload(input());
    backend.engine.gpu.device.destroy();
    await backend.lost;
    expect(await codeOf(program.run({ x }))).toBe('backend/device-lost');
    expect(await codeOf(backend.compile(network(1), weights))).toBe('backend/device-lost');
    expect(() => backend.upload(input())).toThrowError(expect.objectContaining({ code: 'backend/device-lost' }));
    await backend.dispose();
    expect(backend.engine.pool.bytes('weights')).toBe(0);

    const next = await backendFor();
    const again = await next.compile(network(2), weights);
    const { y } = await again.run({ x: next.upload(input()) });
    expect((await next.download(y!)).data.every(Number.isFinite)).toBe(true);
  });

  it('reports loss in the middle of a run', async () => {
    const backend = await backendFor({ gpu: browserGpu() });
    const program = await backend.compile(network(30), weights);
    const x = backend.upload(input());
    let submits = 0;
    Object.defineProperty(backend.engine.queue, 'pieceFlops', {
      get: () => (++submits === 3 && backend.engine.gpu.device.destroy(), 1),
    });
    expect(await codeOf(program.run({ x }))).toBe('backend/device-lost');
    expect(backend.engine.pool.bytes('arena')).toBeGreaterThanOrEqual(0);
    backend.engine.arenas.trim();
    expect(backend.engine.pool.bytes('arena')).toBe(0);
  });

  it('frees everything when any allocation fails, by exception or by error scope', async () => {
    for (const kind of ['exception', 'scope'] as const) {
      let count = 0;
      let failAt = Infinity;
      const gpu = wrapGpu((device) => {
        const createBuffer = device.createBuffer.bind(device);
        const popErrorScope = device.popErrorScope.bind(device);
        let failing = false;
        device.createBuffer = (descriptor) => {
          count++;
          if (count === failAt && kind === 'exception') throw new RangeError('injected');
          failing = count === failAt;
          return createBuffer(descriptor);
        };
        device.popErrorScope = async () => {
          // The innermost scope, popped first, is the one for memory.
          const inject = failing;
          failing = false;
          const error = await popErrorScope();
          return inject ? { message: 'injected' } : error;
        };
      });
      const backend = await backendFor({ gpu });
      const job = async () => {
        const owned: DeviceTensor[] = [];
        const program = await backend.compile(network(2), weights);
        try {
          const x = backend.upload(input());
          owned.push(x);
          const { y } = await program.run({ x });
          owned.push(y!);
          const sum = backend.lincomb([[2, y!]]);
          owned.push(sum);
          await backend.download(sum);
        } finally {
          for (const tensor of owned) tensor.dispose();
          await program.dispose();
        }
      };
      await job();
      const first = count;
      count = 0;
      await job();
      const allocations = count;
      expect(allocations).toBeGreaterThan(5);
      expect(first).toBeGreaterThanOrEqual(allocations);
      for (failAt = 1; failAt <= allocations; failAt++) {
        count = 0;
        expect(await codeOf(job()), `${kind} at allocation ${failAt}`).toBe('backend/out-of-memory');
        expect(backend.memory(), `${kind} at allocation ${failAt}`).toEqual(NOTHING);
      }
      failAt = Infinity;
      await job();
      expect(backend.memory()).toEqual(NOTHING);
    }
  });

  it('asks for a device where there is none', async () => {
    expect(await codeOf(createTestBackend({ gpu: undefined }))).toBe('backend/unavailable');
    const nobody = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;
    expect(await codeOf(createTestBackend({ gpu: nobody }))).toBe('backend/unavailable');
  });
});
