import { elementCount } from '../../base/shape';
import { defineOp, f32, lastAxis, required, shapeError } from './define';

export interface GatedActivationAttrs {
  readonly activation: 'gelu' | 'geluTanh' | 'silu';
  /** Which half of the last axis goes through the activation: SD's GEGLU `second`, FLUX.2's SwiGLU `first`. */
  readonly gate: 'first' | 'second';
}

/** GEGLU / SwiGLU: splits the last axis in two halves. x `[..., 2D]`, y `[..., D]`. Source: Shazeer 2020. */
export const gatedActivation = defineOp<GatedActivationAttrs>()({
  name: 'gatedActivation',
  summary: 'y = activation(gate half) · other half',
  inputs: ['x'],
  infer(inputs) {
    const x = required('gatedActivation', inputs, 0, 'x');
    const d = lastAxis('gatedActivation', 'x', x);
    if (d % 2 !== 0) throw shapeError('gatedActivation', 'the last axis must be even', x.shape);
    return f32([...x.shape.slice(0, -1), d / 2]);
  },
  flops: (_inputs, _attrs, output) => 6 * elementCount(output.shape),
});
