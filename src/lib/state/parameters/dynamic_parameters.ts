/** Parameters whose schema belongs to the chosen sampler or the open model. */
import type { MessageKey } from '../../i18n/en';
import type { ModelOption } from '../../options/model_options';
import { guidanceOptions } from '../../sampling/guidance/methods';
import { samplers } from '../../sampling/registry';
import { optionKey, type OptionDef } from '../../sampling/options';
import type { Choice, ParameterContext, ParameterDef } from './parameter';
import type { ParameterPath } from './parameter_path';

/** Options of the sampler and of the guidance in use, then switches of the open model. */
export function dynamicParameters({ model, parameters }: ParameterContext): readonly ParameterDef[] {
  return [
    ...samplerParameters(parameters.sampler),
    ...guidanceParameters(parameters.guidanceMethod),
    ...modelParameters(model?.controls.options ?? []),
  ];
}

export function samplerParameters(samplerId: string): readonly ParameterDef[] {
  const sampler = samplers.find(({ id }) => id === samplerId);
  const options: Readonly<Record<string, OptionDef>> = sampler?.options ?? {};
  return Object.entries(options).map(([name, def]) => optionParameter('sampler', `samplerOption.${name}`, name, def));
}

/** Options of a guidance method by its id; none for CFG. */
export function guidanceParameters(methodId: string | undefined): readonly ParameterDef[] {
  return Object.entries(guidanceOptions(methodId)).map(([name, def]) =>
    optionParameter('guidance', `guidanceOption.${name}`, name, def),
  );
}

function optionParameter(owner: 'sampler' | 'guidance', label: string, name: string, def: OptionDef): ParameterDef {
  const base = {
    path: `${owner}Options.${name}` as ParameterPath,
    group: owner,
    label: label as MessageKey,
    hint: `${label}.hint` as MessageKey,
    fallback: name,
    optional: true,
    infotext: optionKey(name, def),
  } as const;
  switch (def.kind) {
    case 'number': {
      const { min, max } = def;
      const step = def.integer ? 1 : 0.01;
      const slider = max <= 100 ? { sliderMax: max } : {};
      return { ...base, kind: 'number', min, max: Math.min(max, 1e9), step, ...slider, default: def.default };
    }
    case 'choice':
      return { ...base, kind: 'choice', choices: def.choices.map((id) => ({ id, label: id })), default: def.default };
    case 'flag':
      return { ...base, kind: 'flag', default: def.default };
    case 'text':
      return { ...base, kind: 'text', rows: 1, default: def.default };
  }
  def satisfies never;
}

/** Switches of a model, those of the whole table for texts about models that are not open. */
export function modelParameters(options: readonly ModelOption[]): readonly ParameterDef[] {
  return options.flatMap((option): readonly ParameterDef[] => {
    // CFG has a line of its own; files are chosen with the model.
    if (option.type === 'files' || option.id === 'cfgScale') return [];
    const inRequest = option.place === 'request';
    const base = {
      path: (inRequest ? option.id : `modelOptions.${option.id}`) as ParameterPath,
      group: option.id === 'distilledGuidance' ? 'basic' : 'model',
      label: `modelOption.${option.id}` as MessageKey,
      hint: `modelOption.${option.id}.hint` as MessageKey,
      fallback: option.label,
      optional: true,
      ...(option.infotext === undefined ? {} : { infotext: option.infotext }),
    } as const;
    if (option.type === 'number') {
      const { min, max, step } = option;
      return [{ ...base, kind: 'number', min, max, step, sliderMax: max, default: option.default }];
    }
    if (option.type === 'boolean') return [{ ...base, kind: 'flag', default: option.default }];
    return [{ ...base, kind: 'choice', choices: option.choices.map(modelChoice), default: option.default }];
  });
}

/** Words have texts; numbers and number formats (`256`, `f16`) are their own names. */
function modelChoice(id: string): Choice {
  return /\d/.test(id) ? { id, label: id } : { id, key: `modelOption.choice.${id}` as MessageKey };
}
