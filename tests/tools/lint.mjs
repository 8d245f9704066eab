/**
 * `npm run lint`: eslint, oxlint (rules that ask the type checker), prettier, dependency rules, unused code, interface texts, generated pages. Exit code 1 on any
 * finding. `--only eslint` and `--except eslint` split it for two cores: eslint takes as long as all the rest.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkDependencies } from './dependency_rules.mjs';
import { bin, root, run } from './run.mjs';

if (process.argv.includes('--help')) {
  console.log(
    'npm run lint [-- --only STEP | --except STEP]\n  eslint, oxlint, prettier --check, dependency rules, knip (unused code), interface texts, generated pages',
  );
  process.exit(0);
}

const steps = [
  ['svelte-kit sync', () => run(bin('svelte-kit'), ['sync'])],
  ['dependency rules', dependencyRules],
  ['prettier', () => run(bin('prettier'), ['--check', '--log-level', 'warn', '.'])],
  ['eslint', () => run(bin('eslint'), ['--max-warnings', '0', '.'])],
  ['oxlint', () => run(bin('oxlint'), ['--type-aware', '--deny-warnings', 'src', 'workers', 'tests'])],
  ['unused code', () => run(bin('knip'), ['--no-progress'])],
  ['interface texts', interfaceTexts],
  ['generated pages', () => run(bin('tsx'), [resolve(root, 'tests/tools/generate_docs.ts'), '--check'])],
];

function dependencyRules() {
  const { files, problems } = checkDependencies(root);
  for (const problem of problems) console.error(problem);
  if (files < 50) {
    console.error(`dependency rules: only ${files} files were seen; the check is blind.`);
    return { code: 1 };
  }
  return { code: problems.length > 0 ? 1 : 0 };
}

function interfaceTexts() {
  const script = resolve(root, 'tests/tools/check_messages.ts');
  return existsSync(script) ? run(bin('tsx'), [script]) : { code: 0 };
}

const [mode, named] = process.argv.slice(2);
const chosen = steps.filter(([name]) =>
  mode === '--only' ? name === named : mode === '--except' ? name !== named : true,
);
if (chosen.length === 0) {
  console.error(`lint: no step is called "${named}"; there are: ${steps.map(([name]) => name).join(', ')}`);
  process.exit(2);
}
let failed = 0;
for (const [name, step] of chosen) {
  const started = Date.now();
  const { code } = await step();
  console.log(`lint: ${name}: ${code === 0 ? 'ok' : 'failed'} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  if (code !== 0) failed++;
}
process.exit(failed > 0 ? 1 : 0);
