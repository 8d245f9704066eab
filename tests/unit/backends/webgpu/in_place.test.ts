/** Which results take the place of what they are made of; limits.test.ts shows what that saves at true size. */
import { describe, expect, it } from 'vitest';
import { recordProgram } from '../../../../src/lib/backends/webgpu/recorder';
import { plainTuning } from '../../../../src/lib/backends/webgpu/tuning';
import { optimize } from '../../../../src/lib/graph/passes/optimize';
import { IN_PLACE_CASES } from '../../../kernels/in_place_cases';

const options = { maxBindingBytes: 2 ** 31 - 4, dispatchFlops: 3e10, tuning: plainTuning };

describe.each(IN_PLACE_CASES)('$name', ({ file, binding, build }) => {
  const dispatchOf = (lives: boolean) => {
    const { graph, weights } = build(lives);
    const found = recordProgram(optimize(graph), weights, options).dispatches.filter(
      ({ kernel, inPlace }) => kernel.includes(file) && inPlace && binding in inPlace,
    );
    // Operators of the frame are unary or binary too: theirs come first and last.
    return file === 'unary' ? found.slice(1, 2) : found.slice(0, 1);
  };

  it('takes the place of a tensor that nobody reads afterwards', () => {
    for (const { bindings, params, inPlace } of dispatchOf(false)) {
      expect(bindings[binding]).toBeUndefined();
      expect(params).toMatchObject(inPlace?.[binding] ?? { missing: true });
    }
    expect(dispatchOf(false)).toHaveLength(1);
  });

  it('leaves one alone that is read again', () => {
    const [dispatch] = dispatchOf(true);
    expect(dispatch?.bindings[binding]).toBeDefined();
  });
});
