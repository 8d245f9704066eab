/** The FLUX.1 transformer as a graph. Source: black-forest-labs/flux, `src/flux/model.py`, `modules/layers.py`. */
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { chunks, embedMlp, oneModulation, twoModulations } from '../dit/blocks';
import { gridPositions } from '../dit/rope_table';
import { streamTransformer, type Modulations, type StreamTransformerParts } from '../dit/stream_transformer';
import type { Flux1Config } from './config';

const parts = ({ width, mlpWidth }: Flux1Config): StreamTransformerParts => ({
  bias: true,
  feedForward: (g, x) =>
    g.linear(g.linear(x, 'net.0.proj', { out: mlpWidth, activation: 'geluTanh' }), 'net.2', { out: width }),
  singleMlp: (g, x) => g.linear(x, 'proj_mlp', { out: mlpWidth, activation: 'geluTanh' }),
  singleOut: 'proj_out',
});

/** Modulations from a layer in each block, as FLUX.1 has them. `vector` is the activated conditioning vector. */
export function layeredModulations(g: GraphBuilder, config: Flux1Config, vector: Value): Modulations {
  const { width } = config;
  const of = (name: string, count: number) => chunks(g, g.linear(vector, name, { out: count * width }), count);
  const final = (name: string) => g.reshape(g.linear(vector, name, { out: width }), [vector.shape[0] ?? 1, 1, width]);
  return {
    double: (i) => ({
      image: twoModulations(of(`transformer_blocks.${i}.norm1.linear`, 6)),
      text: twoModulations(of(`transformer_blocks.${i}.norm1_context.linear`, 6)),
    }),
    single: (i) => oneModulation(of(`single_transformer_blocks.${i}.norm.linear`, 3)),
    final: { shift: final('norm_out.shift'), scale: final('norm_out.scale') },
  };
}

/** FLUX.1's conditioning vector [N, width]: time, guidance and pooled text, added, then activated. */
export function conditioningVector(
  g: GraphBuilder,
  { width }: Flux1Config,
  inputs: { timestep: Value; guidance?: Value; pooled?: Value },
): Value {
  const top = g.at('time_text_embed');
  const sinusoid = (t: Value) => g.timestepEmbedding(t, { dim: 256, scale: 1000 });
  const features = sinusoid(inputs.timestep);
  g.tap('timestep_features', features);
  let vector = embedMlp(top, features, 'timestep_embedder', { width });
  if (inputs.guidance) vector = g.add(vector, embedMlp(top, sinusoid(inputs.guidance), 'guidance_embedder', { width }));
  if (inputs.pooled) vector = g.add(vector, embedMlp(top, inputs.pooled, 'text_embedder', { width }));
  top.tap('', vector);
  return g.activation(vector, 'silu');
}

/**
 * The transformer; text tokens sit at position (0, 0, 0), image tokens at (0, row, column).
 * @param tokens image tokens [N, height · width, inWidth]
 * @param bias attention bias over text and image keys [N, 1, 1, T + L]
 * @returns velocity tokens [N, L, outWidth]
 */
export function flux1(
  g: GraphBuilder,
  config: Flux1Config,
  inputs: { tokens: Value; context: Value; modulations: Modulations; height: number; width: number; bias?: Value },
): Value {
  const { height, width, ...streams } = inputs;
  const positions = [
    ...Array.from({ length: streams.context.shape[1] ?? 0 }, () => [0, 0, 0]),
    ...gridPositions(height, width, (row, column) => [0, row, column]),
  ];
  return streamTransformer(g, config, parts(config), { ...streams, positions });
}
