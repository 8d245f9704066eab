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
  process.exit(format.code === 0 && lint.code === 0 ? 0 : 1);
}
