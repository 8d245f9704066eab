/** Flags of files that steer a generation beside the model, and what they make of a request. */
import { AppError } from '../lib/base/errors';
import { CONTROL_MODES, RESIZE_MODES, type ControlRequest } from '../lib/rpc/engine';
import { optionsFromLegacy, valueOf } from '../lib/options/legacy';
import { MODEL_OPTIONS, type ModelOption, type ModelOptionValues } from '../lib/options/model_options';
import type { Flags, Parsed } from './command_line';
import { readWhole } from './node_files';
import { decodePng } from './node_images';
import { networkName, type NetworkPaths } from './node_networks';

export const networkFlags = {
  upscaler: { kind: 'list', value: 'FILE', about: 'upscaler network, known by its file name' },
  lora: { kind: 'list', value: 'FILE[=STRENGTH]', about: 'adapter for <lora:name:1>; without a tag it is put on at 1' },
  'lora-dir': { kind: 'list', value: 'DIR', about: 'folder whose adapters, embeddings, … prompts may name' },
  embedding: { kind: 'list', value: 'FILE', about: 'textual inversion, known by its file name' },
  vae: { kind: 'text', value: 'FILE', about: "autoencoder in place of the model's own" },
  control: {
    kind: 'list',
    value: 'FILE=PICTURE[,weight=1][,start=0][,end=1][,mode=balanced]',
    about: `ControlNet, T2I-Adapter or IP-Adapter with its picture; mode: ${CONTROL_MODES.join(' | ')}`,
  },
  'clip-vision': { kind: 'list', value: 'FILE', about: 'vision model of an IP-Adapter' },
  option: {
    kind: 'list',
    value: 'NAME=VALUE',
    about: `switch of the model: ${MODEL_OPTIONS.filter((option) => !('place' in option))
      .map(({ id }) => id)
      .join(', ')}`,
  },
} as const satisfies Flags;

type NetworkOptions = Parsed<typeof networkFlags>;

export interface LoraFlag {
  readonly path: string;
  readonly name: string;
  readonly strength: string;
}

/** `FILE` or `FILE=0.8`. */
export function readLora(word: string): LoraFlag {
  const [, path = word, strength = '1'] = /^(.*)=([+-]?[\d.]+)$/.exec(word) ?? [];
  return { path, name: networkName(path), strength };
}

/** Adapters that the prompt does not name are put on at their strength. */
export function withTags(prompt: string, loras: readonly LoraFlag[]): string {
  const missing = loras.filter(({ name }) => !prompt.includes(`<lora:${name}:`));
  return prompt + missing.map(({ name, strength }) => `<lora:${name}:${strength}>`).join('');
}

export function networkPaths(options: NetworkOptions): NetworkPaths {
  const of = (paths: readonly string[], kind: NetworkPaths['files'][number]['kind']) =>
    paths.map((path) => ({ path, kind }));
  return {
    files: [
      ...of(
        options.lora.map((word) => readLora(word).path),
        'lora',
      ),
      ...of(options.embedding, 'embedding'),
      ...of(options.upscaler, 'upscaler'),
      ...of(options.vae === undefined ? [] : [options.vae], 'vae'),
      ...of(
        options.control.map((word) => splitControl(word).modelId),
        'control',
      ),
      ...of(options['clip-vision'], 'clip-vision'),
    ],
    folders: options['lora-dir'],
  };
}

interface ControlFlag {
  readonly modelId: string;
  readonly picture: string;
  readonly settings: ReadonlyMap<string, string>;
}

/** @throws AppError 'argument/invalid' */
function splitControl(word: string): ControlFlag {
  const [head = '', ...rest] = word.split(',');
  const [modelId, picture] = head.split('=');
  if (!modelId || !picture) {
    throw new AppError(
      'argument/invalid',
      `--control: must be FILE=PICTURE with settings behind commas, got "${word}".`,
    );
  }
  const settings = new Map<string, string>();
  for (const item of rest) {
    const [name = '', value] = item.split('=');
    if (!['weight', 'start', 'end', 'mode', 'resize'].includes(name) || value === undefined) {
      throw new AppError(
        'argument/invalid',
        `--control: settings are weight, start, end, mode and resize, each NAME=VALUE, got "${item}".`,
      );
    }
    settings.set(name, value);
  }
  return { modelId, picture, settings };
}

/** @throws AppError 'argument/invalid', 'file/…', 'image/…' */
export async function controlRequests(options: NetworkOptions): Promise<ControlRequest[]> {
  const requests: ControlRequest[] = [];
  for (const word of options.control) {
    const { modelId, picture, settings } = splitControl(word);
    const number = (name: string, fallback: number) => Number(settings.get(name) ?? fallback);
    const mode = settings.get('mode') ?? 'balanced';
    const resize = settings.get('resize') ?? 'crop';
    const known = CONTROL_MODES.find((one) => one === mode);
    const resizeMode = RESIZE_MODES.find((one) => one === resize);
    if (!known || !resizeMode || resizeMode === 'latent') {
      throw new AppError(
        'argument/invalid',
        `--control: mode must be one of ${CONTROL_MODES.join(', ')}, got "${mode}".`,
      );
    }
    requests.push({
      modelId,
      image: decodePng(await readWhole(picture), picture),
      weight: number('weight', 1),
      start: number('start', 0),
      end: number('end', 1),
      mode: known,
      resizeMode,
    });
  }
  return requests;
}

/** `--option shift=3` as values of the schema. @throws AppError 'argument/invalid' for names and values it does not have */
export function modelOptionValues(words: readonly string[]): ModelOptionValues {
  const values: Record<string, string | number | boolean> = {};
  const options: readonly ModelOption[] = MODEL_OPTIONS;
  for (const word of words) {
    const [, name = '', text = ''] = /^([^=]*)=(.*)$/.exec(word) ?? [];
    const option = options.find(({ id, place }) => id === name && place === undefined);
    const value = option && valueOf(option, text);
    const foreign = option ? {} : optionsFromLegacy([[name, text]]).options;
    if (Object.keys(foreign).length > 0) Object.assign(values, foreign);
    else if (value === undefined) {
      const known = options.filter(({ place }) => place === undefined).map(({ id }) => id);
      throw new AppError(
        'argument/invalid',
        `--option: must be NAME=VALUE with one of ${known.join(', ')}, got "${word}".`,
        { details: { option: word } },
      );
    } else values[name] = value;
  }
  return values;
}
