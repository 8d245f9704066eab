/** Axes that follow from tables: options of samplers, switches of models, the numbers of soft inpainting. */
import { MODEL_OPTIONS, type ModelOption } from '../options/model_options';
import { SOFT_INPAINT, SOFT_INPAINT_NAMES, type GenerateRequest } from '../rpc/engine';
import { optionKey, type OptionDef } from '../sampling/options';
import { samplers } from '../sampling/registry';
import type { SamplerDef } from '../sampling/sampler';
import { numberAxis, textAxis, yesNoAxis, type PlotAxis } from './axis';

type Value = number | string | boolean;

export function setOption(request: GenerateRequest, name: string, value: Value): GenerateRequest {
  return { ...request, samplerOptions: { ...request.samplerOptions, [name]: value } };
}

/** One axis for every option of any sampler but those named; what a sampler has not, it ignores. */
export function samplerOptionAxes(but: readonly string[]): PlotAxis[] {
  const found = new Map<string, PlotAxis>();
  for (const { options } of samplers as readonly SamplerDef[]) {
    for (const [name, def] of Object.entries(options)) {
      if (!but.includes(name) && !found.has(name)) found.set(name, samplerOptionAxis(name, def));
    }
  }
  return [...found.values()];
}

function samplerOptionAxis(name: string, def: OptionDef): PlotAxis {
  const base = { id: `samplerOption.${name}`, label: optionKey(name, def) };
  const set = (request: GenerateRequest, value: Value) => setOption(request, name, value);
  switch (def.kind) {
    case 'number':
      return numberAxis({ ...base, whole: def.integer === true, set });
    case 'choice':
      return textAxis({ ...base, choices: def.choices, set });
    case 'flag':
      return yesNoAxis({ ...base, set });
    case 'text':
      return textAxis({ ...base, set });
  }
  def satisfies never;
}

/** Switches of models that change the picture and have no field of their own in a request. */
export function modelOptionAxes(): PlotAxis[] {
  return (MODEL_OPTIONS as readonly ModelOption[]).flatMap((option): PlotAxis[] => {
    const { id, infotext: label } = option;
    if (option.place !== undefined || label === undefined || option.type === 'files') return [];
    const base = { id: `modelOption.${id}`, label };
    const set = (request: GenerateRequest, value: Value): GenerateRequest => ({
      ...request,
      modelOptions: { ...request.modelOptions, [id]: value },
    });
    if (option.type === 'number') return [numberAxis({ ...base, set })];
    return [
      option.type === 'boolean' ? yesNoAxis({ ...base, set }) : textAxis({ ...base, choices: option.choices, set }),
    ];
  });
}

export function softInpaintAxes(): PlotAxis[] {
  return SOFT_INPAINT_NAMES.map((name) =>
    numberAxis({
      id: `soft.${name}`,
      label: SOFT_INPAINT[name].infotext,
      needs: 'soft',
      set: (request, value) => {
        const { init } = request;
        const soft = init?.inpaint?.soft;
        if (!init?.inpaint || !soft) return request;
        return { ...request, init: { ...init, inpaint: { ...init.inpaint, soft: { ...soft, [name]: value } } } };
      },
    }),
  );
}
