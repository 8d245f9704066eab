/** Results that take the place of what they are made of: the same numbers as the reference's, whatever the kernel. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateOpCase, expectedOutput, nmse } from '../../src/lib/backends/op_cases/run_op_case';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import type { WebgpuProgram } from '../../src/lib/backends/webgpu/program';
import { DEFAULT_TILE, plainTuning, type GemmChoice } from '../../src/lib/backends/webgpu/tuning';
import { IN_PLACE_CASES } from './in_place_cases';
import { compileAhead, createTestBackend } from './test_backend';

/** A product whole, by split sums, and cut into dispatches. */
const CHOICES: readonly GemmChoice[] = [{ kernel: 'plain' }, { kernel: 'tiled', tile: { ...DEFAULT_TILE, splits: 2 } }];

let backend: WebgpuBackend;
const tunings = CHOICES.map((choice) => ({ ...plainTuning, gemm: () => choice }));
beforeAll(async () => {
  backend = await createTestBackend({ guardBytes: 256, dispatchFlops: 2000 });
  await compileAhead(
    backend,
    IN_PLACE_CASES.flatMap(({ build }) => tunings.map((tuning) => ({ ...build(), tuning }))),
  );
}, 300_000);
afterAll(() => backend.dispose());

describe.each(IN_PLACE_CASES)('$name', ({ file, build }) => {
  it.each(tunings.slice(0, file === 'lib/epilogue' ? 2 : 1))('%#', async (tuning) => {
    backend.setTuning(tuning);
    const data = build();
    const found = await evaluateOpCase(backend, data, (program, outputs) =>
      (program as WebgpuProgram).findOverwritten(outputs),
    );
    expect(nmse(found.data, (await expectedOutput(data)).data)).toBeLessThan(1e-10);
  });
});
