/** The axes a plot can have, and whether typed values are values of an axis. */
import { toPlainError } from '../../base/errors';
import type { MessageKey } from '../../i18n/en';
import { PLOT_AXES } from '../../plot/axes';
import { readAxisValues, type PlotAxis } from '../../plot/axis';
import { entryName } from './entry_names';
import type { Say } from './find_parameters';

export const plotAxes: readonly PlotAxis[] = PLOT_AXES;

/** What the page calls an axis; the names of the web UIs are English, and stay so there. */
export function axisName({ id, label, entry = label }: PlotAxis, locale: string, say: Say): string {
  return locale === 'en' ? label : (say(`axis.${id}` as MessageKey) ?? entryName(entry, say) ?? label);
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
