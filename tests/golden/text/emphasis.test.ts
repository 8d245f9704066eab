import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { EmphasisMode } from '../../../src/lib/prompt/attention';
import { applyEmphasis } from '../../../src/lib/prompt/emphasis';
import { describeGolden, textPath } from './text_data';
import { expectWithin } from '../within';

interface EmphasisCase {
  readonly id: string;
  readonly mode: Exclude<EmphasisMode, 'ComfyUI'>;
  readonly z: string;
  readonly multipliers: string;
  readonly expected: string;
}

/** All f32 tensors of a small safetensors file; a test must not depend on the product's own reader. */
function readTensors(path: string): Map<string, { shape: number[]; values: Float32Array }> {
  const file = readFileSync(path);
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + headerLength).toString('utf8')) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    expect(entry.dtype).toBe('F32');
    const [begin, end] = entry.data_offsets;
    const bytes = Uint8Array.from(file.subarray(8 + headerLength + begin, 8 + headerLength + end));
    tensors.set(name, { shape: entry.shape, values: new Float32Array(bytes.buffer) });
  }
  return tensors;
}

describeGolden<{ tensors: string; cases: readonly EmphasisCase[] }>('prompts/emphasis.json', (data) => {
  const path = textPath(`prompts/${data.tensors}`);
  if (path === undefined) {
    it.skip(`skipped: no text/prompts/${data.tensors} in the golden folder`, () => undefined);
    return;
  }
  const tensors = readTensors(path);
  it.each(data.cases.map((c) => [`${c.id} ${c.mode}`, c] as const))('%s: the same numbers', (_, c) => {
    const z = tensors.get(c.z)!;
    const expected = tensors.get(c.expected)!.values;
    const weights = tensors.get(c.multipliers)!;
    // The whole batch in one array, and as rows of their own: both are the batch's mean.
    const batch = weights.shape[0]!;
    const row = (all: Float32Array, i: number) =>
      all.subarray((i * all.length) / batch, ((i + 1) * all.length) / batch);
    const rows = Array.from({ length: batch }, (_, i) => ({
      hidden: row(z.values, i),
      weights: row(weights.values, i),
    }));
    const split = applyEmphasis(rows, c.mode).flatMap((part) => [...part]);
    const [ours] = applyEmphasis([{ hidden: z.values, weights: weights.values }], c.mode);
    expect(ours!.length).toBe(expected.length);
    split.forEach((value, i) => expectWithin(Math.abs(value - ours![i]!), 1e-6 + 1e-6 * Math.abs(value)));
    ours!.forEach((value, i) => {
      const wanted = expected[i]!;
      expectWithin(Math.abs(value - wanted), 1e-5 + 1e-5 * Math.abs(wanted));
    });
  });
});
