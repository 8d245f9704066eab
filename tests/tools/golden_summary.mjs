/** Sums up a golden run per group and backend: cases, failures, and the worst error over its tolerance. */

/**
 * @param {{ testResults: { name: string, assertionResults: { status: string, meta?: { worst?: number, backend?: string } }[] }[] }} report
 *   of vitest's JSON reporter
 * @returns {string[]} one line per group (folder of tests/golden) and backend, in order of appearance
 */
export function goldenSummary(report) {
  const rows = new Map();
  for (const file of report.testResults) {
    const group = /tests\/golden\/([^/]+)\//.exec(file.name.replaceAll('\\', '/'))?.[1] ?? 'golden';
    for (const { status, meta } of file.assertionResults) {
      const key = `${group.padEnd(10)} ${(meta?.backend ?? 'node').padEnd(10)}`;
      const row = rows.get(key) ?? { cases: 0, failed: 0, skipped: 0, worst: undefined };
      rows.set(key, row);
      if (status === 'passed' || status === 'failed') row.cases += 1;
      else row.skipped += 1;
      if (status === 'failed') row.failed += 1;
      if (meta?.worst !== undefined) row.worst = Math.max(row.worst ?? 0, meta.worst);
    }
  }
  return [...rows]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([key, { cases, failed, skipped, worst }]) => {
      const error = worst === undefined ? 'compared exactly' : `worst error/limit ${worst.toPrecision(3)}`;
      return `${key} ${cases} cases, ${failed} failed, ${skipped} skipped, ${error}`;
    });
}
