/** Comparisons shared by the text suites. */
import { expect } from 'vitest';
import type { PromptChunk } from '../../../src/lib/prompt/chunks';
import type { WeightedText } from '../../../src/lib/prompt/attention';
import { expectWithin } from '../within';

const RELATIVE = 1e-12;

function expectNumber(actual: number, expected: number): void {
  if (actual === expected || (Number.isNaN(actual) && Number.isNaN(expected))) return;
  expectWithin(Math.abs(actual - expected), RELATIVE * Math.abs(expected), `${actual} against ${expected}`);
}

export function expectRuns(actual: readonly WeightedText[], expected: readonly (readonly [string, number])[]): void {
  expect(actual.map((run) => run.text)).toEqual(expected.map(([text]) => text));
  actual.forEach((run, i) => expectNumber(run.weight, expected[i]![1]));
}

export interface GoldenChunk {
  readonly tokens: readonly number[];
  readonly length: number;
  readonly multipliers: { readonly all: number } | readonly number[];
  readonly embeddings?: readonly (readonly [number, string])[];
}

/** Lists of weights may stop where the tokens stop; padding has weight 1. */
export function expectWeights(actual: readonly number[], chunk: GoldenChunk): void {
  const { multipliers } = chunk;
  expect(actual.length).toBe(chunk.length);
  actual.forEach((weight, i) => expectNumber(weight, 'all' in multipliers ? multipliers.all : (multipliers[i] ?? 1)));
}

/** The golden file lists a chunk up to its first end token; `padId` fills the rest. */
export function expectClipChunks(
  actual: readonly PromptChunk[],
  expected: readonly GoldenChunk[],
  padId: number,
): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((chunk, i) => {
    const { tokens, weights, embeddings } = actual[i]!;
    const fill = Array.from({ length: chunk.length - chunk.tokens.length }, () => padId);
    expect(tokens).toEqual([...chunk.tokens, ...fill]);
    expectWeights(weights, chunk);
    expect(embeddings.map((e) => [e.offset, e.name])).toEqual(chunk.embeddings ?? []);
  });
}
