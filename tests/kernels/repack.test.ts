/** Weights that the device brings into order hold the bits that the host would give them, whole and in several chunks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { repackDifferences, type RepackCase } from '../../src/lib/backends/webgpu/self_test_repack';
import { plainTuning } from '../../src/lib/backends/webgpu/tuning';
import { BLOCK_LAYOUTS } from '../../src/lib/backends/webgpu/weights/block_layouts';
import { isQuantTypeId } from '../../src/lib/quant/registry';
import { createTestBackend } from './test_backend';

let backend: WebgpuBackend;
beforeAll(async () => {
  backend = await createTestBackend({ tuning: { ...plainTuning, deviceRepack: true } });
});
afterAll(() => backend.dispose());

const blocks = Object.entries(BLOCK_LAYOUTS).flatMap(([type, { blockElems }]): RepackCase[] =>
  isQuantTypeId(type)
    ? [
        { type, shape: [3, 3 * blockElems], form: 'matrix' },
        { type, shape: [1, blockElems], form: 'matrix' },
      ]
    : [],
);
const rows = (['F32', 'F16', 'BF16', 'F8_E4M3'] as const).flatMap((type): RepackCase[] => [
  { type, shape: [5, 7, 3, 3], form: 'conv' },
  { type, shape: [3, 8, 1, 1], form: 'conv' },
  { type, shape: [5, 13], form: 'matrix' },
]);
const CASES: readonly RepackCase[] = [
  ...blocks,
  ...rows,
  { type: 'NF4', shape: [5, 64], form: 'matrix' },
  { type: 'NF4', shape: [1, 24, 2, 2], form: 'conv' },
  // More than one chunk of a million elements, the last of an odd number of blocks.
  { type: 'Q4_0', shape: [3, 32 * 11_001], form: 'matrix' },
  { type: 'F16', shape: [700, 171, 3, 3], form: 'conv' },
];

describe('weights repacked on the device', () => {
  it.each(CASES.map((one) => [`${one.type} [${one.shape.join(', ')}]`, one] as const))('%s', async (_name, one) => {
    expect(await repackDifferences(backend, one)).toBe(0);
    expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });
});
