/** `npm start`: builds the app when the sources are newer than the last build, then serves it with isolation headers. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { serveApp } from './serve.mjs';
import { bin, root, run } from './run.mjs';

const help =
  'npm start [-- --port N] [-- --no-build]\n  builds, then serves the app on http://localhost:4173 or the next free port';
const words = process.argv.slice(2);
let port = 4173;
let build = true;
for (let i = 0; i < words.length; i++) {
  if (words[i] === '--help') {
    console.log(help);
    process.exit(0);
  } else if (words[i] === '--port' && /^\d+$/.test(words[i + 1] ?? '')) port = Number(words[++i]);
  else if (words[i] === '--no-build') build = false;
  else {
    console.error(`unknown option: ${words[i]}\n${help}`);
    process.exit(2);
  }
}

function newest(path) {
  if (!existsSync(path)) return 0;
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(info.mtimeMs, ...readdirSync(path).map((entry) => newest(join(path, entry))));
}

const inputs = ['src', 'workers', 'wgsl', 'static', 'package.json', 'vite.config.ts', 'svelte.config.js'];
const built = newest(join(root, 'build/index.html'));
if (build && inputs.some((path) => newest(join(root, path)) > built)) {
  console.log('Building the app (about half a minute, once)…');
  const { code } = await run(bin('vite'), ['build', '--logLevel', 'warn']);
  if (code !== 0) process.exit(1);
}
const server = await serveApp({ folder: join(root, 'build'), port });
console.log(`Sketchforge: ${server.url}`);
console.log('Ctrl-C stops it.');
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close();
    process.exit(signal === 'SIGINT' ? 130 : 0);
  });
}
