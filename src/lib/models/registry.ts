/** Every model family. A new one = one file below `families/` and one line here. */
import type { FamilyId, ModelFamily } from './family';
import { sd1 } from './families/sd1';
import { sd2 } from './families/sd2';
import { sdxl, sdxlRefiner } from './families/sdxl';
import { chroma, flux1, flux2, sd3, zImage } from './families/transformers';

export const FAMILIES = [
  sd1,
  sd2,
  sdxl,
  sdxlRefiner,
  sd3,
  flux1,
  chroma,
  flux2,
  zImage,
] as const satisfies readonly ModelFamily[];

/** The family of an id, or undefined. */
export function familyById(id: FamilyId): ModelFamily | undefined {
  return FAMILIES.find((family) => family.id === id);
}
