/** All control preprocessors that need no network. A new one is one file and one line. */
import { blur, invert } from './blur_invert';
import { canny } from './canny';
import { lineArt } from './line_art';
import { normalMap } from './normal_map';
import { palette } from './palette';
import type { Preprocessor } from './preprocessor';
import { softEdge } from './soft_edge';

export const PREPROCESSORS = [
  canny,
  lineArt,
  softEdge,
  normalMap,
  palette,
  blur,
  invert,
] as const satisfies readonly Preprocessor[];

export type PreprocessorId = (typeof PREPROCESSORS)[number]['id'];

export function preprocessorById(id: PreprocessorId): Preprocessor {
  return PREPROCESSORS.find((preprocessor) => preprocessor.id === id) ?? canny;
}
