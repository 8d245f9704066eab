/** Autoencoder graphs of a detected model: full or tiny, in the denoiser's latent space or raw. */
import { AppError } from '../base/errors';
import type { DetectedModel, VaeSpec } from './family';
import { buildKlDecoder, buildKlEncoder } from './kl_vae/build';
import type { KlVaeConfig } from './kl_vae/config';
import type { BuiltGraph, ModelPart } from './part';
import { buildTinyDecoder, buildTinyEncoder, tinyPacking } from './tiny_vae/build';
import type { TinyVaeConfig } from './tiny_vae/config';

type Side = 'decoder' | 'encoder';

function vaePart(model: DetectedModel, part: ModelPart | undefined, side: Side): ModelPart {
  const found = part ?? model.vae;
  const half = found?.config as { [S in Side]?: unknown } | undefined;
  if (found && half?.[side] !== undefined) return found;
  throw new AppError(
    'model/missing-part',
    `${model.label}: an autoencoder with ${side === 'decoder' ? 'a decoder' : 'an encoder'} is needed and none of the files has it; add an autoencoder file.`,
    { details: { model: model.label, part: 'vae', side } },
  );
}

function build(side: Side, model: DetectedModel, spec: VaeSpec, chosen: ModelPart | undefined): BuiltGraph {
  const part = vaePart(model, chosen, side);
  const { scale, shift } = model.latent;
  if (part.architecture === 'tiny-vae') {
    const tiny = part as ModelPart<TinyVaeConfig>;
    const packed = tinyPacking(tiny.config, model.family.latent) === 'packed';
    const tinySpec = { ...spec, packed };
    return side === 'decoder' ? buildTinyDecoder(tiny, tinySpec) : buildTinyEncoder(tiny, tinySpec);
  }
  const kl = part as ModelPart<KlVaeConfig>;
  const full = { ...spec, range: spec.range ?? 'model', scale, shift } as const;
  return side === 'decoder' ? buildKlDecoder(kl, full) : buildKlEncoder(kl, full);
}

/**
 * Decoder graph. Input `latent` image [N, C, h, w], output `pixels` image [N, 3, H, W], 0..1, not clamped.
 * @param part another autoencoder than `model.vae`, such as `model.previewVae`
 * @throws AppError 'model/missing-part'
 */
export function buildVaeDecoder(model: DetectedModel, spec: VaeSpec, part?: ModelPart): BuiltGraph {
  return build('decoder', model, spec, part);
}

/** Encoder graph. Input `pixels` image [N, 3, H, W], 0..1, output `latent` image [N, C, h, w]: the mean, no sampling. */
export function buildVaeEncoder(model: DetectedModel, spec: VaeSpec, part?: ModelPart): BuiltGraph {
  return build('encoder', model, spec, part);
}
