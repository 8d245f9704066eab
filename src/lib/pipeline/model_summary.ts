/** What the page is told of an open model: identity, sizes, defaults, and which controls have an effect. */
import type { TensorIndex } from '../formats/tensor_index';
import type { DetectedModel } from '../models/family';
import { MODEL_OPTIONS, type ModelOption, type ModelOptionId } from '../options/model_options';
import type { ModelControls, ModelSummary } from '../rpc/engine';

export interface SummaryFacts {
  readonly id: string;
  readonly name: string;
  readonly hash: string;
  readonly sizeBytes: number;
  readonly indexes: readonly TensorIndex[];
  /** Settings that suit these weights better than their family's. */
  readonly defaults?: Partial<ModelSummary['defaults']> | undefined;
}

export function modelSummary(detected: DetectedModel, facts: SummaryFacts): ModelSummary {
  const { latent, family, variant } = detected;
  const types = new Set(facts.indexes.flatMap(({ tensors }) => [...tensors.values()].map((tensor) => tensor.type)));
  const { widthPx, heightPx, ...own } = detected.defaults;
  const { distilledGuidance, ...defaults } = { ...own, ...facts.defaults };
  const guided = detected.inputs.includes('guidance') && distilledGuidance !== undefined;
  return {
    id: facts.id,
    name: facts.name,
    family: family.id,
    familyLabel: family.label,
    hash: facts.hash,
    sizeBytes: facts.sizeBytes,
    nativeWidthPx: widthPx,
    nativeHeightPx: heightPx,
    sizeStepPx: latent.multiple,
    weightTypes: [...types],
    prediction: detected.prediction.kind,
    defaults: { ...defaults, ...(guided ? { distilledGuidance } : {}) },
    sizes: trainedSizes(detected),
    ...(variant === undefined ? {} : { variant }),
    controls: controlsOf(detected),
  };
}

/** The family's buckets, scaled where a model's native size is another than the family's. */
function trainedSizes({ family, defaults, latent }: DetectedModel): ModelSummary['sizes'] {
  const native = { widthPx: defaults.widthPx, heightPx: defaults.heightPx };
  const scale = Math.sqrt((native.widthPx * native.heightPx) / (family.defaults.widthPx * family.defaults.heightPx));
  const step = latent.evenMultiple;
  const fit = (px: number): number => Math.max(1, Math.round((px * scale) / step)) * step;
  const buckets = family.sizes.flatMap(([wide, narrow]) => [
    { widthPx: fit(wide), heightPx: fit(narrow) },
    { widthPx: fit(narrow), heightPx: fit(wide) },
  ]);
  const all = [native, ...buckets];
  const same = (a: typeof native, b: typeof native) => a.widthPx === b.widthPx && a.heightPx === b.heightPx;
  return all.filter((size, i) => all.findIndex((other) => same(other, size)) === i);
}

function controlsOf({ family, inputs, defaults, denoiser }: DetectedModel): ModelControls {
  const unet = denoiser.architecture === 'unet';
  const all: readonly (ModelOption & { readonly id: ModelOptionId })[] = MODEL_OPTIONS;
  const guided = inputs.includes('guidance');
  const options = all
    .filter((option) => option.families.includes(family.id))
    .filter(({ id }) => guided || !/distilledGuidance/i.test(id))
    .map((option) =>
      option.type === 'number' && option.id === 'cfgScale' ? { ...option, default: defaults.cfgScale } : option,
    );
  return {
    clipSkip: family.encoders.some((slot) => slot.tokenizer === 'clip' && slot.hidden),
    control: unet,
    inpaintModel: inputs.includes('inpaint'),
    imageCondition: inputs.includes('concat'),
    imageGuidance: inputs.includes('concat') && unet,
    tiling: unet,
    options,
  };
}
