/** Chroma's modulations: one small network computes all of them from time and index. Source: lodestone-rock/flow; diffusers `transformer_chroma.py`. */
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { oneModulation, twoModulations } from '../dit/blocks';
import type { Flux1Config } from '../flux1/config';
import type { Modulations } from '../dit/stream_transformer';

/** torch's default eps of RMSNorm: the machine epsilon of f32. */
const EPS = 2 ** -23;

/** Every modulation vector [N, count, width], in the order: single blocks, image streams, text streams, output. */
function allVectors(g: GraphBuilder, config: Flux1Config, timestep: Value, count: number): Value {
  const { approximator, width } = config;
  if (!approximator) return timestep;
  const { hidden, layers, inWidth } = approximator;
  const batch = timestep.shape[0] ?? 1;
  const quarter = inWidth / 4;
  const ones = (length: number) => g.constant(new Float32Array(length).fill(1), [1, length, 1]);
  const spread = (features: Value) => g.mul(g.reshape(features, [batch, 1, features.shape[1] ?? 0]), ones(count));
  const time = g.timestepEmbedding(timestep, { dim: quarter, scale: 1000 });
  const guidance = g.timestepEmbedding(g.constant(new Float32Array(batch), [batch]), { dim: quarter });
  const index = g.timestepEmbedding(
    g.constant(
      Float32Array.from({ length: count }, (_, i) => i),
      [count],
    ),
    {
      dim: 2 * quarter,
      scale: 1000,
    },
  );
  const rows = g.mul(
    g.reshape(index, [1, count, 2 * quarter]),
    g.constant(new Float32Array(batch).fill(1), [batch, 1, 1]),
  );
  const at = g.at('distilled_guidance_layer');
  let x = at.linear(g.concat([spread(time), spread(guidance), rows], 2), 'in_proj', { out: hidden });
  for (let i = 0; i < layers; i += 1) {
    const normed = at.rmsNorm(x, `norms.${i}.weight`, { eps: EPS });
    const h = at.linear(normed, `layers.${i}.linear_1`, { out: hidden, activation: 'silu' });
    x = g.add(x, at.linear(h, `layers.${i}.linear_2`, { out: hidden }));
  }
  const out = at.linear(x, 'out_proj', { out: width });
  g.tap('approximator', out);
  return out;
}

/** The modulations of a run, for the shared FLUX blocks. */
export function approximatedModulations(g: GraphBuilder, config: Flux1Config, timestep: Value): Modulations {
  const { singleBlocks, doubleBlocks } = config;
  const count = 3 * singleBlocks + 12 * doubleBlocks + 2;
  const vectors = allVectors(g, config, timestep, count);
  const one = (index: number) => g.slice(vectors, 1, index, 1);
  const take = (start: number, length: number) => Array.from({ length }, (_, i) => one(start + i));
  const images = 3 * singleBlocks;
  const texts = images + 6 * doubleBlocks;
  return {
    double: (i) => ({ image: twoModulations(take(images + 6 * i, 6)), text: twoModulations(take(texts + 6 * i, 6)) }),
    single: (i) => oneModulation(take(3 * i, 3)),
    final: { shift: one(count - 2), scale: one(count - 1) },
  };
}
