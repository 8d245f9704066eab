/** Samplers, schedules, their names, options and how many steps they take. */
import { GUIDANCE_METHODS } from '../../../src/lib/sampling/guidance/methods';
import { optionKey, type OptionDef, type OptionSchema } from '../../../src/lib/sampling/options';
import { samplers } from '../../../src/lib/sampling/registry';
import type { SamplerDef } from '../../../src/lib/sampling/sampler';
import type { ScheduleDef } from '../../../src/lib/sampling/schedule';
import { schedules } from '../../../src/lib/sampling/schedule_registry';
import { codes, table } from './markdown';

export function samplersPage(): string {
  const all: readonly SamplerDef[] = samplers;
  const flags = (s: SamplerDef): string =>
    [
      s.stochastic && 'draws noise',
      s.brownian && 'Brownian tree',
      s.usesEnsd && 'ENSD',
      s.discardPenultimate && 'drops the next-to-last sigma',
      s.timestepGrid && 'own timestep grid',
      s.rangeOnly && 'takes only the range',
      s.needsUncond && 'needs uncond',
      s.guidanceDivisor && `guidance scale / ${s.guidanceDivisor}`,
    ]
      .filter(Boolean)
      .join(', ');
  const models = (s: SamplerDef): string =>
    s.parameterizations.map((p) => (p === 've' ? 'eps, v, edm' : 'flow')).join(', ');
  const limits = (o: OptionDef): string =>
    o.kind === 'number' ? `${o.min} to ${o.max}` : o.kind === 'choice' ? o.choices.join(', ') : o.kind;
  const optionRows = (owners: readonly { readonly label: string; readonly options: OptionSchema }[]) =>
    owners.flatMap((owner) =>
      Object.entries(owner.options).map(([name, o]) => [
        owner.label,
        `\`${name}\``,
        String(o.default),
        limits(o),
        o.about,
        optionKey(name, o),
      ]),
    );
  const head = (owner: string) => [owner, 'Option', 'Default', 'Limits', 'What it does', 'Parameter text key'];
  return `# Samplers and schedules

Generated from the registries by \`npx tsx tests/tools/generate_docs.ts\`; do not edit by hand.
How to add one: one file in \`src/lib/sampling/samplers\` (or a definition in \`schedules\`) and one line in its registry.

## Samplers

${all.length} samplers. *Calls* are model evaluations per step. "Automatic" is the schedule taken when none is chosen. The ones
without *web UIs* come from ComfyUI or are variants offered here.

${table(
  ['Label', 'Id', 'Order', 'Calls', 'Automatic', 'Models', 'Notes', 'Web UIs'],
  all.map((s) => [
    s.label,
    `\`${s.id}\``,
    `${s.order}`,
    `${s.callsPerStep}`,
    s.preferredSchedule,
    models(s),
    flags(s),
    s.webui ? 'yes' : '',
  ]),
)}

### Names and sources

Names are matched without regard to case. \`LABEL SCHEDULE\`, \`id_schedule\` and the old \`k_…_ka\`, \`k_…_exp\` are understood;
unknown names are refused with the nearest known one.

${table(
  ['Label', 'Aliases', 'ComfyUI', 'stable-diffusion.cpp', 'Source of the rule'],
  all.map((s) => [s.label, codes(s.aliases), codes(s.comfyui), codes(s.sdcpp), s.source]),
)}

### How many steps

Multistep rules that extrapolate need small steps where guidance is strong: with few of them colours burn and shapes
break. That is the rule, not a fault: the per-step numbers agree with the reference libraries, and more steps or the
Karras schedule end at the same picture. Distance of the final latent from the converged one (Heun on Karras, 100 steps),
built-in model, CFG 7:

${table(
  ['Sampler', '16 steps', '32', '64', 'Karras, 16', 'Karras, 32'],
  [
    ['Euler', '0.050', '0.028', '0.014', '0.019', '0.009'],
    ['DPM++ 2M', '0.011', '0.002', '0.000', '0.011', '0.002'],
    ['LMS', '2.915', '0.577', '0.053', '0.115', '0.023'],
    ['IPNDM', '1.486', '0.758', '0.008', '0.561', '0.179'],
    ['IPNDM_V', '3.260', '2.238', '0.072', '0.265', '0.085'],
    ['DEIS', '1.443', '0.029', '0.011', '0.153', '0.002'],
    ['PLMS', '1.587', '0.873', '0.022', '', ''],
    ['Gradient Estimation', '0.501', '0.020', '0.011', '0.117', '0.009'],
    ['RES Multistep', '0.138', '0.058', '0.031', '0.013', '0.002'],
    ['Euler a', '0.156', '0.146', '0.138', '0.139', '0.141'],
    ['RES Multistep a', '1.457', '0.340', '0.178', '0.164', '0.149'],
  ],
)}

Distance is the root of the squared differences over the root of the reference's squares. The last two draw noise at every
step and end at another picture of the same kind: what they can reach is Euler a's 0.14.

![One apple by each of the ${all.length} samplers](images/samplers.webp)

Every sampler at 64 steps, its own schedule, CFG 7 (CFG++ at 1, DDIM CFG++ as typed), one prompt and one seed. All end at
the same apple; LMS and IPNDM_V still bend its lower left, RES Multistep a leaves a speck beside it, and of the CFG++ forms
the three that draw noise are paler. \`npm run samplers -- --out sheet.webp\` draws the sheet again.

### Options

${table(head('Sampler'), optionRows(all))}

## Schedules

${table(
  ['Label', 'Id', 'Aliases', 'ComfyUI', 'stable-diffusion.cpp', 'Default rho', 'Uses', 'Source'],
  (schedules as readonly ScheduleDef[]).map((s) => [
    s.label,
    `\`${s.id}\``,
    codes(s.aliases),
    codes(s.comfyui),
    codes(s.sdcpp),
    s.defaultRho === undefined ? '' : `${s.defaultRho}`,
    s.needsModel ? 'trained levels' : 'range',
    s.source,
  ]),
)}

## Guidance methods

How the predictions with and without the prompt are combined. All but CFG need sums over whole latents: they are read
back at every step, some hundred kilobytes.

${table(
  ['Label', 'Id', 'What it does'],
  GUIDANCE_METHODS.map(({ label, id, about }) => [label, `\`${id}\``, about]),
)}

${table(head('Method'), optionRows(GUIDANCE_METHODS))}
`;
}
