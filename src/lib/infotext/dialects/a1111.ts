/** A1111, Forge, stable-diffusion.cpp and all that write their text. */
import { parseInfotext } from '../grammar';
import { parametersOfPairs } from '../parameter_fields';
import type { Dialect } from './dialect';

/** The text that A1111's own reader finds: chunk `parameters`, else the user comment, else a comment block. */
export function infotextCandidate(texts: ReadonlyMap<string, string>): string | undefined {
  return texts.get('parameters') ?? texts.get('exif:UserComment') ?? texts.get('comment');
}

export const a1111: Dialect = {
  id: 'A1111',
  read({ texts }) {
    const text = infotextCandidate(texts);
    if (text === undefined || text === '' || /^\s*\{\s*"/.test(text)) return undefined;
    const { prompt, negative, pairs } = parseInfotext(text);
    return { tool: 'A1111', parameters: parametersOfPairs(prompt, negative, pairs), unmapped: [] };
  },
};
