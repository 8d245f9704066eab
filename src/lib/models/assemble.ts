/** From the parts of one or several files to a model that can run, or to a list of what is missing. */
import { AppError } from '../base/errors';
import type { TensorIndex } from '../formats/tensor_index';
import { findClip } from './clip/build';
import { declaredHints, hintsFor } from './declared';
import { detectFile, type DetectedFile } from './detect';
import type { DetectedModel, ExtraInput, LatentFormat, MissingPart, ModelFamily, Prediction } from './family';
import { fewStepVariant } from './few_step';
import { klStride } from './kl_vae/build';
import type { KlVaeConfig } from './kl_vae/config';
import type { HintTable, ModelPart, TextEncoderId } from './part';
import { FAMILIES, familyById } from './registry';
import { TensorView } from './tensor_view';
import { tinyPacking } from './tiny_vae/build';
import type { TinyVaeConfig } from './tiny_vae/config';
import { unetEvenCells, unetInputs, unetSkips } from './unet/build';
import type { UNetConfig } from './unet/config';

/** One half-file of a tiny autoencoder and the other: TAESD is published as two files. */
function joinTiny(parts: readonly ModelPart[]): ModelPart | undefined {
  const tiny = parts.filter((part): part is ModelPart<TinyVaeConfig> => part.architecture === 'tiny-vae');
  const decoder = tiny.find((part) => part.config.decoder);
  const encoder = tiny.find(
    (part) => part.config.encoder && part.config.latentChannels === (decoder ?? part).config.latentChannels,
  );
  if (!decoder || !encoder || decoder === encoder) return decoder ?? encoder;
  return {
    ...decoder,
    config: { ...decoder.config, encoder: encoder.config.encoder },
    weights: new Map([...encoder.weights, ...decoder.weights]),
  };
}

function latentChannels({ config }: ModelPart): number {
  const { batchNorm, latentChannels: channels } = config as Pick<KlVaeConfig, 'batchNorm' | 'latentChannels'>;
  return (batchNorm ? 4 : 1) * channels;
}

/** Whether an autoencoder makes latents of this format. */
export function fitsLatents(part: ModelPart, latent: LatentFormat): boolean {
  if (part.architecture === 'tiny-vae') return tinyPacking(part.config as TinyVaeConfig, latent) !== undefined;
  return latentChannels(part) === latent.channels;
}

/**
 * @throws AppError 'model/missing-part' when the files leave something out, with each part's label, and what was given in
 * its place
 */
export function assertComplete({ label, missing }: DetectedModel): void {
  if (missing.length === 0) return;
  const names = missing.map((part) => (part.unfit === undefined ? part.label : `${part.label} (${part.unfit})`));
  throw new AppError(
    'model/missing-part',
    `${label}: needs ${names.join(' and ')} as well; add ${missing.length > 1 ? 'their files' : 'its file'} to the model.`,
    { details: { missing: missing.map((part) => part.label) } },
  );
}

/**
 * Text encoders by slot. A stand-alone CLIP file of unusual width carries a guessed id; when the family wants another
 * CLIP and nothing better is there, it is read again as that one.
 */
function assignEncoders(family: ModelFamily, files: readonly DetectedFile[], hints: HintTable) {
  const found = new Map<TextEncoderId, ModelPart>();
  const spare: { part: ModelPart; file: DetectedFile }[] = [];
  for (const file of files) {
    for (const part of file.parts) {
      if (part.role !== 'text-encoder' || !part.encoder) continue;
      const wanted = family.encoders.some((slot) => slot.id === part.encoder);
      if (wanted && !found.has(part.encoder)) found.set(part.encoder, part);
      else spare.push({ part, file });
    }
  }
  for (const slot of family.encoders) {
    if (found.has(slot.id) || slot.tokenizer !== 'clip') continue;
    const at = spare.findIndex(({ part }) => part.architecture === 'clip');
    const [candidate] = at < 0 ? [] : spare.splice(at, 1);
    if (!candidate) continue;
    const { part, file } = candidate;
    const own = declaredHints(file.declared);
    const view = TensorView.of(file.index.tensors).below(part.prefix);
    const clip = findClip(view, file.file, { place: slot.id, hints: (id) => hintsFor(id, hints, own) });
    if (clip) found.set(slot.id, clip);
  }
  return found;
}

function latentOf(
  family: ModelFamily,
  denoiser: ModelPart,
  vae: ModelPart | undefined,
  files: readonly DetectedFile[],
) {
  const declared = files.find((file) => file.parts.includes(denoiser))?.declared.latent;
  const evenCells = denoiser.architecture === 'unet' ? unetEvenCells(denoiser.config as UNetConfig) : undefined;
  const stride = vae?.architecture === 'kl-vae' ? klStride(vae.config as KlVaeConfig) : undefined;
  const packed = vae?.architecture === 'kl-vae' && (vae.config as KlVaeConfig).batchNorm ? 2 : 1;
  const cell = stride === undefined ? family.latent.stride : stride * packed;
  const scale = cell / family.latent.stride;
  return {
    ...family.latent,
    ...declared,
    stride: cell,
    multiple: family.latent.multiple * scale,
    evenMultiple: evenCells === undefined ? family.latent.evenMultiple * scale : evenCells * cell,
  };
}

/** What caller, metadata or marker tensors say. */
function namedPrediction(file: DetectedFile | undefined, hints: HintTable): 'eps' | 'v' | undefined {
  const marked = file?.index.tensors.has('v_pred') ? 'v' : undefined;
  return hints.denoiser?.prediction ?? file?.declared.prediction ?? marked;
}

function predictionOf(family: ModelFamily, file: DetectedFile | undefined, hints: HintTable): Prediction {
  const { prediction } = family;
  if (prediction.kind === 'flow') return prediction;
  const zeroTerminalSnr = file?.index.tensors.has('ztsnr') ?? false;
  return { ...prediction, kind: namedPrediction(file, hints) ?? prediction.kind, zeroTerminalSnr };
}

/** The size of training, pixels: what the file says, else the configuration beside it. */
function trainedPx({ declared }: DetectedFile, hints: HintTable, { stride }: LatentFormat) {
  const { widthPx, heightPx } = declared;
  if (widthPx && heightPx) return { widthPx, heightPx };
  const [height, width] = hints.denoiser?.trainedCells ?? [];
  return height && width ? { widthPx: width * stride, heightPx: height * stride } : {};
}

function unsupported({ file, foreign, parts }: DetectedFile): AppError {
  const denoiser = parts.find((part) => part.role === 'denoiser')?.architecture;
  const what = foreign ?? `a denoiser (${denoiser ?? 'unknown'}) of no family that is known`;
  return new AppError(
    'model/unsupported',
    `${file}: this is ${what}, which does not run here; choose a model of ${FAMILIES.map(({ label }) => label).join(', ')}.`,
    { details: { file, foreign, architecture: denoiser } },
  );
}

/** Joins detected files. The first denoiser wins; later autoencoders and encoders win over those of the denoiser's file. */
export function assembleModel(files: readonly DetectedFile[], hints: HintTable = {}): DetectedModel {
  const base = files.find((file) => file.parts.some((part) => part.role === 'denoiser'));
  const denoiser = base?.parts.find((part) => part.role === 'denoiser');
  const names = files.map((file) => file.file).join(', ');
  const foreign = (base ? [base] : files).find((file) => file.foreign !== undefined);
  if (foreign) throw unsupported(foreign);
  if (!base || !denoiser) {
    const declared = files.map((file) => file.index.metadata.get('general.architecture'));
    const said = declared.flatMap((name) => (typeof name === 'string' ? [name.slice(0, 40)] : []));
    const calls = said.length > 0 ? ` (the file says "${said.join('", "')}")` : '';
    throw new AppError(
      'model/unrecognised',
      `${names}: one file must hold a denoiser (U-Net or transformer), got ${files.map((f) => f.kind).join(', ') || 'nothing'}${calls}; choose an image model's checkpoint.`,
      { details: { files: files.map(({ file, kind }) => ({ file, kind })) } },
    );
  }
  const family = base.family && familyById(base.family);
  if (!family) throw unsupported(base);
  // Files given beside the checkpoint are there to replace its parts.
  const ordered = [...files.filter((file) => file !== base), base];
  const textEncoders = assignEncoders(family, ordered, hints);
  const parts = ordered.flatMap((file) => file.parts).filter((part) => part.role === 'vae');
  const fitting = parts.filter((part) => fitsLatents(part, family.latent));
  const full = fitting.find((part) => part.architecture === 'kl-vae');
  const tiny = joinTiny(fitting);
  const vae = full ?? tiny;
  const missing: MissingPart[] = family.encoders
    .filter((slot) => !slot.optional && !textEncoders.has(slot.id))
    .map((slot) => ({ role: 'text-encoder', encoder: slot.id, label: slot.label }));
  if (!vae) {
    const [unfit] = parts.map(
      (part) => `${part.file}: ${latentChannels(part)} latent channels, ${family.latent.channels} are needed`,
    );
    missing.push({ role: 'vae', label: 'autoencoder', ...(unfit === undefined ? {} : { unfit }) });
  }
  const unet = denoiser.architecture === 'unet' ? (denoiser.config as UNetConfig) : undefined;
  const inputs: readonly ExtraInput[] = unet ? unetInputs(unet) : (family.inputs?.(denoiser) ?? []);
  const { title } = base.declared;
  const latent = latentOf(family, denoiser, vae, files);
  const adjusted = family.adjust?.(denoiser);
  const fewStep = fewStepVariant(family.id, base.index.metadata, (unet?.guidanceWidth ?? 0) > 0);
  return {
    family,
    label: title ?? base.file,
    ...(fewStep ? { variant: fewStep.name } : {}),
    denoiser,
    textEncoders,
    ...(vae ? { vae } : {}),
    ...(full && tiny ? { previewVae: tiny } : {}),
    latent,
    prediction: adjusted?.prediction ?? predictionOf(family, base, hints),
    predictionDeclared: namedPrediction(base, hints) !== undefined,
    defaults: {
      ...family.defaults,
      ...adjusted?.defaults,
      ...fewStep?.defaults,
      ...trainedPx(base, hints, latent),
    },
    inputs,
    concatChannels: unet ? Math.max(0, unet.inChannels - unet.outChannels) : (adjusted?.concatChannels ?? 0),
    residuals: unet ? unetSkips(unet) : 0,
    missing,
    hints,
  };
}

/**
 * The model in one file, or in a checkpoint and the files that complete it.
 * @throws AppError 'model/unrecognised' without a denoiser, 'model/unsupported' for families the product does not run
 */
export function detectModel(index: TensorIndex | readonly TensorIndex[], hints: HintTable = {}): DetectedModel {
  const indexes = Array.isArray(index) ? (index as readonly TensorIndex[]) : [index as TensorIndex];
  return assembleModel(
    indexes.map((one) => detectFile(one, hints)),
    hints,
  );
}
