/** The whole operator table on WebGPU with the plain kernels, sentinels around everything that is written. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOpCase } from '../../src/lib/backends/op_cases/run_op_case';
import { OP_CASES } from '../../src/lib/backends/op_cases/table';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { WebgpuProgram } from '../../src/lib/backends/webgpu/program';
import { plainTuning } from '../../src/lib/backends/webgpu/tuning';
import { compileAhead, createTestBackend } from './test_backend';

describe('operator table on WebGPU', () => {
  let backend: WebgpuBackend;
  beforeAll(async () => {
    backend = await createTestBackend({ guardBytes: 256 });
    await compileAhead(
      backend,
      OP_CASES.map((opCase) => ({ ...opCase.build(), tuning: plainTuning })),
    );
  }, 120_000);
  afterAll(() => backend.dispose());

  it.each(OP_CASES.map((opCase) => [opCase.name, opCase] as const))('%s', async (_name, opCase) => {
    const { ok, message } = await runOpCase(backend, opCase, {
      checkGuards: (program, outputs) =>
        program instanceof WebgpuProgram ? program.findOverwritten(outputs) : Promise.resolve('no WebGPU program'),
    });
    expect(ok, message).toBe(true);
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });
});
