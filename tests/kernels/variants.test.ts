/** The fast kernels against the reference, on a few cases each: compiling one takes seconds on a software adapter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpCase } from '../../src/lib/backends/op_cases/op_case';
import { runOpCase } from '../../src/lib/backends/op_cases/run_op_case';
import { OP_CASES } from '../../src/lib/backends/op_cases/table';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import type { WebgpuProgram } from '../../src/lib/backends/webgpu/program';
import { plainTuning, type GemmChoice, type Tuning } from '../../src/lib/backends/webgpu/tuning';
import { createTestBackend } from './test_backend';

const tiled = (splits: number, scratch = false): Tuning => {
  const choice: GemmChoice = { kernel: 'tiled', tile: { bm: 64, bn: 64, bk: 16, splits }, scratch };
  return { ...plainTuning, gemm: () => choice };
};

interface Variant {
  readonly name: string;
  readonly tuning: Tuning;
  readonly picks: (c: OpCase) => boolean;
  /** Scratch weights are rounded to half precision: relative error 2^-12, NMSE 2e-8. */
  readonly bound?: number;
}

const { params } = {
  params: (c: OpCase) => c.params as { type?: string; k?: number; ic?: number; activation?: string },
};
const floatLinear = (c: OpCase) => c.op === 'linear' && params(c).type === undefined && (params(c).k ?? 0) % 4 === 0;
const floatConv = (c: OpCase) => c.op === 'conv2d' && params(c).type === undefined && (params(c).ic ?? 0) % 4 === 0;

const VARIANTS: readonly Variant[] = [
  { name: 'skinny', tuning: { ...plainTuning, gemm: () => ({ kernel: 'skinny' }) }, picks: floatLinear },
  { name: 'tiled linear', tuning: tiled(1), picks: floatLinear },
  { name: 'tiled convolution, split in three', tuning: tiled(3), picks: floatConv },
  { name: 'tiled Q4_K', tuning: tiled(1), picks: (c) => c.op === 'linear' && params(c).type === 'Q4_K' },
  {
    name: 'tiled Q4_K through half-precision scratch',
    tuning: tiled(1, true),
    picks: (c) => c.op === 'linear' && params(c).type === 'Q4_K',
    bound: 1e-7,
  },
  {
    name: 'flash',
    tuning: { ...plainTuning, attention: () => ({ kernel: 'flash' }) },
    picks: (c) => c.op === 'attention',
  },
];

describe.each(VARIANTS)('$name', ({ tuning, picks, bound }) => {
  let backend: WebgpuBackend;
  beforeAll(async () => {
    backend = await createTestBackend({ guardBytes: 256, tuning });
  });
  afterAll(() => backend.dispose());

  const cases = OP_CASES.filter(picks);
  it('has cases', () => expect(cases.length).toBeGreaterThan(1));
  it.each(cases.map((opCase) => [opCase.name, opCase] as const))('%s', async (_name, opCase) => {
    const widened = bound === undefined ? opCase : { ...opCase, bound: { ...opCase.bound, f32: bound } };
    const { ok, message } = await runOpCase(backend, widened, {
      checkGuards: (program, outputs) => (program as WebgpuProgram).findOverwritten(outputs),
    });
    expect(ok, message).toBe(true);
  });
});
