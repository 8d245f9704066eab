/** The axes a plot can have, and whether typed values are values of an axis. */
import { toPlainError } from '../../base/errors';
import { PLOT_AXES } from '../../plot/axes';
import { readAxisValues, type PlotAxis } from '../../plot/axis';

export const plotAxes: readonly PlotAxis[] = PLOT_AXES;

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
