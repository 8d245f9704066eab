/**
 * `npm run check`: types of everything: components, workers, companion, tests. svelte-check reads every file of the
 * project, so tsc besides it would find the same once more (35 s).
 */
import { bin, run } from './run.mjs';

if (process.argv.includes('--help')) {
  console.log('npm run check\n  svelte-check over src, workers, tests and configs');
  process.exit(0);
}
await run(bin('svelte-kit'), ['sync']);
const { code } = await run(bin('svelte-check'), ['--tsconfig', './tsconfig.json', '--fail-on-warnings']);
process.exit(code);
