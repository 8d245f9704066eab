/** The per-tensor table that a conversion prints. */

import type { ConvertedTensor } from '../../lib/formats/convert/conversion';

/** Lines of the table: tensors in file order, then sums per written type. */
export function tableLines(rows: readonly ConvertedTensor[]): string[] {
  const cells = rows.map((row) => [
    row.name,
    `[${row.shape.join(', ')}]`,
    row.from === row.to ? row.to : `${row.from} > ${row.to}`,
    String(row.bytes),
    row.nmse === 0 ? 'exact' : row.nmse.toExponential(2),
    row.maxAbs === 0 ? '' : row.maxAbs.toPrecision(3),
  ]);
  const head = ['tensor', 'shape', 'type', 'bytes', 'nmse', 'max error'];
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((line) => line[i]?.length ?? 0)));
  const format = (line: readonly string[]) =>
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  return [format(head), ...cells.map(format), '', ...sums(rows)];
}

function sums(rows: readonly ConvertedTensor[]): string[] {
  const byType = new Map<string, { count: number; bytes: number; worst: number }>();
  for (const row of rows) {
    const sum = byType.get(row.to) ?? { count: 0, bytes: 0, worst: 0 };
    byType.set(row.to, {
      count: sum.count + 1,
      bytes: sum.bytes + row.bytes,
      worst: Math.max(sum.worst, row.nmse),
    });
  }
  return [...byType].map(
    ([type, sum]) => `${type}: ${sum.count} tensors, ${sum.bytes} bytes, worst nmse ${sum.worst.toExponential(2)}`,
  );
}
