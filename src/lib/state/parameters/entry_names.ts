/**
 * What the page calls the entries of generation parameters, which are written in English whatever the language of the
 * page: the names of the parameters that they come from. Pure.
 */
import type { MessageKey } from '../../i18n/en';
import { MODEL_OPTIONS } from '../../options/model_options';
import { GUIDANCE_METHODS } from '../../sampling/guidance/methods';
import { samplers } from '../../sampling/registry';
import { guidanceParameters, modelParameters, samplerParameters } from './dynamic_parameters';
import { labelOf, type Say } from './find_parameters';
import { PARAMETER_GROUPS, partOf, type ParameterDef } from './parameter';
import { PARAMETERS } from './parameter_table';

/** Entries of more than one parameter, or of none. */
const OWN: Readonly<Record<string, MessageKey>> = {
  size: 'entry.size',
  model: 'engine.model',
  'model hash': 'entry.modelHash',
  version: 'engine.info.version',
  styles: 'tools.styles',
};

/** Fields of units, which are no parameters of their own: group and name. */
const UNIT: Readonly<Record<string, readonly [MessageKey, MessageKey]>> = {
  'controlnet weight': ['group.control', 'control.weight'],
  'controlnet start': ['group.control', 'control.start'],
  'controlnet end': ['group.control', 'control.end'],
  'controlnet mode': ['group.control', 'control.mode'],
};

let known: ReadonlyMap<string, ParameterDef> | undefined;

/** The parameter that an entry, in lower case, comes from. */
export function parameterOf(entry: string): ParameterDef | undefined {
  known ??= new Map(
    [
      ...PARAMETERS,
      ...samplers.flatMap(({ id }) => samplerParameters(id)),
      ...GUIDANCE_METHODS.flatMap(({ id }) => guidanceParameters(id)),
      ...modelParameters(MODEL_OPTIONS),
    ]
      .reverse()
      .flatMap((def) => (def.infotext === undefined ? [] : [[def.infotext.toLowerCase(), def] as const])),
  );
  return known.get(entry);
}

/** The name of an entry (`Hires steps`, in any case) with its group where that can be switched off; undefined: unknown. */
export function entryName(entry: string, say: Say): string | undefined {
  const own = OWN[entry.toLowerCase()];
  if (own) return say(own);
  const unit = UNIT[entry.toLowerCase()];
  if (unit) return unit.map((key) => say(key)).join(': ');
  const def = parameterOf(entry.toLowerCase());
  if (!def) return undefined;
  const group = PARAMETER_GROUPS.find(({ id }) => id === def.group);
  const label = labelOf(def, say);
  return group && partOf(group) !== undefined ? `${say(group.label)}: ${label}` : label;
}
