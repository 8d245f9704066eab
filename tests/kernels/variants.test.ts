/** The fast kernels against the reference, on a few cases each: compiling one takes seconds on a software adapter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOpCase } from '../../src/lib/backends/op_cases/run_op_case';
import { OP_CASES } from '../../src/lib/backends/op_cases/table';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import type { WebgpuProgram } from '../../src/lib/backends/webgpu/program';
import { KERNEL_VARIANTS, missingFeatures } from '../../src/lib/backends/webgpu/variants';
import { VARIANT_CASES } from './kernel_tunings';
import { compileAhead, createTestBackend } from './test_backend';

const probe = await createTestBackend();
const absent = new Map(
  KERNEL_VARIANTS.map((variant) => [variant.id, missingFeatures(probe.engine.gpu, variant).join(', ')]),
);
await probe.dispose();

describe.each(VARIANT_CASES)('$name', ({ variant, tuning, picks, few, bound }) => {
  const missing = absent.get(variant);
  if (missing) {
    it.skip(`skipped: this adapter has no ${missing}`, () => undefined);
    return;
  }
  let backend: WebgpuBackend;
  const cases = OP_CASES.filter(picks).filter(few ?? (() => true));
  beforeAll(async () => {
    backend = await createTestBackend({ guardBytes: 256, tuning });
    await compileAhead(
      backend,
      cases.map((opCase) => ({ ...opCase.build(), tuning })),
    );
  }, 120_000);
  afterAll(() => backend.dispose());

  it('has cases', () => expect(cases.length).toBeGreaterThan(0));
  it.each(cases.map((opCase) => [opCase.name, opCase] as const))('%s', async (_name, opCase) => {
    const widened = bound === undefined ? opCase : { ...opCase, bound: { ...opCase.bound, f32: bound } };
    const { ok, message } = await runOpCase(backend, widened, {
      checkGuards: (program, outputs) => (program as WebgpuProgram).findOverwritten(outputs),
    });
    expect(ok, message).toBe(true);
  });
});
