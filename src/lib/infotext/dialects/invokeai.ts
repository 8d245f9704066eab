/** InvokeAI: `invokeai_metadata` (3 and later), `sd-metadata` (2.x), `Dream` command line (1.x). */
import { emptyParameters } from '../parameters';
import type { GenerationParameters } from '../parameters';
import type { Dialect, DialectReading } from './dialect';
import { defined, fieldsOf, jsonFields, numberOf, textOf } from './json_fields';
import type { JsonFields } from './json_fields';

const TOOL = 'InvokeAI';
const MAPPED = new Set(
  'positive_prompt negative_prompt width height seed cfg_scale steps scheduler model vae app_version'.split(' '),
);

export const invokeai: Dialect = {
  id: TOOL,
  read({ texts }) {
    const current = jsonFields(texts.get('invokeai_metadata'));
    if (current !== undefined) return readCurrent(current);
    const old = jsonFields(texts.get('sd-metadata'));
    if (old !== undefined) return readOld(old);
    const dream = texts.get('Dream');
    return dream === undefined ? undefined : readDream(dream);
  },
};

function nameOf(value: unknown): string | undefined {
  const fields = fieldsOf(value);
  return textOf(fields?.get('name')) ?? textOf(fields?.get('model_name'));
}

function readCurrent(root: JsonFields): DialectReading {
  const parameters = {
    ...emptyParameters(textOf(root.get('positive_prompt')), textOf(root.get('negative_prompt'))),
    ...defined({
      steps: numberOf(root.get('steps')),
      cfgScale: numberOf(root.get('cfg_scale')),
      seed: numberOf(root.get('seed')),
      widthPx: numberOf(root.get('width')),
      heightPx: numberOf(root.get('height')),
      sampler: textOf(root.get('scheduler')),
      model: nameOf(root.get('model')),
      modelHash: textOf(fieldsOf(root.get('model'))?.get('hash')),
      vae: nameOf(root.get('vae')),
      version: textOf(root.get('app_version')),
    }),
  };
  return { tool: TOOL, parameters, unmapped: [...root.keys()].filter((key) => !MAPPED.has(key)) };
}

/** The negative prompt stands in square brackets inside the prompt. */
function splitNegative(text: string): Pick<GenerationParameters, 'prompt' | 'negative'> {
  const open = text.indexOf('[');
  const close = text.lastIndexOf(']');
  if (open === -1 || close < open) return { prompt: text.trim(), negative: '' };
  return { prompt: (text.slice(0, open) + text.slice(close + 1)).trim(), negative: text.slice(open + 1, close).trim() };
}

function readOld(root: JsonFields): DialectReading {
  const image = fieldsOf(root.get('image')) ?? new Map<string, unknown>();
  const written = image.get('prompt');
  const first: unknown = Array.isArray(written) ? written[0] : written;
  const text = textOf(first) ?? textOf(fieldsOf(first)?.get('prompt')) ?? '';
  const { prompt, negative } = splitNegative(text);
  const parameters = {
    ...emptyParameters(prompt, negative),
    ...defined({
      steps: numberOf(image.get('steps')),
      cfgScale: numberOf(image.get('cfg_scale')),
      seed: numberOf(image.get('seed')),
      widthPx: numberOf(image.get('width')),
      heightPx: numberOf(image.get('height')),
      sampler: textOf(image.get('sampler')),
      model: textOf(root.get('model_weights')),
      modelHash: textOf(root.get('model_hash')),
      version: textOf(root.get('app_version')),
    }),
  };
  const mapped = new Set(['prompt', 'steps', 'cfg_scale', 'seed', 'width', 'height', 'sampler']);
  return { tool: TOOL, parameters, unmapped: [...image.keys()].filter((key) => !mapped.has(key)) };
}

function readDream(command: string): DialectReading | undefined {
  const end = command.lastIndexOf('"');
  if (!command.trimStart().startsWith('"') || end < 1) return undefined;
  const { prompt, negative } = splitNegative(command.slice(command.indexOf('"') + 1, end));
  const options = new Map<string, string>();
  const unmapped: string[] = [];
  for (const [, option = '', value = ''] of command.slice(end + 1).matchAll(/-([A-Za-z]\w*)\s*([^\s-]\S*)/g)) {
    if ('sSWHCA'.includes(option)) options.set(option, value);
    else unmapped.push(`-${option}`);
  }
  const parameters = {
    ...emptyParameters(prompt, negative),
    ...defined({
      steps: numberOf(options.get('s')),
      cfgScale: numberOf(options.get('C')),
      seed: numberOf(options.get('S')),
      widthPx: numberOf(options.get('W')),
      heightPx: numberOf(options.get('H')),
      sampler: options.get('A'),
    }),
  };
  return { tool: TOOL, parameters, unmapped };
}
