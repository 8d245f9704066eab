/** NovelAI: `Software` says so, the prompt is the description, the rest is JSON in `Comment`. */
import { AppError } from '../../base/errors';
import { JsonNumber, parseStrictJson } from '../../formats/strict_json';
import type { JsonValue } from '../../formats/strict_json';
import { parametersOfPairs } from '../parameter_fields';
import type { Dialect } from './dialect';

/** Settings that A1111 assumes for these pictures. */
const ASSUMED = [
  ['Clip skip', '2'],
  ['ENSD', '31337'],
] as const;

const SAMPLERS: ReadonlyMap<string, string> = new Map([
  ['k_euler', 'Euler'],
  ['k_euler_ancestral', 'Euler a'],
  ['k_dpmpp_2m', 'DPM++ 2M'],
  ['k_dpmpp_2m_sde', 'DPM++ 2M SDE'],
  ['k_dpmpp_2s_ancestral', 'DPM++ 2S a'],
  ['k_dpmpp_sde', 'DPM++ SDE'],
  ['k_dpm_2', 'DPM2'],
  ['k_dpm_2_ancestral', 'DPM2 a'],
  ['k_heun', 'Heun'],
  ['k_lms', 'LMS'],
  ['ddim', 'DDIM'],
  ['ddim_v3', 'DDIM'],
  ['plms', 'PLMS'],
]);
const MAPPED = new Set(['steps', 'sampler', 'seed', 'scale', 'uc', 'width', 'height', 'prompt']);

export const novelai: Dialect = {
  id: 'NovelAI',
  read({ texts, widthPx, heightPx }) {
    if (!(texts.get('Software') ?? '').startsWith('NovelAI')) return undefined;
    const fields = commentFields(texts.get('Comment'));
    if (fields === undefined) return undefined;
    const text = (key: string): string | undefined => {
      const value = fields.get(key);
      return value instanceof JsonNumber ? value.text : typeof value === 'string' ? value : undefined;
    };
    const sampler = text('sampler');
    const size = widthPx === undefined || heightPx === undefined ? undefined : `${widthPx}x${heightPx}`;
    const pairs = (
      [
        ['Steps', text('steps')],
        ['Sampler', sampler === undefined ? undefined : (SAMPLERS.get(sampler) ?? sampler)],
        ['CFG scale', text('scale')],
        ['Seed', text('seed')],
        ['Size', size],
        ...ASSUMED,
      ] as const
    ).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
    const prompt = texts.get('Description') ?? text('prompt') ?? '';
    return {
      tool: 'NovelAI',
      parameters: parametersOfPairs(prompt, text('uc') ?? '', pairs),
      unmapped: [...fields.keys()].filter((key) => !MAPPED.has(key)),
    };
  },
};

function commentFields(text: string | undefined): ReadonlyMap<string, JsonValue> | undefined {
  if (text === undefined) return undefined;
  try {
    const value = parseStrictJson(text, 'NovelAI comment');
    return value instanceof Map ? (value as ReadonlyMap<string, JsonValue>) : undefined;
  } catch (error) {
    if (error instanceof AppError) return undefined; // damaged or no JSON: not readable as this dialect
    throw error;
  }
}
