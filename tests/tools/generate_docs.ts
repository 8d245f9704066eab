/**
 * Writes the documentation pages that derive from registries: `npx tsx tests/tools/generate_docs.ts [--check]`.
 * `--check` writes nothing and fails when a page on disk differs. Adding a page = one function and one line.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { format, resolveConfig } from 'prettier';
import type { OptionDef } from '../../src/lib/sampling/options';
import { samplers } from '../../src/lib/sampling/registry';
import type { SamplerDef } from '../../src/lib/sampling/sampler';
import type { ScheduleDef } from '../../src/lib/sampling/schedule';
import { schedules } from '../../src/lib/sampling/schedule_registry';
import { fluxPage } from './docs/flux_page';
import { hooksPage } from './docs/hooks_page';
import { codes, table } from './docs/markdown';
import { modelsPage } from './docs/models_page';
import { operatorsPage } from './docs/operators_page';

const root = resolve(import.meta.dirname, '../..');

function samplersPage(): string {
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
  const options = all.flatMap((s) =>
    Object.entries(s.options).map(([name, o]) => [
      s.label,
      `\`${name}\``,
      String(o.default),
      limits(o),
      o.about,
      o.infotext ?? '',
    ]),
  );
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
  ],
)}

\`npm run samplers -- --out sheet.png\` draws one picture with every sampler.

### Options

${table(['Sampler', 'Option', 'Default', 'Limits', 'What it does', 'Parameter text key'], options)}

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
`;
}

const PAGES: Readonly<Record<string, () => string>> = {
  'codex/samplers.md': samplersPage,
  'codex/models.md': modelsPage,
  'codex/operators.md': operatorsPage,
  'codex/flux_options.md': fluxPage,
  'codex/extension_hooks.md': hooksPage,
};

const check = process.argv.includes('--check');
let stale = 0;
for (const [file, page] of Object.entries(PAGES)) {
  const path = join(root, file);
  const config = await resolveConfig(path);
  const text = await format(page(), { ...config, parser: 'markdown' });
  if (existsSync(path) && readFileSync(path, 'utf8') === text) {
    console.log(`${file}: up to date`);
  } else if (check) {
    stale++;
    console.log(`${file}: differs from the registries; run npx tsx tests/tools/generate_docs.ts`);
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`${file}: written`);
  }
}
process.exit(stale > 0 ? 1 : 0);
