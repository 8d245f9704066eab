/** Fused nodes compute what they computed apart, through every matrix kernel, and write nothing outside. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateOpCase, expectedOutput, nmse } from '../../src/lib/backends/op_cases/run_op_case';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import type { WebgpuProgram } from '../../src/lib/backends/webgpu/program';
import { recordProgram } from '../../src/lib/backends/webgpu/recorder';
import { DEFAULT_TILE, plainTuning, type GemmChoice } from '../../src/lib/backends/webgpu/tuning';
import { FUSION_CASES } from './fusion_cases';
import { compileAhead, createTestBackend } from './test_backend';

type Choice = readonly [string, GemmChoice];
const CHOICES: readonly Choice[] = [
  ['plain', { kernel: 'plain' }],
  ['skinny', { kernel: 'skinny' }],
  ['tiled', { kernel: 'tiled', tile: DEFAULT_TILE }],
];
const SPLIT: Choice = ['split', { kernel: 'tiled', tile: { ...DEFAULT_TILE, splits: 2 } }];
const choicesFor = (split = false) => (split ? [...CHOICES, SPLIT] : CHOICES);

let backend: WebgpuBackend;
beforeAll(async () => {
  backend = await createTestBackend({ guardBytes: 256 });
  await compileAhead(
    backend,
    FUSION_CASES.flatMap(({ build, split }) => {
      const data = build();
      return choicesFor(split).map(([, choice]) => ({ ...data, tuning: { ...plainTuning, gemm: () => choice } }));
    }),
  );
}, 300_000);
afterAll(() => backend.dispose());

describe.each(FUSION_CASES)('$name', ({ file, gone, build, split }) => {
  it.each(choicesFor(split))('%s', async (_name, choice) => {
    const data = build();
    const tuning = { ...plainTuning, gemm: () => choice };
    const options = { maxBindingBytes: 2 ** 27, dispatchFlops: 1e10, tuning };
    const files = recordProgram(data.graph, data.weights, options).dispatches.flatMap(({ kernel }) => kernel);
    expect(files).toContain(file);
    expect(files).not.toContain(gone);
    backend.setTuning(tuning);
    const found = await evaluateOpCase(backend, data, (program, outputs) =>
      (program as WebgpuProgram).findOverwritten(outputs),
    );
    expect(nmse(found.data, (await expectedOutput(data)).data)).toBeLessThan(1e-10);
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });
});

it('leaves a norm alone that two nodes read', () => {
  const { build } = FUSION_CASES[0]!;
  const data = build();
  const norm = data.graph.nodes.find(({ op }) => op === 'groupNorm')!;
  const graph = { ...data.graph, outputs: new Map([...data.graph.outputs, ['norm', norm.output]]) };
  const options = { maxBindingBytes: 2 ** 27, dispatchFlops: 1e10, tuning: plainTuning };
  const files = recordProgram(graph, data.weights, options).dispatches.flatMap(({ kernel }) => kernel);
  expect(files).toContain('group_norm_apply');
});
