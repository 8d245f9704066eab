/**
 * The ways to combine the predictions with and without the prompt: names, options and their keys in generation parameters.
 * Menus, requests, the command line and the documentation derive from this table; `combine_method.ts` computes.
 */
import { AppError } from '../../base/errors';
import { resolveOptions, type GivenOptions, type OptionDef, type OptionSchema, type OptionValue } from '../options';
import { SCALE_MODES } from './scale_modes';

interface GuidanceMethodDef {
  readonly id: string;
  readonly label: string;
  /** One line for the documentation. */
  readonly about: string;
  readonly options: OptionSchema;
}

const scale = (infotext: string, about: string, value: number) =>
  ({ kind: 'number', default: value, min: 0, max: 100, infotext, about }) as const satisfies OptionDef;
const mode = (infotext: string, about: string) =>
  ({ kind: 'choice', default: 'Constant', choices: SCALE_MODES, infotext, about }) as const satisfies OptionDef;

export const GUIDANCE_METHODS = [
  { id: 'cfg', label: 'CFG', about: 'uncond + scale * (cond - uncond)', options: {} },
  {
    id: 'cfgZeroStar',
    label: 'CFG-Zero*',
    about: 'the negative prediction is scaled to its projection on the positive one (Fan et al. 2025)',
    options: {},
  },
  {
    id: 'apg',
    label: 'APG',
    about: 'adaptive projected guidance: less of what only makes colours stronger (Sadat et al. 2024)',
    options: {
      eta: { kind: 'number', default: 1, min: -10, max: 10, infotext: 'APG eta', about: 'Share kept along cond.' },
      normThreshold: {
        kind: 'number',
        default: 5,
        min: 0,
        max: 50,
        infotext: 'APG norm threshold',
        about: 'Longest guidance vector of a picture; 0: no limit.',
      },
      momentum: {
        kind: 'number',
        default: 0,
        min: -5,
        max: 1,
        infotext: 'APG momentum',
        about: 'What earlier steps add; negative numbers push away from them.',
      },
    },
  },
  {
    id: 'tcfg',
    label: 'TCFG',
    about: 'tangential damping of the negative prediction (Kwon et al. 2025)',
    options: {},
  },
  {
    id: 'cfgNorm',
    label: 'CFGNorm',
    about: 'at no pixel longer than the positive prediction (ComfyUI)',
    options: {
      strength: {
        kind: 'number',
        default: 1,
        min: 0,
        max: 10,
        infotext: 'CFGNorm strength',
        about: 'Multiplier of the result.',
      },
    },
  },
  {
    id: 'mahiro',
    label: 'Mahiro',
    about: 'between CFG and a multiple of the positive prediction, by their likeness (ComfyUI)',
    options: {},
  },
  {
    id: 'dynamicThresholding',
    label: 'Dynamic thresholding',
    about: 'a high scale with the range of values of a lower one (Goodwin 2023; CFG-Fix in Forge)',
    // In the order of the arguments that Forge's script takes.
    options: {
      mimicScale: scale('dynthres_mimic_scale', 'Scale whose range of values is imitated.', 7),
      percentile: {
        kind: 'number',
        default: 1,
        min: 0,
        max: 1,
        infotext: 'dynthres_threshold_percentile',
        about: 'Share of values below the limit that clamps.',
      },
      mimicMode: mode('dynthres_mimic_mode', 'How that scale moves over the run.'),
      mimicMin: scale('dynthres_mimic_scale_min', 'Its lowest value.', 0),
      cfgMode: mode('dynthres_cfg_mode', 'How the guidance scale moves over the run.'),
      cfgMin: scale('dynthres_cfg_scale_min', 'Its lowest value.', 0),
      schedulerValue: scale('dynthres_sched_val', 'Power or number of repeats of modes that take one.', 1),
      separateChannels: {
        kind: 'choice',
        default: 'enable',
        choices: ['enable', 'disable'],
        infotext: 'dynthres_separate_feature_channels',
        about: 'Whether each channel has statistics of its own.',
      },
      startPoint: {
        kind: 'choice',
        default: 'MEAN',
        choices: ['MEAN', 'ZERO'],
        infotext: 'dynthres_scaling_startpoint',
        about: 'What values are scaled about.',
      },
      measure: {
        kind: 'choice',
        default: 'AD',
        choices: ['AD', 'STD'],
        infotext: 'dynthres_variability_measure',
        about: 'Greatest distance or standard deviation.',
      },
      interpolatePhi: {
        kind: 'number',
        default: 1,
        min: 0,
        max: 1,
        infotext: 'dynthres_interpolate_phi',
        about: '1: the rule alone, 0: plain guidance.',
      },
    },
  },
] as const satisfies readonly GuidanceMethodDef[];

export type GuidanceMethodId = (typeof GUIDANCE_METHODS)[number]['id'];

/** Key of the method in generation parameters; CFG itself is never written. */
export const GUIDANCE_KEY = 'Guidance method';
/** What Forge writes for dynamic thresholding. */
export const DYNAMIC_THRESHOLDING_KEY = 'dynthres_enabled';

/** Schema of a method's options by name; empty for an unknown one. */
export function guidanceOptions(id: string | undefined): Readonly<Record<string, OptionDef>> {
  return GUIDANCE_METHODS.find((method) => method.id === id)?.options ?? {};
}

/** A method by id or label, in any case; undefined for a name that none has. */
export function findGuidance(name: string): (typeof GUIDANCE_METHODS)[number] | undefined {
  const wanted = name.toLowerCase();
  return GUIDANCE_METHODS.find(({ id, label }) => [id, label].some((one) => one.toLowerCase() === wanted));
}

/**
 * A method as `findGuidance` takes its name, with its options filled in.
 * @throws AppError 'argument/invalid' for an unknown method or an option outside its limits
 */
export function resolveGuidance(
  name: string,
  given: GivenOptions,
): { readonly id: GuidanceMethodId; readonly label: string; readonly options: Readonly<Record<string, OptionValue>> } {
  const method = findGuidance(name);
  if (!method) {
    const known = GUIDANCE_METHODS.map(({ label }) => label).join(', ');
    throw new AppError('argument/invalid', `guidance method: must be one of ${known}, got ${name.slice(0, 80)}.`, {
      details: { name },
    });
  }
  const { id, label } = method;
  const options: OptionSchema = method.options;
  return { id, label, options: resolveOptions(`guidance ${label}`, options, given) };
}
