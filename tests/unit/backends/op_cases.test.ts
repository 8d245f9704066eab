/** The table itself: complete, deterministic, and able to see errors. */
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../../src/lib/backends/backend';
import { CASE_WEIGHT_TYPES, randomWeight } from '../../../src/lib/backends/op_cases/packed';
import { createRandom } from '../../../src/lib/backends/op_cases/random';
import { expectedOutput, runOpCase } from '../../../src/lib/backends/op_cases/run_op_case';
import { OP_CASES } from '../../../src/lib/backends/op_cases/table';
import { createReferenceBackend } from '../../../src/lib/backends/reference/backend';
import { AppError } from '../../../src/lib/base/errors';
import { loadWeight } from '../../../src/lib/graph/load_weight';
import { OPS } from '../../../src/lib/graph/ops/registry';

describe('op cases', () => {
  it('cover every operator, under names of their own', () => {
    const covered = new Set(OP_CASES.map((c) => c.op));
    expect(OPS.map((op) => op.name).filter((name) => !covered.has(name))).toEqual([]);
    expect(new Set(OP_CASES.map((c) => c.name)).size).toBe(OP_CASES.length);
  });

  it('use every input that an operator has', () => {
    const used = new Map<string, number>();
    for (const c of OP_CASES) {
      for (const node of c.build().graph.nodes) {
        const present = node.inputs.filter((id) => id !== undefined).length;
        used.set(node.op, Math.max(used.get(node.op) ?? 0, present));
      }
    }
    for (const op of OPS) expect(used.get(op.name), op.name).toBeGreaterThanOrEqual(op.inputs.length);
  });

  it('give finite results of sensible size, the same every time', async () => {
    for (const c of OP_CASES) {
      const [first, second] = [c.build(), c.build()];
      for (const [name, { data }] of Object.entries(first.inputs)) {
        const again = second.inputs[name]!.data;
        expect(data.every((value: number, i: number) => Object.is(value, again[i]))).toBe(true);
      }
      expect(first.bytes, c.name).toBeGreaterThan(0);
      const { data } = await expectedOutput(first);
      let largest = 0;
      for (const value of data) largest = Math.max(largest, Math.abs(value));
      expect(Number.isFinite(largest), c.name).toBe(true);
      expect(largest, c.name).toBeGreaterThan(1e-6);
      // Beyond 65504 an f16 engine could not hold the result.
      if (c.precisions.includes('f16') && c.params['kind'] !== 'exp') expect(largest, c.name).toBeLessThan(65504);
    }
  });

  it('decode to the wanted spread in every stored type', async () => {
    for (const type of CASE_WEIGHT_TYPES) {
      const weight = randomWeight('w', [64, 256], type, 0.05, createRandom(7));
      const values = await loadWeight(weight, [64, 256]);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const std = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
      expect(std, type).toBeGreaterThan(0.02);
      expect(std, type).toBeLessThan(0.12);
      expect(Math.abs(mean), type).toBeLessThan(0.02);
    }
  });

  it('are passed by the reference and by a backend that errs within the bound only', async () => {
    const reference = createReferenceBackend();
    const c = OP_CASES.find((candidate) => candidate.op === 'linear')!;
    expect(await runOpCase(reference, c)).toMatchObject({ status: 'passed', ok: true, error: 0 });
    const distorted = (change: (value: number) => number): Backend => ({
      id: 'distorted',
      label: '',
      info: {},
      streamsWeights: false,
      compile: (graph, weights) => reference.compile(graph, weights),
      plan: (graph, weights) => reference.plan(graph, weights),
      observe: () => undefined,
      upload: (tensor) => reference.upload(tensor),
      async download(tensor) {
        const { shape, data } = await reference.download(tensor);
        return { shape, data: Float32Array.from(data, change) };
      },
      lincomb: (terms) => reference.lincomb(terms),
      memory: () => reference.memory(),
      dispose: () => reference.dispose(),
    });
    expect(
      await runOpCase(
        distorted((v) => v * (1 + 1e-7)),
        c,
      ),
    ).toMatchObject({ ok: true });
    const off = await runOpCase(
      distorted((v) => v * 1.001),
      c,
    );
    expect(off).toMatchObject({ status: 'failed', ok: false });
    expect(off.message).toContain(c.name);
    expect(
      await runOpCase(
        distorted(() => NaN),
        c,
      ),
    ).toMatchObject({ ok: false });
    expect(reference.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
  });

  it('tell an unsupported operator from a failing one, and a guard that was hit', async () => {
    const reference = createReferenceBackend();
    const refusing = (code: 'backend/unsupported-op' | 'backend/compile'): Backend =>
      Object.assign(Object.create(reference) as Backend, {
        compile: () => Promise.reject(new AppError(code, 'no')),
      });
    const c = OP_CASES[0]!;
    expect(await runOpCase(refusing('backend/unsupported-op'), c)).toMatchObject({ status: 'unsupported', ok: false });
    expect(await runOpCase(refusing('backend/compile'), c)).toMatchObject({ status: 'failed', ok: false });
    const hit = await runOpCase(reference, c, {
      checkGuards: () => Promise.resolve('guard after "y" was overwritten'),
    });
    expect(hit).toMatchObject({ status: 'failed' });
    expect(hit.message).toContain('guard after');
  });
});
