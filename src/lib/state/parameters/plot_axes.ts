/** The axes a plot can have, which of them act here, and whether typed values are values of an axis. */
import { toPlainError } from '../../base/errors';
import type { MessageKey } from '../../i18n/en';
import { PLOT_AXES } from '../../plot/axes';
import { readAxisValues, type AxisNeed, type PlotAxis } from '../../plot/axis';
import { entryName, parameterOf } from './entry_names';
import type { Say } from './find_parameters';
import { isMasked, PARAMETER_GROUPS, type ParameterContext, type ParameterGroupId } from './parameter';
import { samplerParameters } from './dynamic_parameters';

export const plotAxes: readonly PlotAxis[] = PLOT_AXES;

/** What the page calls an axis; the names of the web UIs are English, and stay so there. */
export function axisName({ id, label, entry = label }: PlotAxis, locale: string, say: Say): string {
  return locale === 'en' ? label : (say(`axis.${id}` as MessageKey) ?? entryName(entry, say) ?? label);
}

/** Groups of axes that come from no parameter. */
const GROUP: Readonly<Record<string, ParameterGroupId>> = {
  promptReplace: 'text',
  promptOrder: 'text',
  styles: 'text',
  lora: 'loras',
  loraWeight: 'loras',
  model: 'model',
  size: 'size',
  controlWeight: 'control',
  controlStart: 'control',
  controlEnd: 'control',
  controlMode: 'control',
};

const started = ({ parameters, sketching }: ParameterContext): boolean => sketching || parameters.init !== undefined;

/** Whether the part is there without which an axis does nothing. */
const HAS: Readonly<Record<AxisNeed, (context: ParameterContext, chosen: readonly string[]) => boolean>> = {
  init: started,
  strength: (context) => started(context) || context.parameters.hires !== undefined,
  inpaint: isMasked,
  soft: (context) => isMasked(context) && context.parameters.inpaint?.soft !== undefined,
  hires: ({ parameters }) => parameters.hires !== undefined,
  refiner: ({ parameters }, chosen) => parameters.refiner !== undefined || chosen.includes('refiner'),
  control: ({ parameters }) => (parameters.control ?? []).length > 0,
};

/** Axes of what only some models and stores have. The others stay in the menu even where their field is not shown now. */
const ONLY_WHERE: Readonly<Record<string, (context: ParameterContext) => boolean>> = {
  clipSkip: ({ model }) => model?.controls.clipSkip ?? true,
  imageCfgScale: ({ model }) => model?.controls.imageGuidance ?? false,
  maskWeight: ({ model }) => model?.controls.inpaintModel ?? false,
  tiling: ({ model }) => model?.controls.tiling ?? true,
  vae: ({ vaes }) => vaes.length > 0,
};

export interface AxisGroup {
  readonly id: ParameterGroupId;
  readonly label: MessageKey;
  /** `off`: a part is missing without which it would do nothing. */
  readonly axes: readonly { readonly axis: PlotAxis; readonly off: boolean }[];
}

/**
 * The menu of axes, in the groups of the panel. Options that neither the sampler nor the model has are left out, unless the
 * plot itself varies the sampler or the model.
 * @param chosen  ids of the axes in use, which stay in the menu
 */
export function axisMenu(context: ParameterContext, chosen: readonly string[]): readonly AxisGroup[] {
  return PARAMETER_GROUPS.flatMap((group): AxisGroup[] => {
    const shown = !('shown' in group) || group.shown(context);
    const axes = plotAxes
      .filter((axis) => groupOf(axis) === group.id)
      .filter((axis) => chosen.includes(axis.id) || (shown && acts(axis, context, chosen)))
      .map((axis) => ({ axis, off: axis.needs !== undefined && !HAS[axis.needs](context, chosen) }));
    return axes.length > 0 ? [{ id: group.id, label: group.label, axes }] : [];
  });
}

function groupOf({ id, label, entry = label }: PlotAxis): ParameterGroupId {
  return GROUP[id] ?? parameterOf(entry.toLowerCase())?.group ?? 'basic';
}

function acts({ id, label, entry = label }: PlotAxis, context: ParameterContext, chosen: readonly string[]): boolean {
  const def = parameterOf(entry.toLowerCase());
  const [owner = '', name = ''] = def?.path.split('.') ?? [];
  if (owner === 'samplerOptions') {
    const { sampler } = context.parameters;
    return chosen.includes('sampler') || samplerParameters(sampler).some(({ path }) => path === def?.path);
  }
  if (owner === 'modelOptions' || owner === 'distilledGuidance') {
    const options = context.model?.controls.options ?? [];
    return chosen.includes('model') || options.some((option) => option.id === (name || owner));
  }
  return ONLY_WHERE[id]?.(context) ?? true;
}

export interface AxisCheck {
  readonly count: number;
  readonly problem?: string;
}

/** How many values a text gives; 0 and why when it gives none. */
export function checkAxis(id: string, text: string): AxisCheck {
  const axis = plotAxes.find((one) => one.id === id);
  if (!axis || text.trim() === '') return { count: 0 };
  try {
    return { count: readAxisValues(axis, text).length };
  } catch (error) {
    return { count: 0, problem: toPlainError(error).message };
  }
}
