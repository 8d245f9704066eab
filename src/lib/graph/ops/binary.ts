import { broadcastShapes, elementCount, formatShape } from '../../base/shape';
import { defineOp, required, shapeError } from './define';

export interface BinaryAttrs {
  readonly kind: 'add' | 'sub' | 'mul';
}

/** Element-wise arithmetic with numpy broadcasting. Both images (then [N|1, C|1, H|1, W|1]) or both plain. */
export const binary = defineOp<BinaryAttrs>()({
  name: 'binary',
  summary: 'y = a ∘ b, with broadcasting',
  inputs: ['a', 'b'],
  infer(inputs, { kind }) {
    const a = required('binary', inputs, 0, 'a');
    const b = required('binary', inputs, 1, 'b');
    const shape = broadcastShapes(a.shape, b.shape);
    if (!shape || a.layout !== b.layout || a.elementType !== b.elementType) {
      throw shapeError(
        'binary',
        `${kind} needs operands that broadcast`,
        `${formatShape(a.shape)} (${a.layout}, ${a.elementType}) and ${formatShape(b.shape)} (${b.layout}, ${b.elementType})`,
      );
    }
    return { ...a, shape };
  },
  flops: (_inputs, _attrs, output) => elementCount(output.shape),
});
