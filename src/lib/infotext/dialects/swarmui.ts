/** SwarmUI: JSON with `sui_image_params` in the chunk that A1111 uses for its text, or in the user comment. */
import { emptyParameters } from '../parameters';
import type { Dialect } from './dialect';
import { defined, fieldsOf, jsonFields, numberOf, textOf } from './json_fields';

const MAPPED = new Set(
  'prompt negativeprompt model steps cfgscale seed width height sampler scheduler swarm_version'.split(' '),
);

export const swarmui: Dialect = {
  id: 'SwarmUI',
  read({ texts }) {
    const root = jsonFields(texts.get('parameters') ?? texts.get('exif:UserComment'));
    const params = fieldsOf(root?.get('sui_image_params'));
    if (params === undefined) return undefined;
    const parameters = {
      ...emptyParameters(textOf(params.get('prompt')), textOf(params.get('negativeprompt'))),
      ...defined({
        steps: numberOf(params.get('steps')),
        cfgScale: numberOf(params.get('cfgscale')),
        seed: numberOf(params.get('seed')),
        widthPx: numberOf(params.get('width')),
        heightPx: numberOf(params.get('height')),
        sampler: textOf(params.get('sampler')),
        schedule: textOf(params.get('scheduler')),
        model: textOf(params.get('model')),
        version: textOf(params.get('swarm_version')),
      }),
    };
    return { tool: 'SwarmUI', parameters, unmapped: [...params.keys()].filter((key) => !MAPPED.has(key)) };
  },
};
