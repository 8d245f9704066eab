/** The validation of a folder as one HTML file with its pictures inside, readable in light and dark. */
import type { PixelImage } from '../../lib/rpc/engine';
import { escaped, picture } from '../html_report';
import type { Drawn } from './draw';

export interface LoraEntry {
  readonly name: string;
  /** Likeness to the picture without it, dB; 100 for equal pictures. */
  readonly psnr?: number;
  readonly drawn: Drawn;
}

export interface ModelEntry {
  readonly name: string;
  readonly family: string;
  readonly facts: readonly (readonly [what: string, value: string])[];
  readonly loadMs?: number;
  readonly drawn: Drawn;
  readonly loras: readonly LoraEntry[];
}

export interface ValidationReport {
  readonly folder: string;
  readonly made: string;
  readonly machine: string;
  readonly settings: string;
  readonly models: readonly ModelEntry[];
  readonly problems: readonly { readonly name: string; readonly reason: string }[];
  readonly unused: readonly { readonly name: string; readonly reason: string }[];
}

const MIB = 2 ** 20;
/** Pictures are small; as large as this they can be judged. */
const SHOWN_PX = 192;

function shown(image: PixelImage | undefined, alt: string): string {
  return image
    ? picture(image, alt, Math.max(SHOWN_PX, Math.min(image.widthPx, 320)))
    : '<div class="none">no picture</div>';
}

function timesOf({ result }: Drawn, loadMs?: number): string {
  if (!result) return '';
  const stages = [...(loadMs === undefined ? [] : [{ stage: 'open', ms: loadMs }]), ...result.times];
  const rows = stages.map(({ stage, ms }) => `<tr><td>${stage}<td class="number">${(ms / 1000).toFixed(2)} s</tr>`);
  const memory = result.telemetry?.memory;
  if (memory) {
    rows.push(
      `<tr><td>memory, at most<td class="number">${(memory.peakBytes / MIB).toFixed(1)} MiB</tr>`,
      `<tr><td>planned<td class="number">${(memory.plannedPeakBytes / MIB).toFixed(1)} MiB</tr>`,
    );
  }
  return `<table class="facts">${rows.join('')}</table>`;
}

function warningsOf({ warnings, error }: Drawn): string {
  const wrong = error === undefined ? '' : `<p class="bad">${escaped(error)}</p>`;
  const notes = warnings.map(({ message, details }) => {
    const list = details.map((line) => `<li>${escaped(line)}`).join('');
    if (list === '') return `<p class="warning">${escaped(message)}</p>`;
    return `<details class="warning"><summary>${escaped(message)}</summary><ul>${list}</ul></details>`;
  });
  return wrong + notes.join('');
}

function loraSection({ name, psnr, drawn }: LoraEntry, model: string): string {
  const change =
    psnr === undefined
      ? ''
      : psnr >= 100
        ? '<p class="warning">Changes nothing.</p>'
        : `<p>${psnr.toFixed(1)} dB from the picture without it</p>`;
  return `<section class="lora"><h3>+ ${escaped(name)}</h3><div class="row">${shown(drawn.picture, `${model} with ${name}`)}<div>${timesOf(drawn)}</div><div class="notes">${change}${warningsOf(drawn)}</div></div></section>`;
}

function modelSection(entry: ModelEntry): string {
  const { name, family, facts, drawn, loras, loadMs } = entry;
  const rows = facts.map(([what, value]) => `<tr><td>${escaped(what)}<td>${escaped(value)}</tr>`).join('');
  const state = drawn.error === undefined ? '' : ' class="failed"';
  return `<article${state}><h2>${escaped(name)}</h2><p class="family">${escaped(family)}</p>
<div class="row">${shown(drawn.picture, name)}<div><table class="facts">${rows}</table></div><div>${timesOf(drawn, loadMs)}</div><div class="notes">${warningsOf(drawn)}</div></div>
${loras.map((lora) => loraSection(lora, name)).join('\n')}</article>`;
}

function list(title: string, items: ValidationReport['problems']): string {
  if (items.length === 0) return '';
  const rows = items.map(({ name, reason }) => `<tr><th scope="row">${escaped(name)}<td>${escaped(reason)}</tr>`);
  return `<section><h2>${title}</h2><table class="list">${rows.join('')}</table></section>`;
}

/** Counts that the heading and the command line show. */
export function countsOf({ models, problems }: ValidationReport) {
  const all = models.flatMap(({ drawn, loras }) => [drawn, ...loras.map((lora) => lora.drawn)]);
  return {
    pictures: all.filter(({ picture: made }) => made !== undefined).length,
    failed: all.filter(({ error }) => error !== undefined).length,
    warnings: all.reduce((sum, { warnings }) => sum + warnings.length, 0),
    unusable: problems.length,
  };
}

export function validationHtml(report: ValidationReport): string {
  const { pictures, failed, warnings, unusable } = countsOf(report);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Validation: ${escaped(report.folder)}</title>
<style>
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--bad:#c0392b;--warn:#b9770e}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{margin-bottom:.2rem}h2{margin:0;overflow-wrap:anywhere}h3{margin:.2rem 0 .6rem;font-size:1rem;overflow-wrap:anywhere}
article,section.lora{border:1px solid var(--line);border-radius:10px;padding:1rem;margin-block:1rem}
article.failed{border-color:var(--bad)}
.family,.sub{opacity:.75;margin:.1rem 0 .8rem}
.row{display:flex;flex-wrap:wrap;gap:1.2rem;align-items:flex-start}
.row>div{max-width:26rem;min-width:0}
.row img{border-radius:6px;image-rendering:auto}
.none{width:192px;height:192px;border-radius:6px;background:var(--soft);display:grid;place-items:center;opacity:.7}
.notes{flex:1 1 18rem;min-width:0}
table{border-collapse:collapse}.facts td,.list td,.list th{padding:.1rem .9rem .1rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
.facts td:first-child{opacity:.75;white-space:nowrap}.number{font-variant-numeric:tabular-nums;white-space:nowrap}
.list th{font-weight:550;min-width:12rem;max-width:28rem}.list td,.list th{padding-block:.35rem;border-top:1px solid var(--line)}
.bad{color:var(--bad);overflow-wrap:anywhere}.warning{color:var(--warn);overflow-wrap:anywhere;margin:.3rem 0}.warning ul{color:inherit;max-height:14rem;overflow:auto}
</style>
<h1>Validation of ${escaped(report.folder)}</h1>
<p class="sub">${escaped(report.made)} · ${escaped(report.machine)} · ${escaped(report.settings)}</p>
<p><strong>${pictures}</strong> pictures, <strong>${failed}</strong> failed, <strong>${warnings}</strong> warnings, <strong>${unusable}</strong> models or files that cannot be used</p>
${report.models.map(modelSection).join('\n')}
${list('Cannot be used', report.problems)}
${list('Not tried', report.unused)}
</html>
`;
}
