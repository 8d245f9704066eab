import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkDependencies } from '../../tools/dependency_rules.mjs';

/** Runs the check on a planted project. */
function check(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'layers-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return checkDependencies(root).problems;
  } finally {
    rmSync(root, { recursive: true });
  }
}

describe('dependency rules', () => {
  it('accepts an allowed edge', () => {
    expect(check({ 'src/lib/quant/a.ts': `import { b } from '../base/b';`, 'src/lib/base/b.ts': '' })).toEqual([]);
  });
  it('catches a planted break, relative and through the alias', () => {
    const files = { 'src/lib/graph/g.ts': '', 'src/lib/quant/q.ts': '' };
    expect(check({ ...files, 'src/lib/base/b.ts': `import type { g } from '../graph/g';` })).toHaveLength(1);
    expect(check({ ...files, 'src/lib/base/b.ts': `import {\n  g,\n} from '$lib/graph/g';` })).toHaveLength(1);
    expect(check({ ...files, 'src/lib/base/b.ts': `export { q } from '../quant/q';` })).toHaveLength(1);
    expect(check({ ...files, 'src/lib/base/b.ts': `const q = await import('../quant/q');` })).toHaveLength(1);
  });
  it('catches a planted break inside a component', () => {
    const files = {
      'src/lib/ui/View.svelte': `<script lang="ts">\n  import { run } from '$lib/pipeline/run';\n</script>`,
      'src/lib/pipeline/run.ts': '',
    };
    expect(check(files)).toEqual([
      'src/lib/ui/View.svelte: src/lib/ui must not import src/lib/pipeline (src/lib/pipeline/run.ts)',
    ]);
  });
  it('catches an import that does not resolve, and a cycle', () => {
    expect(check({ 'src/lib/base/b.ts': `import { x } from './gone';` })).toHaveLength(1);
    const cycle = { 'src/lib/base/a.ts': `import { b } from './b';`, 'src/lib/base/b.ts': `import { a } from './a';` };
    expect(check(cycle)).toEqual(['cycle: src/lib/base/a.ts → src/lib/base/b.ts → src/lib/base/a.ts']);
  });
  it('catches a sampler or schedule that is used past its registry', () => {
    const files = {
      'src/lib/sampling/samplers/euler.ts': '',
      'src/lib/sampling/schedules/tables.ts': '',
      'src/lib/sampling/registry.ts': `import { euler } from './samplers/euler';`,
      'src/lib/sampling/schedule_registry.ts': `import { tables } from './schedules/tables';`,
    };
    expect(check(files)).toEqual([]);
    const past = (path: string, text: string) => check({ ...files, [path]: text });
    expect(past('src/lib/pipeline/run.ts', `import { euler } from '../sampling/samplers/euler';`)).toEqual([
      'src/lib/pipeline/run.ts: must go through src/lib/sampling/registry.ts, not import src/lib/sampling/samplers/euler.ts',
    ]);
    expect(past('src/lib/sampling/context.ts', `import { tables } from './schedules/tables';`)).toHaveLength(1);
  });
  it('lets the page start a worker by URL', () => {
    const files = {
      'src/lib/state/engine.svelte.ts': `new Worker(new URL('../../../workers/engine.ts', import.meta.url));`,
      'workers/engine.ts': '',
    };
    expect(check(files)).toEqual([]);
  });
});
