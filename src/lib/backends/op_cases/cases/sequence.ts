import { ARITHMETIC, MOVED, SINUSOIDS } from '../bounds';
import { opCase, type OpCase } from '../op_case';
import type { CaseWeightType } from '../packed';

function embedding(n: number, t: number, count: number, d: number, type: CaseWeightType, why: string): OpCase {
  return opCase('embedding', { n, t, count, d, type }, { why, bound: { f32: 1e-14, f16: MOVED.f16 } }, (s) =>
    s.g.op('embedding', [s.ids('ids', [n, t], count), s.weight('weight', [count, d], { type })], {}),
  );
}

function rope(
  n: number,
  t: number,
  heads: number,
  d: number,
  pairing: 'interleaved' | 'halves',
  batch: number,
): OpCase {
  const why = batch === 1 ? 'positions for all pictures' : 'positions per picture';
  return opCase('rope', { n, t, heads, d, pairing, batch }, { why, bound: ARITHMETIC }, (s) => {
    const angles = Float32Array.from({ length: (batch * t * d) / 2 }, (_, i) => 0.37 * i);
    const shape = [batch, t, d / 2];
    const cos = s.data('cos', shape, angles.map(Math.cos));
    const sin = s.data('sin', shape, angles.map(Math.sin));
    return s.g.rope(s.plain('x', [n, t, heads * d]), cos, sin, { heads, pairing });
  });
}

const times = Float32Array.of(0, 0.25, 1, 37.5, 499, 999);

export const sequenceCases: readonly OpCase[] = [
  embedding(1, 1, 1, 8, 'F32', 'one row'),
  embedding(2, 77, 300, 33, 'F32', 'odd width'),
  embedding(2, 9, 100, 64, 'F16', 'stored type'),
  embedding(2, 9, 100, 64, 'BF16', 'stored type'),
  embedding(2, 9, 100, 64, 'Q8_0', 'stored type'),
  embedding(1, 9, 50, 256, 'Q4_K', 'stored type'),
  embedding(1, 9, 50, 256, 'Q6_K', 'stored type'),
  opCase('gatherToken', { n: 3, t: 7, d: 33 }, { bound: MOVED }, (s) =>
    s.g.gatherToken(s.plain('x', [3, 7, 33]), s.data('index', [3], Int32Array.of(6, 0, 3))),
  ),
  ...(['cos', 'sin'] as const).flatMap((first) =>
    [0, 1].map((freqShift) =>
      opCase('timestepEmbedding', { dim: 32, first, freqShift }, { why: 'phases to 999 rad', bound: SINUSOIDS }, (s) =>
        s.g.timestepEmbedding(s.data('t', [times.length], times), { dim: 32, first, freqShift }),
      ),
    ),
  ),
  opCase('timestepEmbedding', { dim: 2, maxPeriod: 100 }, { why: 'one frequency', bound: SINUSOIDS }, (s) =>
    s.g.timestepEmbedding(s.data('t', [times.length], times), { dim: 2, maxPeriod: 100 }),
  ),
  opCase('timestepEmbedding', { dim: 64, scale: 1000 }, { why: 't in 0..1', bound: SINUSOIDS }, (s) =>
    s.g.timestepEmbedding(s.data('t', [3], Float32Array.of(0.001, 0.5, 1)), { dim: 64, scale: 1000 }),
  ),
  ...(['interleaved', 'halves'] as const).flatMap((pairing) => [
    rope(1, 1, 1, 2, pairing, 1),
    rope(2, 7, 3, 10, pairing, 1),
    rope(2, 7, 3, 10, pairing, 2),
    rope(1, 33, 2, 128, pairing, 1),
  ]),
];
