import { defineOp, f32, required, requireRank, requireShape, shapeError } from './define';

/** One token of each sequence. x `[N, T, D]`, index i32 `[N]`, y `[N, D]`. */
export const gatherToken = defineOp<Record<never, never>>()({
  name: 'gatherToken',
  summary: 'y[n] = x[n, index[n]]',
  inputs: ['x', 'index'],
  infer(inputs) {
    const x = required('gatherToken', inputs, 0, 'x');
    requireRank('gatherToken', 'x', x, 3);
    const [n = 0, , d = 0] = x.shape;
    const index = required('gatherToken', inputs, 1, 'index');
    requireShape('gatherToken', 'index', index, [n]);
    if (index.elementType !== 'i32') throw shapeError('gatherToken', 'index must be i32', index.elementType);
    return f32([n, d]);
  },
  flops: () => 0,
});
