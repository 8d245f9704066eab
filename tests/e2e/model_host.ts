/** A host of model files that can misbehave in every way that hosts do, and counts what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HostState {
  bytes: Buffer;
  etag: string;
  ranges: boolean;
  /** Called before each answer; true when it answered itself. */
  intercept: ((request: IncomingMessage, response: ServerResponse, asked: number) => boolean) | undefined;
  /** Range headers in the order they came. */
  readonly asked: string[];
}

export interface ModelHost {
  readonly url: string;
  readonly state: HostState;
  close(): void;
}

const HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Expose-Headers': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
};

export async function startModelHost(bytes: Buffer): Promise<ModelHost> {
  const state: HostState = { bytes, etag: '"one"', ranges: true, intercept: undefined, asked: [] };
  const server = createServer((request, response) => {
    if (request.method === 'OPTIONS') return void response.writeHead(204, HEADERS).end();
    const asked = state.asked.push(request.headers.range ?? '') - 1;
    if (state.intercept?.(request, response, asked)) return;
    answer(state, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    state,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The right answer; `cutAfter` breaks the connection behind so many bytes. */
export function answer(state: HostState, request: IncomingMessage, response: ServerResponse, cutAfter?: number): void {
  const { bytes, etag, ranges } = state;
  const match = ranges ? /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') : null;
  const valid = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
  const part = match !== null && valid;
  const start = part ? Number(match[1]) : 0;
  const end = part ? Math.min(Number(match[2]), bytes.length - 1) + 1 : bytes.length;
  response.writeHead(part ? 206 : 200, {
    ...HEADERS,
    ETag: etag,
    'Content-Length': end - start,
    ...(part ? { 'Content-Range': `bytes ${start}-${end - 1}/${bytes.length}` } : {}),
  });
  if (cutAfter === undefined) response.end(bytes.subarray(start, end));
  else response.write(bytes.subarray(start, Math.min(end, start + cutAfter)), () => response.destroy());
}
