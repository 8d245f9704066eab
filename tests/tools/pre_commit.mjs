/** The pre-commit hook: format and lint of the staged files only. CI repeats both over everything. */
import { execFileSync } from 'node:child_process';
import { bin, root, run } from './run.mjs';

const staged = execFileSync('git', ['diff', '--cached', '--name-only', '--diff-filter=ACM'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /\.(ts|svelte|js|mjs)$/.test(file));
if (staged.length > 0) {
  const format = await run(bin('prettier'), ['--check', '--ignore-unknown', ...staged]);
  const lint = await run(bin('eslint'), ['--max-warnings', '0', ...staged]);
  const typed = await run(bin('oxlint'), [
    '--type-aware',
    '--deny-warnings',
    '--no-error-on-unmatched-pattern',
    ...staged,
  ]);
  process.exit([format, lint, typed].every(({ code }) => code === 0) ? 0 : 1);
}
