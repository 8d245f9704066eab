/** Fooocus: JSON in the `parameters` chunk, `fooocus_scheme` beside it; the user comment in other containers. */
import { emptyParameters } from '../parameters';
import type { Dialect } from './dialect';
import { defined, jsonFields, numberOf, textOf } from './json_fields';

const MAPPED = new Set(
  (
    'prompt negative_prompt steps sampler scheduler guidance_scale seed resolution base_model base_model_hash ' +
    'clip_skip version metadata_scheme'
  ).split(' '),
);

export const fooocus: Dialect = {
  id: 'Fooocus',
  read({ texts }) {
    const root = jsonFields(texts.get('parameters') ?? texts.get('exif:UserComment'));
    if (root === undefined || !(texts.has('fooocus_scheme') || root.get('metadata_scheme') === 'fooocus')) {
      return undefined;
    }
    const size = /(\d{1,6})\D+(\d{1,6})/.exec(textOf(root.get('resolution')) ?? '');
    const parameters = {
      ...emptyParameters(textOf(root.get('prompt')), textOf(root.get('negative_prompt'))),
      ...defined({
        steps: numberOf(root.get('steps')),
        cfgScale: numberOf(root.get('guidance_scale')),
        seed: numberOf(root.get('seed')),
        widthPx: size ? Number(size[1]) : undefined,
        heightPx: size ? Number(size[2]) : undefined,
        sampler: textOf(root.get('sampler')),
        schedule: textOf(root.get('scheduler')),
        model: textOf(root.get('base_model')),
        modelHash: textOf(root.get('base_model_hash')),
        clipSkip: numberOf(root.get('clip_skip')),
        version: textOf(root.get('version')),
      }),
    };
    return { tool: 'Fooocus', parameters, unmapped: [...root.keys()].filter((key) => !MAPPED.has(key)) };
  },
};
