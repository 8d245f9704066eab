/** The comparison as one HTML file with its pictures inside. */
import type { PixelImage } from '../../lib/rpc/engine';
import { escaped, picture } from '../html_report';

export interface ComparedJob {
  readonly name: string;
  readonly about: string;
  readonly psnr: number;
  readonly ssim: number;
  readonly before: PixelImage;
  readonly after: PixelImage;
}

/** Differences times 8, so that small ones can be seen. */
function difference(a: PixelImage, b: PixelImage): PixelImage {
  const rgba = a.rgba.map((v, i) => (i % 4 === 3 ? 255 : 8 * Math.abs(v - (b.rgba[i] ?? 0))));
  return { widthPx: a.widthPx, heightPx: a.heightPx, rgba };
}

export function htmlReport(
  jobs: readonly ComparedJob[],
  { title, leastPsnr }: { title: string; leastPsnr: number },
): string {
  const rows = jobs.map(({ name, about, psnr, ssim, before, after }) => {
    const numbers = `<td${psnr < leastPsnr ? ' class="bad"' : ''}>${psnr.toFixed(2)}</td><td>${ssim.toFixed(5)}</td>`;
    const pictures = [before, after, difference(before, after)].map(
      (image, i) => `<td>${picture(image, `${name} ${['before', 'now', 'difference'][i] ?? ''}`)}</td>`,
    );
    return `<tr><th scope="row">${escaped(name)}<br><small>${escaped(about)}</small></th>${numbers}${pictures.join('')}</tr>`;
  });
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Baseline: ${escaped(title)}</title>
<style>body{font:14px system-ui;margin:2rem}td,th{padding:.4rem;text-align:left;vertical-align:top}.bad{color:#b00}</style>
<h1>Baseline: ${escaped(title)}</h1>
<table><thead><tr><th>Job<th>PSNR dB<th>SSIM<th>Before<th>Now<th>Difference x8</tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></html>
`;
}
