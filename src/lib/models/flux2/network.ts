/** The FLUX.2 transformer as a graph: as FLUX.1, with shared modulations, gated feed-forwards and no biases. */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import { chunks, embedMlp, oneModulation, twoModulations } from '../dit/blocks';
import { gridPositions } from '../dit/rope_table';
import { streamTransformer, type Modulations, type StreamTransformerParts } from '../dit/stream_transformer';
import type { DenoiserSpec } from '../family';
import type { BuiltGraph, ModelPart } from '../part';
import { checkAxes } from '../flux1/config';
import type { Flux2Config } from './flux2';

const parts = ({ width, mlpWidth }: Flux2Config): StreamTransformerParts => {
  const gatedHalf = (g: GraphBuilder, x: Value, layer: string) =>
    g.gatedActivation(g.linear(x, layer, { out: 2 * mlpWidth, bias: false }), { activation: 'silu', gate: 'first' });
  return {
    bias: false,
    feedForward: (g, x) => g.linear(gatedHalf(g, x, 'linear_in'), 'linear_out', { out: width, bias: false }),
    singleMlp: (g, x) => gatedHalf(g, x, 'proj_mlp'),
    singleOut: 'attn.to_out',
  };
};

/** One set of modulations for all double blocks and one for all single blocks, from the conditioning vector [N, width]. */
function sharedModulations(g: GraphBuilder, { width }: Flux2Config, vector: Value): Modulations {
  const of = (name: string, count: number) => {
    const all = g.linear(vector, `${name}.linear`, { out: count * width, bias: false });
    g.tap(name, all);
    return chunks(g, all, count);
  };
  const final = (name: string) =>
    g.reshape(g.linear(vector, name, { out: width, bias: false }), [vector.shape[0] ?? 1, 1, width]);
  const double = {
    image: twoModulations(of('double_stream_modulation_img', 6)),
    text: twoModulations(of('double_stream_modulation_txt', 6)),
  };
  const single = oneModulation(of('single_stream_modulation', 3));
  return {
    double: () => double,
    single: () => single,
    final: { shift: final('norm_out.shift'), scale: final('norm_out.scale') },
  };
}

/** The activated conditioning vector [N, width]: time and, where the model takes it, guidance. */
function conditioningVector(
  g: GraphBuilder,
  { width }: Flux2Config,
  inputs: { timestep: Value; guidance?: Value },
): Value {
  const top = g.at('time_guidance_embed');
  const sinusoid = (t: Value) => g.timestepEmbedding(t, { dim: 256, scale: 1000 });
  const size = { width, bias: false };
  let vector = embedMlp(top, sinusoid(inputs.timestep), 'timestep_embedder', size);
  if (inputs.guidance) vector = g.add(vector, embedMlp(top, sinusoid(inputs.guidance), 'guidance_embedder', size));
  top.tap('', vector);
  return g.activation(vector, 'silu');
}

/**
 * The denoiser's graph. `x` image [N, 128, h, w] (packed, normalised latents), `timestep` sigma in 0..1, `context`
 * joined Qwen3 states, `guidance` [N] where the model takes it. Output `prediction`: velocity.
 */
export function buildFlux2(part: ModelPart<Flux2Config>, spec: DenoiserSpec): BuiltGraph {
  const { config, weights } = part;
  const { batch, height, width, tokens } = spec;
  checkAxes(config);
  const g = GraphBuilder.create('flux2', weightResolver(weights));
  const x = g.input('x', [batch, config.inWidth, height, width], { layout: 'image' });
  const timestep = g.input('timestep', [batch]);
  const context = g.input('context', [batch, tokens, config.contextWidth]);
  const guidance = config.guidance ? { guidance: g.input('guidance', [batch]) } : {};
  const vector = conditioningVector(g, config, { timestep, ...guidance });
  // Text at (0, 0, 0, i), image at (0, row, column, 0).
  const positions = [
    ...Array.from({ length: tokens }, (_, i) => [0, 0, 0, i]),
    ...gridPositions(height, width, (row, column) => [0, row, column, 0]),
  ];
  const y = streamTransformer(g, config, parts(config), {
    tokens: g.imageToTokens(x),
    context,
    modulations: sharedModulations(g, config, vector),
    positions,
  });
  g.output('prediction', g.tokensToImage(y, height, width));
  return { graph: g.finish(), weights };
}
