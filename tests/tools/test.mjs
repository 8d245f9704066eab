/**
 * `npm test`: everything CI runs. `npm test RING…` runs some rings only; further words after `--` go to the ring.
 * Prints each skip with its reason and closes with one line over all suites.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureChromium } from './chromium.mjs';
import { bin, root, run } from './run.mjs';

const RINGS = ['lint', 'check', 'unit', 'golden', 'build', 'kernels', 'e2e'];
const words = process.argv.slice(2);
if (words.includes('--help')) {
  console.log(
    `npm test [RING ...]\n  rings: ${RINGS.join(', ')}; all without an argument\n  GOLDEN_DIR=DIR npm run test:golden [-- GROUP ...]`,
  );
  process.exit(0);
}
const chosen = RINGS.filter((ring) => words.includes(ring));
const rest = words.filter((word) => !RINGS.includes(word));
const rings = chosen.length > 0 ? chosen : RINGS;

const totals = { passed: 0, failed: 0, skipped: 0 };
const reports = join(root, '.cache/reports');
mkdirSync(reports, { recursive: true });

/** A tool that either passes or fails counts as one test. Its output comes when it ends: another may run beside it. */
async function tool(name, command, args) {
  const { code, output } = await run(command, args, { capture: true });
  console.log(output.trimEnd());
  totals[code === 0 ? 'passed' : 'failed'] += 1;
  if (code !== 0) console.error(`${name}: failed`);
}

function countVitest(report, name) {
  if (!existsSync(report)) {
    console.error(`${name}: no report was written; the runner itself failed`);
    totals.failed += 1;
    return;
  }
  const json = JSON.parse(readFileSync(report, 'utf8'));
  totals.passed += json.numPassedTests;
  totals.failed += json.numFailedTests;
  totals.skipped += json.numPendingTests + (json.numTodoTests ?? 0);
  // A suite that could not even be loaded has no tests that could fail.
  const broken = json.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  totals.failed += broken.length;
  for (const file of json.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'pending' || test.status === 'skipped') console.log(`skipped: ${test.fullName}`);
    }
  }
}

async function vitest(project, filters = [], env = {}) {
  const report = join(reports, `${project}.json`);
  rmSync(report, { force: true });
  const args = ['run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  await run(bin('vitest'), [...args, ...filters], { env });
  countVitest(report, project);
}

async function e2e() {
  const report = join(reports, 'e2e.json');
  rmSync(report, { force: true });
  await run(bin('playwright'), ['test', '--config', 'tests/e2e/playwright.config.ts', ...rest], {
    env: { CHROME_PATH: await ensureChromium(), PLAYWRIGHT_JSON_OUTPUT_NAME: report },
  });
  if (!existsSync(report)) {
    totals.failed += 1;
    return;
  }
  const { stats, errors } = JSON.parse(readFileSync(report, 'utf8'));
  totals.passed += stats.expected + stats.flaky;
  totals.failed += stats.unexpected + (errors?.length ?? 0);
  totals.skipped += stats.skipped;
}

const steps = {
  lint: () => tool('lint', 'node', ['tests/tools/lint.mjs']),
  check: () => tool('check', 'node', ['tests/tools/check.mjs']),
  unit: () => vitest('unit', rest),
  golden: () =>
    vitest(
      'golden',
      rest.map((group) => `tests/golden/${group}/`),
    ),
  build: () => tool('build and size budget', 'node', ['tests/tools/build.mjs']),
  kernels: async () => vitest('kernels', rest, { CHROME_PATH: await ensureChromium() }),
  e2e,
};

async function runRing(ring) {
  const started = Date.now();
  console.log(`\n=== ${ring}`);
  try {
    await steps[ring]();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    totals.failed += 1;
  }
  console.log(`=== ${ring}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

async function runRings(names) {
  for (const ring of names) await runRing(ring);
}

await run(bin('svelte-kit'), ['sync']);
// One core each: lint takes about as long as types and build together. The other rings use every core by themselves.
const SINGLE_CORE = ['check', 'build'];
await Promise.all([
  runRings(rings.filter((ring) => ring === 'lint')),
  runRings(rings.filter((ring) => SINGLE_CORE.includes(ring))),
]);
await runRings(rings.filter((ring) => ring !== 'lint' && !SINGLE_CORE.includes(ring)));
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed > 0 ? 1 : 0);
