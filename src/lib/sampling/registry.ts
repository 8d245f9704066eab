/**
 * The list of samplers. Adding one = one file in `samplers/` and one line here; ids, menus, names, documentation and
 * tests derive from the list. Order is the menu order of the web UIs, then the ComfyUI additions.
 */
import type { SamplerDef } from './sampler';
import { dpmpp2mCfgpp, dpmpp2sAncestralCfgpp, eulerAncestralCfgpp, eulerCfgpp } from './samplers/cfg_pp';
import { ddim, ddimCfgpp } from './samplers/ddim';
import { ddpm } from './samplers/ddpm';
import { deis } from './samplers/deis';
import { dpm2 } from './samplers/dpm_2';
import { dpm2Ancestral } from './samplers/dpm_2_ancestral';
import { dpmAdaptive } from './samplers/dpm_adaptive';
import { dpmFast } from './samplers/dpm_fast';
import { dpmpp2m } from './samplers/dpmpp_2m';
import { dpmpp2mSde, dpmpp2mSdeHeun } from './samplers/dpmpp_2m_sde';
import { dpmpp2sAncestral } from './samplers/dpmpp_2s_ancestral';
import { dpmpp3mSde } from './samplers/dpmpp_3m_sde';
import { dpmppSde } from './samplers/dpmpp_sde';
import { erSde } from './samplers/er_sde';
import { euler } from './samplers/euler';
import { eulerAncestral } from './samplers/euler_ancestral';
import { gradientEstimation, gradientEstimationCfgpp } from './samplers/gradient_estimation';
import { heun } from './samplers/heun';
import { heunpp2 } from './samplers/heunpp2';
import { ipndm } from './samplers/ipndm';
import { ipndmV } from './samplers/ipndm_v';
import { lcm } from './samplers/lcm';
import { lms } from './samplers/lms';
import { plms } from './samplers/plms';
import {
  resMultistep,
  resMultistepAncestral,
  resMultistepAncestralCfgpp,
  resMultistepCfgpp,
} from './samplers/res_multistep';
import { restart } from './samplers/restart';
import { saSolver, saSolverPece } from './samplers/sa_solver';
import { seeds2, seeds3 } from './samplers/seeds';
import { uniPcSigma, uniPcSigmaBh2 } from './samplers/unipc_sigma';
import { unipc } from './samplers/unipc';

export const samplers = [
  dpmpp2m,
  dpmppSde,
  dpmpp2mSde,
  dpmpp2mSdeHeun,
  dpmpp2sAncestral,
  dpmpp3mSde,
  eulerAncestral,
  euler,
  lms,
  heun,
  dpm2,
  dpm2Ancestral,
  dpmFast,
  dpmAdaptive,
  restart,
  heunpp2,
  ipndm,
  ipndmV,
  deis,
  ddim,
  ddimCfgpp,
  plms,
  unipc,
  lcm,
  ddpm,
  erSde,
  resMultistep,
  resMultistepAncestral,
  resMultistepCfgpp,
  resMultistepAncestralCfgpp,
  gradientEstimation,
  gradientEstimationCfgpp,
  seeds2,
  seeds3,
  saSolver,
  saSolverPece,
  uniPcSigma,
  uniPcSigmaBh2,
  eulerCfgpp,
  eulerAncestralCfgpp,
  dpmpp2sAncestralCfgpp,
  dpmpp2mCfgpp,
] as const satisfies readonly SamplerDef[];

export type SamplerId = (typeof samplers)[number]['id'];

const byId = new Map<string, SamplerDef>(samplers.map((s) => [s.id, s]));

/** The sampler of a canonical id. Names from users and files go through `resolveSamplerName` instead. */
export function getSampler(id: SamplerId): SamplerDef {
  return byId.get(id) as SamplerDef;
}
