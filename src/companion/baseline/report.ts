/** The comparison as one HTML file with its pictures inside. */
import type { PixelImage } from '../../lib/rpc/engine';
import { encodePng } from '../node_images';

export interface ComparedJob {
  readonly name: string;
  readonly about: string;
  readonly psnr: number;
  readonly ssim: number;
  readonly before: PixelImage;
  readonly after: PixelImage;
  readonly infotextBefore: string;
  readonly infotextAfter: string;
}

export interface ReportFacts {
  readonly title: string;
  readonly leastPsnr: number;
  /** Lines under the title: what was captured where, and what is compared. */
  readonly about: readonly string[];
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => ENTITIES[c] ?? c);

function picture(image: PixelImage, caption: string): string {
  const data = Buffer.from(encodePng(image)).toString('base64');
  const size = `width="${image.widthPx}" height="${image.heightPx}"`;
  return `<figure><img alt="${escaped(caption)}" src="data:image/png;base64,${data}" ${size}><figcaption>${escaped(caption)}</figcaption></figure>`;
}

/** Differences times 8, so that small ones can be seen. */
function difference(a: PixelImage, b: PixelImage): PixelImage {
  const rgba = a.rgba.map((v, i) => (i % 4 === 3 ? 255 : 8 * Math.abs(v - (b.rgba[i] ?? 0))));
  return { widthPx: a.widthPx, heightPx: a.heightPx, rgba };
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --good: #2e7d32; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #81c784; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 60rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; }
header p { margin: 0.2rem 0; opacity: 0.75; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
h2 { font-size: 1rem; margin: 0; }
h2 small { font-weight: normal; opacity: 0.75; }
.numbers { font-variant-numeric: tabular-nums; margin: 0.2rem 0 0.6rem; }
.bad { color: var(--bad); font-weight: 600; }
.good { color: var(--good); }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; }
figure img { display: block; image-rendering: pixelated; border: 1px solid var(--line); max-width: 100%; height: auto; }
figcaption { font-size: 0.85rem; opacity: 0.75; }
details { margin-top: 0.5rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.8rem; margin: 0.4rem 0; }
`;

function section(job: ComparedJob, leastPsnr: number): string {
  const { name, about, psnr, ssim, before, after } = job;
  const differs = psnr < leastPsnr;
  const equal = before.rgba.every((value, i) => value === after.rgba[i]);
  const told = equal ? 'the same in every byte' : `PSNR ${psnr.toFixed(2)} dB`;
  const same = job.infotextBefore === job.infotextAfter;
  const texts = same
    ? `<pre>${escaped(job.infotextAfter)}</pre>`
    : `<pre>before: ${escaped(job.infotextBefore)}</pre><pre>now: ${escaped(job.infotextAfter)}</pre>`;
  const pictures = [
    picture(before, 'before'),
    picture(after, 'now'),
    ...(equal ? [] : [picture(difference(before, after), 'difference × 8')]),
  ];
  return `<section id="${escaped(name)}">
<h2>${escaped(name)} <small>${escaped(about)}</small></h2>
<p class="numbers"><span class="${differs ? 'bad' : 'good'}">${told}</span>, SSIM ${ssim.toFixed(5)}</p>
<div class="pictures">${pictures.join('')}</div>
<details${same ? '' : ' open'}><summary>${same ? 'Parameters' : '<span class="bad">Parameters differ</span>'}</summary>${texts}</details>
</section>`;
}

/** Jobs that differ come first, the least alike at the top. */
export function htmlReport(jobs: readonly ComparedJob[], { title, leastPsnr, about }: ReportFacts): string {
  const worst = [...jobs].sort((a, b) => Number(a.psnr >= leastPsnr) - Number(b.psnr >= leastPsnr));
  const failed = worst.filter(({ psnr }) => psnr < leastPsnr);
  const verdict =
    failed.length === 0
      ? `<p class="good">All ${jobs.length} pictures reach ${leastPsnr} dB.</p>`
      : `<p class="bad">${failed.length} of ${jobs.length} pictures stay below ${leastPsnr} dB: ${failed.map(({ name }) => `<a href="#${escaped(name)}">${escaped(name)}</a>`).join(', ')}</p>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Baseline: ${escaped(title)}</title><style>${STYLE}</style></head>
<body><header><h1>Baseline: ${escaped(title)}</h1>
${about.map((line) => `<p>${escaped(line)}</p>`).join('\n')}
${verdict}</header>
${worst.map((job) => section(job, leastPsnr)).join('\n')}
</body></html>
`;
}
