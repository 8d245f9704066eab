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
  infer(inputs, { dim, freqShift }) {
    const t = required('timestepEmbedding', inputs, 0, 't');
    requireRank('timestepEmbedding', 't', t, 1);
    if (dim < 2 || dim % 2 !== 0) throw shapeError('timestepEmbedding', 'dim must be even', dim);
    if (!(freqShift < dim / 2))
      throw shapeError('timestepEmbedding', `freqShift must be below dim/2 = ${dim / 2}`, freqShift);
    return f32([t.shape[0] ?? 0, dim]);
  },
  flops: (_inputs, _attrs, output) => 4 * elementCount(output.shape),
});

/**
 * The `dim/2` frequencies, rounded to f32 after every step as PyTorch does: phases reach 1000 rad, where the last bit
 * of a frequency moves the result by 6e-5. Every backend takes its table from here.
 * Source: diffusers, `get_timestep_embedding`.
 */
export function timestepFrequencies({ dim, maxPeriod, freqShift }: TimestepEmbeddingAttrs): Float32Array {
  const half = dim / 2;
  const slope = Math.fround(-Math.log(maxPeriod));
  const divisor = Math.fround(half - freqShift);
  return Float32Array.from({ length: half }, (_, i) => Math.exp(Math.fround(Math.fround(slope * i) / divisor)));
}
