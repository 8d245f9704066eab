/** Finds AutoencoderKL and builds its graphs. */
import { GraphBuilder } from '../../graph/builder';
import { weightResolver } from '../../graph/weights';
import { mapWeights } from '../names';
import type { BuiltGraph, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';
import { readKlVae, vaeLayout, type KlVaeConfig } from './config';
import { klVaeLayers } from './names';
import { klDecoder, klEncoder, packNormalised, unpackNormalised } from './network';

/** The autoencoder in a view, or undefined. */
export function findKlVae(view: TensorView, file: string): ModelPart<KlVaeConfig> | undefined {
  const layout = vaeLayout(view);
  // Attention tensors alone are a patch for another file, not an autoencoder.
  if (!layout || !(view.has('decoder.conv_in.weight') || view.has('encoder.conv_in.weight'))) return undefined;
  const config = readKlVae(view, layout);
  const nested = view.has('decoder.post_quant_conv.weight') || view.has('encoder.quant_conv.weight');
  const weights = mapWeights(klVaeLayers(config, nested), view, layout);
  return { role: 'vae', architecture: 'kl-vae', layout, prefix: view.prefix, config, weights, file };
}

/** Pixels per raw latent cell. */
export function klStride(config: KlVaeConfig): number {
  const levels = config.decoder?.levels ?? config.encoder?.levels ?? [];
  return 2 ** levels.filter((level) => level.resample).length;
}

export interface KlVaeSpec {
  readonly batch: number;
  /** Cells of the latent that goes in or out: raw, or the denoiser's. */
  readonly height: number;
  readonly width: number;
  readonly range: 'model' | 'raw';
  /** model = (raw - shift) · scale */
  readonly scale: number;
  readonly shift: number;
  readonly circular?: boolean;
}

/** Channels and size of raw latents for a spec; FLUX.2's model-side latents are packed 2x2. */
function packs(config: KlVaeConfig, spec: KlVaeSpec): boolean {
  return config.batchNorm && spec.range === 'model';
}

/** Decoder graph. Input `latent` image; output `pixels` image [N, 3, H, W], 0..1 for `model`, -1..1 for `raw`. */
export function buildKlDecoder(part: ModelPart<KlVaeConfig>, spec: KlVaeSpec): BuiltGraph {
  const { config, weights } = part;
  const { batch, height, width, range, scale, shift, circular = false } = spec;
  const g = GraphBuilder.create('vae decoder', weightResolver(weights), { circular });
  const channels = packs(config, spec) ? 4 * config.latentChannels : config.latentChannels;
  const input = g.input('latent', [batch, channels, height, width], { layout: 'image' });
  let raw = input;
  if (packs(config, spec)) raw = unpackNormalised(g, input);
  else if (range === 'model') raw = g.unary(input, { kind: 'affine', scale: 1 / scale, offset: shift });
  g.tap('raw_latent', raw);
  const pixels = klDecoder(g, config, raw);
  g.output('pixels', range === 'model' ? g.unary(pixels, { kind: 'affine', scale: 0.5, offset: 0.5 }) : pixels);
  return { graph: g.finish(), weights };
}

/**
 * Encoder graph. Input `pixels` image [N, 3, H, W], 0..1 for `model`, -1..1 for `raw`. Outputs `latent` (the mean, in
 * the asked range), and for `raw` also `logvar`, clamped to -30..20.
 */
export function buildKlEncoder(part: ModelPart<KlVaeConfig>, spec: KlVaeSpec): BuiltGraph {
  const { config, weights } = part;
  const { batch, height, width, range, scale, shift, circular = false } = spec;
  const g = GraphBuilder.create('vae encoder', weightResolver(weights), { circular });
  const stride = klStride(config) * (packs(config, spec) ? 2 : 1);
  const pixels = g.input('pixels', [batch, 3, height * stride, width * stride], { layout: 'image' });
  const x = range === 'model' ? g.unary(pixels, { kind: 'affine', scale: 2, offset: -1 }) : pixels;
  const moments = klEncoder(g, config, x);
  const [mean, logvar] = g.split(moments, 1, [config.latentChannels, config.latentChannels]);
  if (mean && logvar) {
    if (packs(config, spec)) g.output('latent', packNormalised(g, mean));
    else if (range === 'model') g.output('latent', g.unary(mean, { kind: 'affine', scale, offset: -shift * scale }));
    else {
      g.output('latent', mean);
      g.output('logvar', g.unary(logvar, { kind: 'clamp', min: -30, max: 20 }));
    }
  }
  return { graph: g.finish(), weights };
}
