/** Reading, changing and resetting parameters by their definitions. Pure: parameters in, parameters out. */
import type { Parameters } from '../generation.svelte';
import { dynamicParameters } from './dynamic_parameters';
import {
  defaultOf,
  PARAMETER_GROUPS,
  partOf,
  type ParameterContext,
  type ParameterDef,
  type ParameterGroup,
  type ParameterGroupId,
} from './parameter';
import { valueAt, withValueAt, type ParameterPath, type ParameterValue } from './parameter_path';
import { PARAMETERS } from './parameter_table';

/** Everything there is for this sampler and model, shown or not. */
export function parametersOf(context: ParameterContext): readonly ParameterDef[] {
  return [...PARAMETERS, ...dynamicParameters(context)];
}

/** What a group shows now. */
export function shownParameters(group: ParameterGroupId, context: ParameterContext): readonly ParameterDef[] {
  return parametersOf(context).filter((def) => def.group === group && (def.shown?.(context) ?? true));
}

export function valueOf(def: ParameterDef, context: ParameterContext): ParameterValue {
  return valueAt(context.parameters, def.path) ?? defaultOf(def, context);
}

export function isModified(def: ParameterDef, context: ParameterContext): boolean {
  return valueOf(def, context) !== defaultOf(def, context);
}

/** Parameters with one value changed; a default of an optional one is left out. */
export function withValue(def: ParameterDef, value: ParameterValue, context: ParameterContext): Parameters {
  const left = def.optional === true && value === defaultOf(def, context);
  return withValueAt(context.parameters, def.path, left ? undefined : value);
}

export function isOn(group: ParameterGroup, parameters: Parameters): boolean {
  const part = partOf(group);
  return part !== undefined && valueAt(parameters, part as ParameterPath) !== undefined;
}

/** Switches a group's part on, with the defaults of its parameters, or takes it out. */
export function withPart(group: ParameterGroup, on: boolean, context: ParameterContext): Parameters {
  const part = partOf(group);
  if (part === undefined || on === isOn(group, context.parameters)) return context.parameters;
  if (!on) return withValueAt(context.parameters, part as ParameterPath, undefined);
  return parametersOf(context)
    .filter((def) => def.group === group.id && def.optional !== true)
    .reduce((parameters, def) => withValueAt(parameters, def.path, defaultOf(def, context)), context.parameters);
}

/** How many parameters of a group differ from their defaults; a group with a switch counts when it is on. */
export function modifiedCount(group: ParameterGroup, context: ParameterContext): number {
  if (partOf(group) !== undefined) return isOn(group, context.parameters) ? 1 : 0;
  return shownParameters(group.id, context).filter((def) => isModified(def, context)).length;
}

/** A group as it is without the user: its part off, its values the model's or the program's. */
export function withReset(group: ParameterGroup, context: ParameterContext): Parameters {
  if (partOf(group) !== undefined) return withPart(group, false, context);
  return parametersOf(context)
    .filter((def) => def.group === group.id)
    .reduce(
      (parameters, def) => withValue(def, defaultOf(def, context), { ...context, parameters }),
      context.parameters,
    );
}

/** Every group that is not a starting picture, reset; prompts stay. */
export function withAllReset(context: ParameterContext): Parameters {
  return PARAMETER_GROUPS.filter(({ id }) => id !== 'init').reduce(
    (parameters, group) => withReset(group, { ...context, parameters }),
    context.parameters,
  );
}
