/** Sums up a golden run per group and backend: cases, failures, and the worst error over its tolerance. */

/**
 * @param {{ testResults: { name: string, status?: string, assertionResults: { status: string, meta?: { worst?: number, backend?: string } }[] }[] }} report
 *   of vitest's JSON reporter
 * @returns {string[]} one line per group (folder of tests/golden) and backend, in order of appearance
 */
export function goldenSummary(report) {
  const rows = new Map();
  for (const file of report.testResults) {
    const group = /tests\/golden\/([^/]+)\//.exec(file.name.replaceAll('\\', '/'))?.[1] ?? 'golden';
    const rowOf = (backend) => {
      const key = `${group.padEnd(10)} ${backend.padEnd(10)}`;
      if (!rows.has(key)) rows.set(key, { cases: 0, failed: 0, skipped: 0, unloaded: 0, worst: undefined });
      return rows.get(key);
    };
    if (file.status === 'failed' && file.assertionResults.length === 0) rowOf('node').unloaded += 1;
    for (const { status, meta } of file.assertionResults) {
      const row = rowOf(meta?.backend ?? 'node');
      if (status === 'passed' || status === 'failed') row.cases += 1;
      else row.skipped += 1;
      if (status === 'failed') row.failed += 1;
      if (meta?.worst !== undefined) row.worst = Math.max(row.worst ?? 0, meta.worst);
    }
  }
  return [...rows]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([key, { cases, failed, skipped, unloaded, worst }]) => {
      const error = worst === undefined ? 'compared exactly' : `worst error/limit ${worst.toPrecision(3)}`;
      const missing = unloaded > 0 ? `, ${unloaded} suites could not be loaded` : '';
      return `${key} ${cases} cases, ${failed} failed, ${skipped} skipped, ${error}${missing}`;
    });
}
