/** Finds FLUX.1 and Chroma transformers and builds their graphs. */
import { approximatedModulations } from '../chroma/modulations';
import { GraphBuilder } from '../../graph/builder';
import { weightResolver } from '../../graph/weights';
import { maskBias } from '../dit/blocks';
import type { DenoiserSpec, ExtraInput } from '../family';
import { mapWeights } from '../names';
import type { BuiltGraph, ConfigHints, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';
import { checkAxes, flux1Layout, readFlux1, type Flux1Config } from './config';
import { flux1Layers } from './names';
import { conditioningVector, flux1, layeredModulations } from './network';

/** The transformer in a view, or undefined. */
export function findFlux1(view: TensorView, file: string, hints?: ConfigHints): ModelPart<Flux1Config> | undefined {
  const layout = flux1Layout(view);
  if (!layout) return undefined;
  const config = readFlux1(view, layout, hints);
  const weights = mapWeights(flux1Layers(config), view, layout);
  const architecture = config.approximator ? 'chroma' : 'flux1';
  return { role: 'denoiser', architecture, layout, prefix: view.prefix, config, weights, file };
}

/**
 * Channels that are joined to the latent's: 16 of a control picture's latent (Canny, Depth), or of Fill 16 of the masked
 * picture's latent and 64 of its mask.
 */
export function flux1PictureChannels({ inWidth, outWidth }: Flux1Config): number {
  return Math.max(0, inWidth - outWidth) / 4;
}

function pictureInput(config: Flux1Config): ExtraInput[] {
  const channels = flux1PictureChannels(config);
  if (channels === 0) return [];
  return [channels > config.outWidth / 4 ? 'inpaint' : 'concat'];
}

/** Inputs beyond x, timestep and context. */
export function flux1Inputs(config: Flux1Config): ExtraInput[] {
  return [
    ...(config.pooledWidth > 0 ? (['pooled'] as const) : []),
    ...(config.guidance ? (['guidance'] as const) : []),
    ...(config.approximator ? (['contextMask'] as const) : []),
    ...pictureInput(config),
  ];
}

/**
 * The denoiser's graph. `x` image [N, 16, h, w], `timestep` sigma in 0..1, `context` T5 states; `pooled`, `guidance`,
 * `contextMask` [N, T], `concat` image (control latent) or `inpaint` image (masked latent, then 64 mask channels) where
 * `flux1Inputs` lists them. Output `prediction`: velocity, shaped like x.
 */
export function buildFlux1(part: ModelPart<Flux1Config>, spec: DenoiserSpec): BuiltGraph {
  const { config, weights } = part;
  const { batch, height, width, tokens } = spec;
  checkAxes(config);
  const g = GraphBuilder.create(part.architecture, weightResolver(weights));
  const image = (name: string, values: number) =>
    g.input(name, [batch, values / 4, height, width], { layout: 'image' });
  let x = image('x', config.outWidth);
  const timestep = g.input('timestep', [batch]);
  const context = g.input('context', [batch, tokens, config.contextWidth]);
  for (const name of pictureInput(config)) x = g.concat([x, image(name, config.inWidth - config.outWidth)], 1);
  const cells = { height: height / 2, width: width / 2 };
  const packed = g.imageToTokens(g.pixelUnshuffle(x, 2, 'cyx'));
  const modulations = config.approximator
    ? approximatedModulations(g, config, timestep)
    : layeredModulations(
        g,
        config,
        conditioningVector(g, config, {
          timestep,
          ...(config.guidance ? { guidance: g.input('guidance', [batch]) } : {}),
          ...(config.pooledWidth > 0 ? { pooled: g.input('pooled', [batch, config.pooledWidth]) } : {}),
        }),
      );
  let bias;
  if (config.approximator) {
    const length = cells.height * cells.width;
    const textBias = maskBias(g, g.input('contextMask', [batch, tokens]));
    bias = g.concat([textBias, g.constant(new Float32Array(batch * length), [batch, 1, 1, length])], 3);
  }
  const y = flux1(g, config, { tokens: packed, context, modulations, ...cells, ...(bias ? { bias } : {}) });
  g.output('prediction', g.pixelShuffle(g.tokensToImage(y, cells.height, cells.width), 2, 'cyx'));
  return { graph: g.finish(), weights };
}
