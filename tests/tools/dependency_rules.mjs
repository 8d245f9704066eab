/**
 * Checks every import of the source against the table in `layers.mjs`: forbidden edges, cycles, imports that do not
 * resolve. Reads `.ts` and `.svelte` with the project's own resolution rules (relative paths, `$lib`, `$wgsl`,
 * `$workers`), so that nothing passes by not being seen.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { LAYERS, REGISTERED } from './layers.mjs';

const ALIASES = { $lib: 'src/lib', $wgsl: 'wgsl', $workers: 'workers' };
const CODE = /\.(ts|svelte|js)$/;
// Static imports and re-exports, dynamic imports and worker URLs; comments are stripped before.
const IMPORTS =
  /(?:^|[\n;])\s*(import|export)\s(?:(type)\s)?[^'"();]*?from\s*['"]([^'"]+)['"]|(?:^|[\n;])\s*import\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|new URL\(\s*['"](\.[^'"]+)['"]\s*,\s*import\.meta\.url/g;

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (CODE.test(entry.name)) yield path;
  }
}

function resolveImport(root, from, specifier) {
  const clean = specifier.replace(/\?.*$/, '');
  const alias = Object.keys(ALIASES).find((name) => clean === name || clean.startsWith(`${name}/`));
  if (!alias && !clean.startsWith('.')) return { external: clean };
  const base = alias ? join(root, ALIASES[alias], clean.slice(alias.length)) : resolve(dirname(from), clean);
  for (const suffix of ['', '.ts', '.svelte.ts', '.svelte', '.js', '/index.ts']) {
    const path = base + suffix;
    if (existsSync(path) && statSync(path).isFile()) return { path };
  }
  return { missing: specifier };
}

function layerOf(file) {
  return Object.keys(LAYERS)
    .filter((layer) => file === layer || file.startsWith(`${layer}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** The registry that an import goes round, or undefined. */
function bypassedRegistry(file, to) {
  const folders = Object.keys(REGISTERED);
  const folder = folders.find((name) => to.startsWith(`${name}/`));
  if (!folder || file === REGISTERED[folder] || folders.some((name) => file.startsWith(`${name}/`))) return undefined;
  return REGISTERED[folder];
}

/** All broken rules below `root`, as lines of text. */
export function checkDependencies(root) {
  const problems = [];
  const edges = new Map();
  const files = ['src', 'workers', 'wgsl']
    .filter((dir) => existsSync(join(root, dir)))
    .flatMap((dir) => [...walk(join(root, dir))]);
  for (const path of files) {
    const file = relative(root, path).replaceAll('\\', '/');
    const layer = layerOf(file);
    const source = readFileSync(path, 'utf8')
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/(^|\s)\/\/.*$/gm, '$1');
    for (const match of source.matchAll(IMPORTS)) {
      const specifier = match[3] ?? match[4] ?? match[5] ?? match[6];
      const target = resolveImport(root, path, specifier);
      if (target.missing) problems.push(`${file}: import "${target.missing}" does not resolve`);
      if (!target.path) continue;
      const to = relative(root, target.path).replaceAll('\\', '/');
      const toLayer = layerOf(to);
      const bypassed = bypassedRegistry(file, to);
      if (bypassed) problems.push(`${file}: must go through ${bypassed}, not import ${to}`);
      // A worker URL starts a program of its own; it is where the two halves of the product meet.
      const isWorkerUrl = match[6] !== undefined;
      if (!isWorkerUrl && match[2] !== 'type') edges.set(file, [...(edges.get(file) ?? []), to]);
      if (!layer || !toLayer || layer === toLayer || isWorkerUrl) continue;
      if (!LAYERS[layer].includes(toLayer)) problems.push(`${file}: ${layer} must not import ${toLayer} (${to})`);
    }
  }
  return { files: files.length, problems: [...problems, ...cycles(edges)] };
}

function cycles(edges) {
  const state = new Map();
  const found = [];
  const visit = (file, path) => {
    state.set(file, 'open');
    for (const next of edges.get(file) ?? []) {
      if (state.get(next) === 'open') found.push(`cycle: ${[...path.slice(path.indexOf(next)), next].join(' → ')}`);
      else if (!state.has(next)) visit(next, [...path, next]);
    }
    state.set(file, 'done');
  };
  for (const file of edges.keys()) if (!state.has(file)) visit(file, [file]);
  return found;
}
