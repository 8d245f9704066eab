/**
 * Writes the documentation pages that derive from registries: `npx tsx tests/tools/generate_docs.ts [--check]`.
 * `--check` writes nothing and fails when a page on disk differs. Adding a page = one function and one line.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { fluxPage } from './docs/flux_page';
import { hooksPage } from './docs/hooks_page';
import { modelsPage } from './docs/models_page';
import { operatorsPage } from './docs/operators_page';
import { samplersPage } from './docs/samplers_page';

const root = resolve(import.meta.dirname, '../..');

const PAGES: Readonly<Record<string, () => string>> = {
  'codex/samplers.md': samplersPage,
  'codex/models.md': modelsPage,
  'codex/operators.md': operatorsPage,
  'codex/flux_options.md': fluxPage,
  'codex/extension_hooks.md': hooksPage,
};

const check = process.argv.includes('--check');
let stale = 0;
for (const [file, page] of Object.entries(PAGES)) {
  const path = join(root, file);
  const config = await resolveConfig(path);
  const text = await format(page(), { ...config, parser: 'markdown' });
  if (existsSync(path) && readFileSync(path, 'utf8') === text) {
    console.log(`${file}: up to date`);
  } else if (check) {
    stale++;
    console.log(`${file}: differs from the registries; run npx tsx tests/tools/generate_docs.ts`);
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`${file}: written`);
  }
}
process.exit(stale > 0 ? 1 : 0);
