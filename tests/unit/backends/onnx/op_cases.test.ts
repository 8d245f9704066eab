/** The operator table on onnxruntime: every case within the table's own f32 bound, nothing left unsupported. */
import { describe, expect, it } from 'vitest';
import { runOpCase } from '../../../../src/lib/backends/op_cases/run_op_case';
import { OP_CASES } from '../../../../src/lib/backends/op_cases/table';
import { backendOn, RUNTIMES } from './runtimes';

describe.each(RUNTIMES)('onnx $id', (runtime) => {
  const backend = backendOn(runtime);

  it.each(OP_CASES.map((c) => [c.name, c] as const))('%s', async (_name, opCase) => {
    const { status, message } = await runOpCase(backend, opCase);
    expect(status, message).toBe('passed');
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });
});
