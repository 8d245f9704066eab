/** The summary of a golden run: cases and failures per group and backend, the worst error over its limit. */
import { expect, it } from 'vitest';
import { goldenSummary } from '../../tools/golden_summary.mjs';

it('counts per group and backend, and says where everything is compared exactly', () => {
  const file = (group: string, ...assertionResults: object[]) => ({
    name: `/x/tests/golden/${group}/y.test.ts`,
    assertionResults,
  });
  const lines = goldenSummary({
    testResults: [
      file('text', { status: 'passed', meta: {} }, { status: 'skipped' }),
      file('models', { status: 'passed', meta: { worst: 0.25, backend: 'onnx-wasm' } }),
      { name: 'C:/tests/golden/files/z.test.ts', status: 'failed', assertionResults: [] },
      file('models', { status: 'failed', meta: { worst: 3, backend: 'onnx-wasm' } }, { status: 'passed' }),
    ],
  });
  expect(lines.map((line: string) => line.replace(/ +/g, ' '))).toEqual([
    'files node 0 cases, 0 failed, 0 skipped, compared exactly, 1 suites could not be loaded',
    'models node 1 cases, 0 failed, 0 skipped, compared exactly',
    'models onnx-wasm 2 cases, 1 failed, 0 skipped, worst error/limit 3.00',
    'text node 1 cases, 0 failed, 1 skipped, compared exactly',
  ]);
});
