/**
 * All parameters in the order of the panel. Options of samplers and switches of models are not here: they come from
 * their own schemas (dynamic_parameters.ts).
 */
import type { ParameterDef } from './parameter';
import { DRAWING, GUIDANCE, SIZE, TEXT } from './tables/drawing';
import { NOISE, SEEDS, SIGMAS } from './tables/noise';
import { OUTPUT, PLOT } from './tables/output';
import { HIRES, REFINER } from './tables/passes';
import { INPAINT, LOOPBACK, START } from './tables/start_picture';

export const PARAMETERS: readonly ParameterDef[] = [
  DRAWING,
  SIZE,
  START,
  INPAINT,
  LOOPBACK,
  HIRES,
  REFINER,
  SEEDS,
  TEXT,
  GUIDANCE,
  NOISE,
  SIGMAS,
  OUTPUT,
  PLOT,
].flat();
