/** Small limits and long work: weights, arenas and dispatches in parts give the same numbers. */
import { afterEach, describe, expect, it } from 'vitest';
import { evaluateOpCase } from '../../src/lib/backends/op_cases/run_op_case';
import { OP_CASES } from '../../src/lib/backends/op_cases/table';
import type { WebgpuBackend, WebgpuOptions } from '../../src/lib/backends/webgpu/backend';
import { selfTest } from '../../src/lib/backends/webgpu/self_test';
import { planWeight } from '../../src/lib/backends/webgpu/weights/weight_plan';
import { GraphBuilder } from '../../src/lib/graph/builder';
import { memoryWeight } from '../../src/lib/graph/memory_weight';
import { weightResolver } from '../../src/lib/graph/weights';
import { createTestBackend } from './test_backend';

const open: WebgpuBackend[] = [];
async function backendFor(options: Partial<WebgpuOptions> = {}) {
  const backend = await createTestBackend(options);
  open.push(backend);
  return backend;
}
afterEach(async () => {
  for (const backend of open.splice(0)) await backend.dispose();
});

const caseNamed = (part: string) => {
  const found = OP_CASES.find(({ name }) => name.includes(part));
  if (!found) throw new Error(`no case "${part}"`);
  return found.build();
};

describe('limits', () => {
  it.each(['F16', 'Q8_0', 'Q4_K', 'Q6_K', 'NF4', 'LLM_INT8'])('linear of %s with weights in parts', async (type) => {
    const data = caseNamed(`linear rows=1 k=512 n=24 type=${type}`);
    const limits = { maxBindingBytes: 4096 };
    const weight = data.weights.get('weight');
    expect(weight && planWeight('weight', weight, [24, 512], 'matrix', limits).parts.length).toBeGreaterThan(1);
    const whole = await evaluateOpCase(await backendFor(), data);
    const small = await backendFor({ caps: limits });
    expect((await evaluateOpCase(small, data)).data).toEqual(whole.data);
  });

  it('looks ids up in a table in parts', async () => {
    const table = Float32Array.from({ length: 100 * 32 }, (_, i) => i);
    const weights = new Map([['table', memoryWeight('table', [100, 32], table)]]);
    const g = GraphBuilder.create('table', weightResolver(weights));
    g.output('y', g.embedding(g.input('ids', [1, 4], { elementType: 'i32' }), 'table', { count: 100, width: 32 }));
    const small = await backendFor({ caps: { maxBindingBytes: 4096 } });
    const program = await small.compile(g.finish(), weights);
    const ids = Int32Array.of(0, 31, 32, 99);
    const { y } = await program.run({ ids: small.upload({ shape: [1, 4], data: ids }) });
    const found = (await small.download(y!)).data;
    expect([...found]).toEqual([...ids].flatMap((id) => [...table.subarray(32 * id, 32 * id + 32)]));
  });

  it('uses several arenas where one buffer is too small', async () => {
    const g = GraphBuilder.create('arenas', () => undefined);
    let x = g.input('x', [1000]);
    const parts = [0, 1, 2, 3].map((offset) => g.unary(x, { kind: 'affine', scale: 1, offset }));
    x = g.lincomb(parts.map((part, i) => [i + 1, part]));
    g.output('y', x);
    const small = await backendFor({ caps: { maxBufferBytes: 9000 } });
    const program = await small.compile(g.finish(), new Map());
    const { y } = await program.run({ x: small.upload({ shape: [1000], data: new Float32Array(1000).fill(2) }) });
    expect((await small.download(y!)).data.every((value) => value === 2 + 2 * 3 + 3 * 4 + 4 * 5)).toBe(true);
  });

  it('refuses a tensor beyond the binding limit, before anything is loaded', async () => {
    const small = await backendFor({ caps: { maxBindingBytes: 4096 } });
    const g = GraphBuilder.create('large', () => undefined);
    g.output('y', g.activation(g.input('x', [2000]), 'relu'));
    const error = await small.compile(g.finish(), new Map()).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'backend/out-of-memory' });
  });

  it('cuts long kernel calls into dispatches', async () => {
    for (const name of [
      'conv2d n=1 ic=32 oc=24 h=6 w=5 k=3 type=Q8_0',
      'linear rows=65 k=129 n=257',
      'attention n=2 tq=64',
    ]) {
      const data = caseNamed(name);
      const whole = await evaluateOpCase(await backendFor(), data);
      const cut = await backendFor({ dispatchFlops: 1e5 });
      expect((await evaluateOpCase(cut, data)).data, name).toEqual(whole.data);
    }
  });

  it('spreads more than 65,535 groups over two axes', async () => {
    const backend = await backendFor();
    const count = 65_536 * 256 + 1;
    const g = GraphBuilder.create('wide', () => undefined);
    g.output('y', g.unary(g.input('x', [count]), { kind: 'affine', scale: 2, offset: 1 }));
    const program = await backend.compile(g.finish(), new Map());
    const data = new Float32Array(count).fill(3);
    data[count - 1] = 5;
    const { y } = await program.run({ x: backend.upload({ shape: [count], data }) });
    const found = (await backend.download(y!)).data;
    expect(found.at(-1)).toBe(11);
    expect(found.lastIndexOf(7)).toBe(count - 2);
    // Nothing was left out: the buffer began with zeros.
    expect(found.indexOf(0)).toBe(-1);
  });

  it('spreads the groups of every kind of kernel over two axes', async () => {
    const names = ['linear rows=65 k=129 n=257', 'conv2d n=1 ic=4', 'attention n=2 tq=64', 'groupNorm', 'embedding'];
    const whole = await backendFor();
    const narrow = await backendFor();
    // As if an axis ended at 3 groups instead of 65,535.
    Object.assign(narrow.engine.gpu.limits, { groupsPerAxis: 3 });
    for (const name of names) {
      const data = caseNamed(name);
      const expected = await evaluateOpCase(whole, data);
      expect((await evaluateOpCase(narrow, data)).data, name).toEqual(expected.data);
    }
  });
});

describe('self-test', () => {
  it('passes on this adapter and names the chosen kernels', async () => {
    const backend = await backendFor();
    const { verdicts } = await selfTest(backend);
    expect(
      Object.values(verdicts).every((verdict) => verdict === 'ok'),
      JSON.stringify(verdicts),
    ).toBe(true);
    expect(backend.info['selfTest']).toBe('all kernels passed');
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });

  it('leaves a wrong kernel out and says so', async () => {
    const { bundledKernels } = await import('../../src/lib/backends/webgpu/sources_vite');
    const sources = new Map(bundledKernels());
    sources.set('gemm_skinny', (sources.get('gemm_skinny') ?? '').replace('k += 256u', 'k += 512u'));
    sources.set('attention_flash', 'not a shader');
    sources.set('gemm_tiled', (sources.get('gemm_tiled') ?? '').replace('workgroupBarrier', 'noBarrier'));
    const backend = await backendFor({ sources });
    const { verdicts, tuning } = await selfTest(backend);
    expect(verdicts['gemm-skinny']).toMatch(/wrong results/);
    expect(verdicts['attention-flash']).toBe('backend/compile');
    expect(verdicts['gemm-tiled']).toBe('backend/compile');
    expect(tuning.gemm({ m: 1, n: 64, k: 64 })).toEqual({ kernel: 'plain' });
    expect(backend.info['selfTest']).toContain('attention-flash: backend/compile');
    expect(backend.kernels.find(({ variant }) => variant === 'gemm-skinny')).toMatchObject({ state: 'off' });
  });
});
