/**
 * What a parameter is: one line of the table says where its value is, how it is edited, when it is shown and what it
 * is without the user. Panels, search, reset, presets and the command palette derive from it.
 */
import type { MessageKey } from '../../i18n/en';
import type { ModelSummary } from '../../rpc/engine';
import type { Parameters } from '../generation.svelte';
import type { ParameterPath, ParameterValue } from './parameter_path';

export interface Choice {
  readonly id: string;
  /** A name that is the same in every language; `key` otherwise. */
  readonly label?: string;
  readonly key?: MessageKey;
}

/** What decides which parameters there are and what they may be. */
export interface ParameterContext {
  readonly parameters: Parameters;
  readonly model: ModelSummary | undefined;
  /** Stored models that can take over as a refiner. */
  readonly models: readonly Choice[];
  /** Upscaler models of the user. */
  readonly upscalers: readonly Choice[];
  /** Autoencoders that can stand in for the model's own. */
  readonly vaes: readonly Choice[];
  /** Where the pictures are made: a mask comes from the sketch there. */
  readonly sketching: boolean;
}

interface ParameterBase {
  readonly path: ParameterPath;
  readonly group: ParameterGroupId;
  readonly label: MessageKey;
  /** For schemas that grow without this file: the label where no message has the key. */
  readonly fallback?: string;
  /** One line that says what it does, where the name does not; no message has the key of a schema's plain option. */
  readonly hint?: MessageKey;
  /** Key in generation parameters; also found by search. */
  readonly infotext?: string;
  /** Left out of the request while it has its default. */
  readonly optional?: true;
  /** Two of them stand side by side. */
  readonly half?: true;
  /** Absent: always. */
  readonly shown?: (context: ParameterContext) => boolean;
}

export interface NumberParameter extends ParameterBase {
  readonly kind: 'number';
  readonly min: number;
  readonly max: number;
  readonly step: number | ((context: ParameterContext) => number);
  /** Where the slider ends; the box takes everything up to `max`. No slider without it. */
  readonly sliderMax?: number;
  /** Where the slider begins, when that is above `min`. */
  readonly sliderMin?: number;
  readonly unit?: 'px' | '%';
  readonly default: number | ((context: ParameterContext) => number);
}
export interface ChoiceParameter extends ParameterBase {
  readonly kind: 'choice';
  readonly choices: readonly Choice[] | ((context: ParameterContext) => readonly Choice[]);
  readonly default: string | ((context: ParameterContext) => string);
}
export interface FlagParameter extends ParameterBase {
  readonly kind: 'flag';
  readonly default: boolean;
}
export interface TextParameter extends ParameterBase {
  readonly kind: 'text';
  readonly rows?: number;
  readonly placeholder?: MessageKey;
  readonly default: string;
}
/** A seed: a whole number up to 2^53 - 1, or -1 for a new one each time. */
export interface SeedParameter extends ParameterBase {
  readonly kind: 'seed';
  readonly default: number;
}
export type ParameterDef = NumberParameter | ChoiceParameter | FlagParameter | TextParameter | SeedParameter;

/** A mask is there: painted in the sketch, or chosen for the starting picture. */
export const isMasked = ({ parameters, sketching }: ParameterContext): boolean =>
  sketching || parameters.init?.inpaint !== undefined;

/** Groups in the order of the panel. */
export const PARAMETER_GROUPS = [
  { id: 'basic', label: 'params.title' },
  { id: 'size', label: 'group.size' },
  { id: 'init', label: 'init.title' },
  { id: 'loras', label: 'group.loras' },
  {
    id: 'control',
    label: 'group.control',
    hint: 'group.control.hint',
    shown: ({ model }) => model?.controls.control ?? false,
  },
  { id: 'inpaint', label: 'group.inpaint', hint: 'group.inpaint.hint' },
  { id: 'soft', label: 'group.soft', hint: 'group.soft.hint', part: 'inpaint.soft', shown: isMasked },
  {
    id: 'loopback',
    label: 'group.loopback',
    hint: 'group.loopback.hint',
    part: 'loopback',
    shown: ({ parameters, sketching }) => sketching || parameters.init !== undefined,
  },
  { id: 'hires', label: 'group.hires', hint: 'group.hires.hint', part: 'hires' },
  {
    id: 'refiner',
    label: 'group.refiner',
    hint: 'group.refiner.hint',
    part: 'refiner',
    shown: ({ models, parameters }) => models.length > 0 || parameters.refiner !== undefined,
  },
  { id: 'variation', label: 'group.variation', hint: 'group.variation.hint', part: 'variation' },
  { id: 'seedResize', label: 'group.seedResize', hint: 'group.seedResize.hint', part: 'seedResize' },
  { id: 'plot', label: 'group.plot', hint: 'group.plot.hint', part: 'plot' },
  { id: 'text', label: 'group.text' },
  { id: 'guidance', label: 'group.guidance' },
  { id: 'model', label: 'group.model', hint: 'group.model.hint' },
  { id: 'sampler', label: 'group.sampler' },
  { id: 'sigmas', label: 'group.sigmas', hint: 'group.sigmas.hint' },
  { id: 'output', label: 'group.output' },
] as const satisfies readonly {
  readonly id: string;
  readonly label: MessageKey;
  readonly hint?: MessageKey;
  /** The object that this group fills: the group is switched on when it is there. */
  readonly part?: string;
  readonly shown?: (context: ParameterContext) => boolean;
}[];

export type ParameterGroup = (typeof PARAMETER_GROUPS)[number];
export type ParameterGroupId = ParameterGroup['id'];

/** The switch of a group, for groups that have one. */
export function partOf(group: ParameterGroup): string | undefined {
  return 'part' in group ? group.part : undefined;
}

export function defaultOf(def: ParameterDef, context: ParameterContext): ParameterValue {
  return typeof def.default === 'function' ? def.default(context) : def.default;
}

export function choicesOf(def: ChoiceParameter, context: ParameterContext): readonly Choice[] {
  return typeof def.choices === 'function' ? def.choices(context) : def.choices;
}

export function stepOf(def: NumberParameter, context: ParameterContext): number {
  return typeof def.step === 'function' ? def.step(context) : def.step;
}

/** The element's id: `hires.strength` is the field `hires-strength`. */
export function fieldId(path: string): string {
  return path.replaceAll('.', '-');
}
