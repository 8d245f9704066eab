/** Search among the parameters: by name, group, explanation and the names other programs use. Pure. */
import type { MessageKey } from '../../i18n/en';
import { plainWords } from '../plain_words';
import { PARAMETER_GROUPS, type ParameterContext, type ParameterDef } from './parameter';
import { parametersOf } from './parameter_values';

/** The text of a message, or undefined where no language has the key. */
export type Say = (key: MessageKey) => string | undefined;

export function labelOf(def: ParameterDef, say: Say): string {
  return say(def.label) ?? def.fallback ?? def.label;
}

export function hintOf(def: ParameterDef, say: Say): string | undefined {
  return def.hint && say(def.hint);
}

/**
 * Parameters that have every typed word in their name, group, hint or infotext key; names that begin with the text
 * come first. Those that are not shown now are found too, as long as their group is: opening it says why.
 */
export function findParameters(text: string, context: ParameterContext, say: Say): readonly ParameterDef[] {
  const words = plainWords(text);
  if (words.length === 0) return [];
  const found = parametersOf(context).flatMap((def) => {
    const group = PARAMETER_GROUPS.find(({ id }) => id === def.group);
    const hidden = group && 'shown' in group && !group.shown(context);
    if (!group || hidden || (def.group === 'init' && context.parameters.init === undefined)) return [];
    const label = plainWords(labelOf(def, say)).join(' ');
    const all = [
      label,
      ...plainWords(`${say(group.label) ?? ''} ${hintOf(def, say) ?? ''} ${def.infotext ?? ''}`),
    ].join(' ');
    if (!words.every((word) => all.includes(word))) return [];
    const rank = label.startsWith(words[0] ?? '') ? 0 : words.every((word) => label.includes(word)) ? 1 : 2;
    return [{ def, rank }];
  });
  return found.sort((a, b) => a.rank - b.rank).map(({ def }) => def);
}
