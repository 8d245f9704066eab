/** The entries of an infotext as a picture's details show them: as written, without the two texts. Pure. */
import { parseInfotext } from '../infotext/grammar';

export { readParameters } from '../infotext/parameter_fields';

export function shownPairs(infotext: string): readonly (readonly [key: string, value: string])[] {
  const seen = new Set<string>();
  return parseInfotext(infotext).pairs.filter(([key]) => !seen.has(key) && seen.add(key));
}
