/**
 * Distilled few-step variants: their weights look like their base's, so only what the file says of itself tells them
 * apart (title, architecture, tags). Each runs with its own steps, guidance and sampler.
 * Source: the model cards of SD-Turbo, SDXL-Turbo, SDXL-Lightning, LCM, Hyper-SD.
 */
import type { TensorIndex } from '../formats/tensor_index';
import type { FamilyId, GenerationDefaults } from './family';

interface Variant {
  readonly name: string;
  readonly mark: RegExp;
  readonly families: readonly FamilyId[];
  readonly defaults: Partial<GenerationDefaults>;
}

const UNETS = ['sd1', 'sd2', 'sdxl'] as const satisfies readonly FamilyId[];

const VARIANTS: readonly Variant[] = [
  {
    name: 'Lightning',
    mark: /lightning/i,
    families: UNETS,
    defaults: { steps: 4, cfgScale: 1, sampler: 'euler', schedule: 'sgm_uniform' },
  },
  {
    name: 'Hyper',
    mark: /hyper[-_ ]?sd/i,
    families: UNETS,
    defaults: { steps: 8, cfgScale: 1, sampler: 'ddim', schedule: 'sgm_uniform' },
  },
  {
    name: 'LCM',
    mark: /(^|[^a-z])lcm([^a-z]|$)|latent consistency/i,
    families: UNETS,
    defaults: { steps: 4, cfgScale: 1, sampler: 'lcm', schedule: 'sgm_uniform' },
  },
  {
    name: 'Turbo',
    mark: /turbo/i,
    families: UNETS,
    defaults: { widthPx: 512, heightPx: 512, steps: 1, cfgScale: 1, sampler: 'euler', schedule: 'sgm_uniform' },
  },
];

/** What a file says of itself; user-supplied, so it decides defaults and nothing else. */
const KEYS = ['modelspec.title', 'modelspec.architecture', 'modelspec.tags', 'modelspec.description', 'general.name'];
const MAX_TEXT = 2000;

/**
 * @param guidanceInput  the network takes the guidance scale as an input: LCM's distilled U-Nets
 * @returns undefined for models of the usual number of steps
 */
export function fewStepVariant(
  family: FamilyId,
  metadata: TensorIndex['metadata'],
  guidanceInput: boolean,
): { readonly name: string; readonly defaults: Partial<GenerationDefaults> } | undefined {
  const texts = KEYS.map((key) => metadata.get(key)).filter((text) => typeof text === 'string');
  const said = texts.map((text) => text.slice(0, MAX_TEXT)).join('\n');
  const own = VARIANTS.filter(({ families }) => families.includes(family));
  const lcm = guidanceInput ? own.find(({ name }) => name === 'LCM') : undefined;
  return lcm ?? own.find(({ mark }) => mark.test(said));
}
