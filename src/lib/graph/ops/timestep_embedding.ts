import { elementCount } from '../../base/shape';
import { defineOp, f32, required, requireRank, shapeError } from './define';

export interface TimestepEmbeddingAttrs {
  /** Output width, even. */
  readonly dim: number;
  /** Which half comes first: `cos` in SD and FLUX, `sin` in the LCM guidance features. */
  readonly first: 'cos' | 'sin';
  readonly maxPeriod: number;
  /** Subtracted from dim/2 in the exponent's denominator: 0 in SD and FLUX, 1 in LCM. */
  readonly freqShift: number;
  /** Multiplies t first: 1000 where t is in 0..1. */
  readonly scale: number;
}

/** Sinusoidal features of t `[N]`, y `[N, dim]`. Source: Vaswani et al. 2017; Ho et al. 2020. */
export const timestepEmbedding = defineOp<TimestepEmbeddingAttrs>()({
  name: 'timestepEmbedding',
  summary: 'y = [cos, sin](scale · t · maxPeriod^(-i / (dim/2 - freqShift)))',
  inputs: ['t'],
  infer(inputs, { dim }) {
    const t = required('timestepEmbedding', inputs, 0, 't');
    requireRank('timestepEmbedding', 't', t, 1);
    if (dim < 2 || dim % 2 !== 0) throw shapeError('timestepEmbedding', 'dim must be even', dim);
    return f32([t.shape[0] ?? 0, dim]);
  },
  flops: (_inputs, _attrs, output) => 4 * elementCount(output.shape),
});
