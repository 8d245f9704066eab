import type { Activation } from '../../../graph/ops/activation';
import { NORMS, OFFSET_NORMS } from '../bounds';
import { opCase, type OpCase } from '../op_case';

interface Options {
  readonly why: string;
  /** Mean of the inputs, in standard deviations of 1. */
  readonly offset?: number;
  readonly scale?: number;
}

function data({ offset, scale }: Options) {
  return { ...(offset === undefined ? {} : { offset }), ...(scale === undefined ? {} : { scale }) };
}

const caseOptions = (o: Options) => ({ why: o.why, bound: o.offset ? OFFSET_NORMS : NORMS });

function group(
  shape: readonly [number, number, number, number],
  groups: number,
  o: Options & { eps?: number; activation?: Activation },
): OpCase {
  const { eps = 1e-5, activation } = o;
  const params = { shape, groups, eps, ...data(o), ...(activation ? { activation } : {}) };
  return opCase('groupNorm', params, caseOptions(o), (s) => {
    const c = shape[1];
    const inputs = [s.image('x', shape, data(o)), s.weight('weight', [c]), s.weight('bias', [c])];
    return s.g.op('groupNorm', inputs, { groups, eps, ...(activation ? { activation } : {}) });
  });
}

function layer(shape: readonly number[], o: Options & { affine?: 'both' | 'weight' | 'none'; eps?: number }): OpCase {
  const { affine = 'both', eps = 1e-5 } = o;
  const d = shape.at(-1) ?? 1;
  return opCase('layerNorm', { shape, affine, eps, ...data(o) }, caseOptions(o), (s) => {
    const weight = affine === 'none' ? undefined : s.weight('weight', [d]);
    const bias = affine === 'both' ? s.weight('bias', [d]) : undefined;
    return s.g.op('layerNorm', [s.plain('x', shape, data(o)), weight, bias], { eps });
  });
}

function rms(shape: readonly number[], size: number, o: Options & { weight?: false; eps?: number }): OpCase {
  const { eps = 1e-6 } = o;
  const params = { shape, size, eps, weight: o.weight ?? true, ...data(o) };
  return opCase('rmsNorm', params, caseOptions(o), (s) => {
    const weight = o.weight === false ? undefined : s.weight('weight', [size]);
    return s.g.op('rmsNorm', [s.plain('x', shape, data(o)), weight], { eps, size });
  });
}

export const normCases: readonly OpCase[] = [
  group([1, 32, 1, 1], 1, { why: 'one pixel' }),
  group([2, 32, 8, 8], 32, { why: 'one channel per group' }),
  group([1, 64, 7, 9], 32, { why: 'odd picture' }),
  group([2, 96, 5, 3], 32, { why: 'three channels per group, few pixels' }),
  group([1, 6, 33, 31], 3, { why: 'many pixels' }),
  group([1, 32, 65, 67], 2, { why: 'long runs: several chunks' }),
  group([1, 64, 8, 8], 32, { why: 'with activation', activation: 'silu' }),
  group([1, 32, 6, 6], 8, { why: 'relu', activation: 'relu' }),
  group([1, 32, 16, 16], 4, { why: 'large mean: variance by subtraction fails', offset: 30 }),
  group([1, 32, 8, 8], 4, { why: 'squares leave the f16 range', scale: 8000 }),
  group([1, 32, 8, 8], 4, { why: 'eps decides', scale: 1e-3, eps: 1e-6 }),
  layer([1, 1, 8], { why: 'one token' }),
  layer([2, 77, 33], { why: 'odd width' }),
  layer([1, 5, 1025], { why: 'one over a workgroup' }),
  layer([70, 64], { why: 'two axes' }),
  layer([2, 9, 48], { why: 'weight only', affine: 'weight' }),
  layer([2, 9, 48], { why: 'no weight', affine: 'none', eps: 1e-6 }),
  layer([1, 9, 128], { why: 'large mean', offset: 30 }),
  layer([1, 9, 128], { why: 'squares leave the f16 range', scale: 8000 }),
  layer([1, 9, 128], { why: 'eps decides', scale: 1e-3 }),
  rms([1, 1, 8], 8, { why: 'one token' }),
  rms([2, 19, 96], 96, { why: 'whole axis' }),
  rms([2, 19, 96], 24, { why: 'per head' }),
  rms([1, 3, 4099], 4099, { why: 'long prime' }),
  rms([1, 70, 128], 128, { why: 'no weight', weight: false }),
  rms([1, 9, 256], 64, { why: 'squares leave the f16 range', scale: 8000 }),
  rms([1, 9, 256], 256, { why: 'eps decides', scale: 1e-3, eps: 1e-6 }),
];
