/** The inspector's report as text. */
import type { FileReport, InspectReport, ModelReport, SizeReport } from './report';

const MIB = 2 ** 20;

function bytes(count: number | undefined): string {
  if (count === undefined) return '-';
  return count < MIB ? `${(count / 1024).toFixed(1)} KiB` : `${(count / MIB).toFixed(1)} MiB`;
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_cell, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}

function fileLines(file: FileReport): string[] {
  const facts = [
    ['kind', file.kind],
    ['family', file.family ?? 'unknown'],
    ['layout', file.layout ?? '-'],
    ['container', file.container],
    ['parts', file.parts.join(', ') || '-'],
    ...(file.quant === undefined ? [] : [['quantised', file.quant]]),
    ['tensors', `${file.tensors}, ${bytes(file.bytes)}`],
    ...Object.entries(file.details).map(([name, value]) => [name.replaceAll('_', ' '), String(value)]),
  ];
  const types = file.types.map(({ type, tensors, bytes: size, path }) => [
    type,
    `${tensors} tensors`,
    bytes(size),
    path,
  ]);
  return [file.file, ...aligned(facts), ...(types.length > 0 ? ['  types (WebGPU path)'] : []), ...aligned(types)];
}

function sizeLines(size: SizeReport): string[] {
  const { widthPx, heightPx, verdict, reason, peakBytes, stages, flopsPerPicture, secondsPerPicture } = size;
  const time = secondsPerPicture === undefined ? '' : `, about ${secondsPerPicture.toFixed(1)} s`;
  const head = `  ${widthPx}x${heightPx}: ${verdict} (${(flopsPerPicture / 1e12).toPrecision(3)} TFLOP per picture${time})`;
  const peaks = Object.entries(peakBytes).map(([residency, peak]) => `${residency} ${bytes(peak)}`);
  const rows = stages.map((s) => [
    `  ${s.stage}`,
    s.variant,
    `weights ${bytes(s.weightsBytes)}`,
    `arena ${bytes(s.arenaBytes)}`,
  ]);
  return [head, `    ${reason}`, `    peak: ${peaks.join(', ')}`, ...aligned(rows)];
}

function modelLines(model: ModelReport): string[] {
  const operators = model.operators.map(({ op, counts }) => [
    op,
    Object.entries(counts)
      .map(([component, count]) => `${component} ${count}`)
      .join(', '),
  ]);
  return [
    `Model: ${model.label}`,
    ...aligned([
      ['family', model.family],
      ['prediction', model.prediction],
      ['made for', model.nativePx.join('x')],
      ['missing', model.missing.join(', ') || 'nothing'],
    ]),
    'Operators',
    ...aligned(operators),
    'Unsupported on WebGPU',
    ...(model.unsupported.length > 0
      ? aligned(model.unsupported.map(({ what, count }) => [what, `${count} times`]))
      : ['  nothing']),
    'Fit',
    ...model.sizes.flatMap(sizeLines),
    ...model.notes,
  ];
}

/** Lines to print. */
export function reportLines({ files, model, notes }: InspectReport): string[] {
  const blocks = [
    ...files.map(fileLines),
    ...(model ? [modelLines(model)] : []),
    ...(notes.length > 0 ? [[...notes]] : []),
  ];
  return blocks.flatMap((block, i) => (i === 0 ? block : ['', ...block]));
}
