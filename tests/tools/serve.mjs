/** A small static server with the headers that the app needs: what `npm start` and the browser tests use. */
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const shared = (name) => JSON.parse(readFileSync(new URL(`../../src/lib/base/${name}`, import.meta.url), 'utf8'));
const TYPES = shared('content_types.json');

/** COOP and COEP give SharedArrayBuffer (WASM threads) and precise timers. */
export const ISOLATION_HEADERS = shared('isolation_headers.json');

function answer(folder, isolated, request, response) {
  const headers = { ...(isolated ? ISOLATION_HEADERS : {}), 'X-Content-Type-Options': 'nosniff' };
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, headers).end();
    return;
  }
  let path;
  try {
    path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
  } catch {
    response.writeHead(400, headers).end();
    return;
  }
  let file = join(folder, path);
  if (file !== folder && !file.startsWith(folder + sep)) {
    response.writeHead(403, headers).end();
    return;
  }
  if (existsSync(file) && statSync(file).isDirectory()) file = join(file, 'index.html');
  if (!existsSync(file)) {
    // Routes of the single-page app; a missing asset stays a 404.
    if (extname(path)) {
      response.writeHead(404, headers).end();
      return;
    }
    file = existsSync(`${join(folder, path)}.html`) ? `${join(folder, path)}.html` : join(folder, 'index.html');
  }
  const { size } = statSync(file);
  const immutable = path.includes('/immutable/');
  Object.assign(headers, {
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Cache-Control': immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    'Accept-Ranges': 'bytes',
  });
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
  if (range && start > end) {
    response.writeHead(416, { ...headers, 'Content-Range': `bytes */${size}` }).end();
    return;
  }
  if (range) headers['Content-Range'] = `bytes ${start}-${end}/${size}`;
  headers['Content-Length'] = size === 0 ? 0 : end - start + 1;
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === 'HEAD' || size === 0) response.end();
  else createReadStream(file, { start, end }).pipe(response);
}

/** Serves a folder on the given port or the next free one; `isolated: false` leaves the COOP and COEP headers out. */
export async function serveApp({ folder, port = 4173, host = '127.0.0.1', isolated = true }) {
  const server = createServer((request, response) => answer(folder, isolated, request, response));
  for (let tried = port; ; tried++) {
    const ok = await new Promise((resolve, reject) => {
      server.once('error', (error) =>
        error.code === 'EADDRINUSE' && tried < port + 100 ? resolve(false) : reject(error),
      );
      server.listen(tried, host, () => resolve(true));
    });
    if (!ok) continue;
    const { port: actual } = server.address();
    return {
      url: `http://localhost:${actual}/`,
      port: actual,
      close: () => {
        server.close();
        server.closeAllConnections();
      },
    };
  }
}
