/** `npm run check`: types of everything: components, workers, companion, tests. */
import { bin, run } from './run.mjs';

if (process.argv.includes('--help')) {
  console.log('npm run check\n  svelte-check and tsc over src, workers, tests and configs');
  process.exit(0);
}
await run(bin('svelte-kit'), ['sync']);
const components = await run(bin('svelte-check'), ['--tsconfig', './tsconfig.json', '--fail-on-warnings']);
const rest = await run(bin('tsc'), ['--noEmit', '-p', 'tsconfig.json']);
process.exit(components.code === 0 && rest.code === 0 ? 0 : 1);
