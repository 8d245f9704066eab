/**
 * Builds the app, checks how its workers are cut, and holds it to its size budget. The budget counts what a first visit must download before it can
 * be used: the page's scripts and styles, compressed. Engines, runtimes, kernels and models come later, on demand.
 */
import { gzipSync } from 'node:zlib';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bin, root, run } from './run.mjs';

const FIRST_LOAD_BUDGET_KIB = 150;

const { code } = await run(bin('vite'), ['build', '--logLevel', 'warn']);
if (code !== 0) process.exit(code);

/** WebKit runs the entry of a module worker again when a lazily loaded part imports it: vite.config.ts keeps it apart. */
const workers = join(root, 'build/_app/immutable/workers');
const entries = readdirSync(workers).filter((name) => name.endsWith('.js'));
const parts = readdirSync(join(workers, 'chunks'));
const importing = parts.filter((name) => {
  const text = readFileSync(join(workers, 'chunks', name), 'utf8');
  return entries.some((entry) => text.includes(`/${entry}`));
});
if (entries.length === 0 || parts.length === 0 || importing.length > 0) {
  console.error(`workers: these parts import their worker's entry, or there are none: ${importing.join(', ')}`);
  process.exit(1);
}

const page = readFileSync(join(root, 'build/index.html'), 'utf8');
const urls = new Set(
  [...page.matchAll(/(?:href|import\(|src)=?\(?["']([^"']+\.(?:js|css))["']/g)].map((match) => match[1]),
);
// What the entry modules import statically is fetched before anything runs.
const queue = [...urls];
const seen = new Set();
let bytes = 0;
while (queue.length > 0) {
  const path = join('build', queue.pop().replace(/^\.?\//, '')).replaceAll('\\', '/');
  if (seen.has(path)) continue;
  seen.add(path);
  const text = readFileSync(join(root, path));
  bytes += gzipSync(text, { level: 9 }).byteLength;
  if (!path.endsWith('.js')) continue;
  const folder = path.slice('build/'.length).split('/').slice(0, -1);
  for (const match of text
    .toString()
    .matchAll(/(?:import|export)[^"'()]{0,2000}?from\s*["'](\.[^"']+)["']|import\s*["'](\.[^"']+)["']/g)) {
    const target = (match[1] ?? match[2]).split('/');
    const base = [...folder];
    for (const part of target) {
      if (part === '..') base.pop();
      else if (part !== '.') base.push(part);
    }
    queue.push(base.join('/'));
  }
}
const kib = bytes / 1024;
console.log(`first load: ${kib.toFixed(1)} KiB compressed in ${seen.size} files (budget ${FIRST_LOAD_BUDGET_KIB} KiB)`);
if (seen.size < 2 || kib > FIRST_LOAD_BUDGET_KIB) {
  console.error(`first load: over the budget, or nothing was found to measure`);
  process.exit(1);
}
