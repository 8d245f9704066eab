/** The built app as files over HTTP: one folder, nothing outside it, with the headers that the app needs. */
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, resolve, sep } from 'node:path';
import CONTENT_TYPES from '../../lib/base/content_types.json';
import ISOLATION_HEADERS from '../../lib/base/isolation_headers.json';
import { HttpError } from './http_error';

const TYPES: Readonly<Record<string, string>> = CONTENT_TYPES;

/** Sent with every answer. The app's own content policy is in its pages. */
export const SAFE_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Resource-Policy': 'same-origin',
} as const;

/** The app is isolated for the threads of WebAssembly, and framed by nobody. */
const APP_HEADERS = { ...ISOLATION_HEADERS, 'Content-Security-Policy': "frame-ancestors 'none'" } as const;

/**
 * The file that a path names.
 * @throws HttpError 400 for a path that cannot be read, 403 for one that leads outside, 404
 */
async function findFile(folder: string, url: string): Promise<{ path: string; sizeBytes: number }> {
  let path: string;
  try {
    path = decodeURIComponent(url.split(/[?#]/)[0] ?? '/');
  } catch {
    throw new HttpError(400, 'Bad path');
  }
  if (path.includes('\0')) throw new HttpError(400, 'Bad path');
  const wanted = resolve(folder, `.${path}`);
  if (wanted !== folder && !wanted.startsWith(folder + sep)) throw new HttpError(403, 'Forbidden');
  // Routes of the app are one page; a missing asset stays missing.
  const candidates =
    extname(wanted) === '' ? [`${wanted}.html`, join(wanted, 'index.html'), join(folder, 'index.html')] : [wanted];
  for (const candidate of candidates) {
    const found = await stat(candidate).catch(() => undefined);
    if (!found?.isFile()) continue;
    const real = await realpath(candidate);
    if (!real.startsWith((await realpath(folder)) + sep)) throw new HttpError(403, 'Forbidden');
    return { path: real, sizeBytes: found.size };
  }
  throw new HttpError(404, 'Not Found');
}

/** Answers GET and HEAD with a file of the folder, in part where a range is asked for. @throws HttpError */
export async function serveFile(folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') throw new HttpError(405, 'Method Not Allowed');
  const { path, sizeBytes } = await findFile(resolve(folder), request.url ?? '/');
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(Number(range[2]), sizeBytes - 1) : sizeBytes - 1;
  if (range && start > end)
    throw new HttpError(416, 'Range Not Satisfiable', { 'Content-Range': `bytes */${sizeBytes}` });
  response.writeHead(range ? 206 : 200, {
    ...SAFE_HEADERS,
    ...APP_HEADERS,
    'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
    'Cache-Control': path.includes(`${sep}immutable${sep}`) ? 'public, max-age=31536000, immutable' : 'no-cache',
    'Accept-Ranges': 'bytes',
    'Content-Length': sizeBytes === 0 ? 0 : end - start + 1,
    ...(range ? { 'Content-Range': `bytes ${start}-${end}/${sizeBytes}` } : {}),
  });
  if (request.method === 'HEAD' || sizeBytes === 0) {
    response.end();
    return;
  }
  const file = createReadStream(path, { start, end });
  file.on('error', () => response.destroy());
  response.on('close', () => file.destroy());
  file.pipe(response);
}
