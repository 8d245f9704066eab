/**
 * The list of samplers. Adding one = one file in `samplers/` and one line here; ids, menus, names, documentation and
 * tests derive from the list. Order is the menu order of the web UIs, then the ComfyUI additions.
 */
import { dpmpp2m } from './samplers/dpmpp_2m';
import { euler } from './samplers/euler';
import { eulerAncestral } from './samplers/euler_ancestral';
import { lcm } from './samplers/lcm';
import type { SamplerDef } from './sampler';

export const samplers = [dpmpp2m, eulerAncestral, euler, lcm] as const satisfies readonly SamplerDef[];

export type SamplerId = (typeof samplers)[number]['id'];

const byId = new Map<string, SamplerDef>(samplers.map((s) => [s.id, s]));

/** The sampler of a canonical id. Names from users and files go through `resolveSamplerName` instead. */
export function getSampler(id: SamplerId): SamplerDef {
  return byId.get(id) as SamplerDef;
}

export function isSamplerId(text: string): text is SamplerId {
  return byId.has(text);
}
