/**
 * `npm test`: everything CI runs. `npm test RING…` runs some rings only; further words after `--` go to the ring.
 * Prints each skip with its reason and closes with one line over all suites.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureChromium } from './chromium.mjs';
import { goldenSummary } from './golden_summary.mjs';
import { bin, root, run } from './run.mjs';

const RINGS = ['unit', 'golden', 'kernels', 'lint', 'check', 'build', 'e2e'];
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
const goldenTests = join(root, 'tests/golden');
refuseUnusableGolden();

/** A folder or a group that is not there would otherwise end as a run of skips that looks green. */
function refuseUnusableGolden() {
  const folders = (path) =>
    readdirSync(path, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? [e.name] : []));
  const refuse = (message) => {
    console.error(`argument/invalid: ${message}`);
    process.exit(2);
  };
  if (chosen.length === 1 && chosen[0] === 'golden') {
    const groups = folders(goldenTests).filter((name) => name !== 'data');
    const unknown = rest.find((word) => !groups.includes(word));
    if (unknown !== undefined) refuse(`no golden group "${unknown}"; the groups are ${groups.join(', ')}.`);
  }
  const given = process.env['GOLDEN_DIR'];
  if (!given || !rings.includes('golden')) return;
  const path = resolve(given);
  if (!existsSync(path)) refuse(`GOLDEN_DIR: no folder ${path}.`);
  const known = ['sampling', 'models', 'quant', 'files', 'text'];
  if (!folders(path).some((name) => known.includes(name)))
    refuse(`GOLDEN_DIR: ${path} has none of the folders ${known.join(', ')}; name the folder that holds them.`);
}

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
  for (const file of broken) console.log(`failed to load: ${file.name}\n  ${file.message}`);
  for (const file of json.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'pending' || test.status === 'skipped') console.log(`skipped: ${test.fullName}`);
    }
  }
  if (name === 'golden') console.log(`\n${goldenSummary(json).join('\n')}`);
}

async function vitest(project, filters = [], env = {}) {
  const report = join(reports, `${project}.json`);
  rmSync(report, { force: true });
  const args = ['run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  if (rings.length > 1) args.push('--maxWorkers=1');
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

/**
 * Tasks of one core each, which two cores share; the longest first. A single ring has both cores: unit and golden take
 * two workers then. The kernels' software adapter never uses more than one.
 */
const SINGLE_CORE = [
  ['unit', () => vitest('unit', rest)],
  [
    'golden',
    () =>
      vitest(
        'golden',
        rest.map((group) => `tests/golden/${group}/`),
      ),
  ],
  ['kernels', async () => vitest('kernels', rest, { CHROME_PATH: await ensureChromium() })],
  ['lint', () => tool('lint: eslint', 'node', ['tests/tools/lint.mjs', '--only', 'eslint'])],
  ['lint', () => tool('lint: the rest', 'node', ['tests/tools/lint.mjs', '--except', 'eslint'])],
  ['check', () => tool('check', 'node', ['tests/tools/check.mjs'])],
  ['build', () => tool('build and size budget', 'node', ['tests/tools/build.mjs'])],
];

async function runTask([ring, task]) {
  const started = Date.now();
  console.log(`\n=== ${ring}`);
  try {
    await task();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    totals.failed += 1;
  }
  console.log(`=== ${ring}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/** Takes tasks from the list until it is empty; several of these share one list. */
async function drain(tasks) {
  for (let task = tasks.shift(); task; task = tasks.shift()) await runTask(task);
}

const wanted = ([ring]) => rings.includes(ring);
await run(bin('svelte-kit'), ['sync']);
const shared = SINGLE_CORE.filter(wanted);
await Promise.all([drain(shared), drain(shared)]);
// Last: it needs the build, and its clocks need a machine that does nothing else.
if (rings.includes('e2e')) await runTask(['e2e', e2e]);
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed > 0 ? 1 : 0);
