import { defineOp, f32, required, requireRank, shapeError } from './define';

/** Table rows by id. ids i32 `[N, T]`, weight `[V, D]`, y `[N, T, D]`. An id outside 0..V-1 is an error at run time. */
export const embedding = defineOp<Record<never, never>>()({
  name: 'embedding',
  summary: 'y = weight[ids]',
  inputs: ['ids', 'weight'],
  infer(inputs) {
    const ids = required('embedding', inputs, 0, 'ids');
    const weight = required('embedding', inputs, 1, 'weight');
    if (ids.elementType !== 'i32') throw shapeError('embedding', 'ids must be i32', ids.elementType);
    requireRank('embedding', 'ids', ids, 2);
    requireRank('embedding', 'weight', weight, 2);
    return f32([...ids.shape, weight.shape[1] ?? 0]);
  },
  flops: () => 0,
});
