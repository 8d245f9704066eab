/** The companion's HTTP server: gate, bodies, routes, answers. What routes do is theirs. */
import {
  createServer as createHttp,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { AppError } from '../../lib/base/errors';
import { SAFE_HEADERS, serveFile } from './app_files';
import type { Auth } from './auth';
import { checkCall, checkHost, ownNames, type GateRules } from './gate';
import { errorReply, HttpError } from './http_error';
import { readBody, readJson } from './read_body';
import type { Call, Reply, Route } from './route';

/** Content type of framed calls and answers. */
const CALL_TYPE = 'application/x-sketchforge';

/** Paths of the API; everything else is the app's. */
const API_PATH = /^\/(?:sdapi|v1|internal|controlnet)(?:\/|$)/;

const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16 * 1024,
};
const MAX_CONNECTIONS = 128;
const MAX_HEADERS = 64;

export interface ServerOptions {
  readonly routes: readonly Route[];
  readonly auth: Auth;
  /** Addresses to listen at; the first must work, the others are tried. */
  readonly hosts: readonly string[];
  readonly port: number;
  /** How many further ports are tried when one is taken. */
  readonly furtherPorts?: number;
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Names under which the machine is reached besides its own. */
  readonly names?: readonly string[];
  /** Origins of other sites that may use the API. */
  readonly origins?: readonly string[];
  /** Folder of the built app; absent: only the API. */
  readonly appDir?: string | undefined;
  /** Sees every failed or refused request: method, path and status, nothing else. */
  readonly log?: (line: string) => void;
  /** Sees errors that nobody expected. */
  readonly onError?: (error: unknown) => void;
  /** Slow requests are ended after these; see Node's `http.createServer`. */
  readonly timeouts?: Partial<Pick<typeof LIMITS, 'headersTimeout' | 'requestTimeout'>>;
}

export interface RunningServer {
  readonly port: number;
  /** Ends open connections. */
  close(): Promise<void>;
}

/** @throws AppError 'argument/invalid' when no port is free */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const routes = new Map(options.routes.map((route) => [`${route.method} ${route.path}`, route]));
  const paths = new Set(options.routes.map((route) => route.path));
  const gate: { rules?: GateRules } = {};
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { rules } = gate;
    if (!rules) throw new HttpError(503, 'Starting');
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const asked = { method: request.method ?? '', headers: request.headers, address: addressOf(request) };
    if (!API_PATH.test(path)) {
      checkHost(asked, rules);
      if (options.appDir === undefined) throw new HttpError(404, 'Not Found');
      return serveFile(options.appDir, request, response);
    }
    if (asked.method === 'OPTIONS') return preflight(request, response, rules);
    const route = routes.get(`${asked.method} ${path}`);
    const contentType = route?.body === 'json' ? 'application/json' : route?.body === 'bytes' ? CALL_TYPE : undefined;
    // The gate comes first: strangers learn nothing of which routes exist.
    const origin = checkCall(asked, rules, {
      contentType: route ? contentType : 'application/json',
      open: route?.open === true,
    });
    if (origin !== undefined)
      for (const [name, value] of Object.entries(corsHeaders(origin))) response.setHeader(name, value);
    if (!route) throw paths.has(path) ? new HttpError(405, 'Method Not Allowed') : new HttpError(404, 'Not Found');
    await runRoute(route, request, response);
  };
  const listener: RequestListener = (request, response) => {
    answer(request, response).catch((error: unknown) => {
      const { status, headers, body } = errorReply(error);
      options.log?.(`${request.method} ${(request.url ?? '').split('?')[0]} ${status}`);
      if (status === 500 && !(error instanceof AppError) && !(error instanceof HttpError)) options.onError?.(error);
      if (response.headersSent) response.destroy();
      else sendJson(response, status, body, headers);
    });
  };
  const listening = await listen(options, listener);
  const { port } = listening[0]?.address() as AddressInfo;
  const own = ownNames({ port, tls: options.tls !== undefined, names: options.names ?? [] });
  const origins = new Set([...own.origins, ...(options.origins ?? []).map((origin) => origin.toLowerCase())]);
  gate.rules = { hosts: own.hosts, origins, auth: options.auth };
  return {
    port,
    close: async () => {
      await Promise.all(
        listening.map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => resolve());
              server.closeAllConnections();
            }),
        ),
      );
    },
  };
}

async function runRoute(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const bytes = route.method === 'GET' ? new Uint8Array() : await readBody(request, route.maxBodyBytes);
  const gone = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) gone.abort(new AppError('job/cancelled', 'client: it hung up.'));
  });
  const named = request.headers['x-sketchforge-client'];
  const call: Call = {
    query: new URL(request.url ?? '/', 'http://localhost').searchParams,
    body: route.body === 'bytes' ? bytes : readJson(bytes),
    client: typeof named === 'string' ? `page ${named.slice(0, 64)}` : `api ${addressOf(request)}`,
    signal: gone.signal,
  };
  await send(response, await route.handle(call));
}

async function send(response: ServerResponse, reply: Reply): Promise<void> {
  if (reply.kind === 'json') {
    sendJson(response, 200, reply.value, reply.headers);
    return;
  }
  response.writeHead(200, { ...SAFE_HEADERS, 'Content-Type': reply.type, 'Cache-Control': 'no-store' });
  for await (const chunk of reply.chunks) {
    if (response.destroyed) break;
    // A slow reader makes the writer wait; previews that are out of date by then were dropped before this point.
    if (!response.write(chunk)) {
      await new Promise<void>((resolve) => {
        response.once('drain', resolve);
        response.once('close', resolve);
      });
    }
  }
  response.end();
}

function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = Buffer.from(JSON.stringify(value ?? null));
  response.writeHead(status, {
    ...SAFE_HEADERS,
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'Content-Length': body.byteLength,
    ...headers,
  });
  response.end(body);
}

const corsHeaders = (origin: string): Record<string, string> => ({
  'Access-Control-Allow-Origin': origin,
  Vary: 'Origin',
  // Pages of an allowed origin are isolated, so they may only read answers that say they are for other origins.
  'Cross-Origin-Resource-Policy': 'cross-origin',
});

function preflight(request: IncomingMessage, response: ServerResponse, rules: GateRules): void {
  checkHost({ method: 'OPTIONS', headers: request.headers, address: '' }, rules);
  const { origin } = request.headers;
  if (origin === undefined || !rules.origins.has(origin.toLowerCase())) throw new HttpError(403, 'Forbidden');
  response.writeHead(204, {
    ...SAFE_HEADERS,
    ...corsHeaders(origin),
    'Access-Control-Allow-Methods': 'GET, POST',
    'Access-Control-Allow-Headers': 'Authorization, Content-Type, X-Sketchforge-Client',
    'Access-Control-Max-Age': '600',
  });
  response.end();
}

function addressOf(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}

async function listen(options: ServerOptions, listener: RequestListener): Promise<Server[]> {
  const [first = '127.0.0.1', ...others] = options.hosts;
  const further = options.furtherPorts ?? 0;
  for (let port = options.port; port <= options.port + further; port++) {
    const server = await open(options, listener, first, port);
    if (!server) continue;
    const taken = (server.address() as AddressInfo).port;
    const more = await Promise.all(others.map((host) => open(options, listener, host, taken).catch(() => undefined)));
    return [server, ...more.filter((one) => one !== undefined)];
  }
  throw new AppError(
    'argument/invalid',
    `port ${options.port}: is in use${further > 0 ? `, and so are the next ${further}` : ''}; choose another with --port.`,
    { details: { port: options.port } },
  );
}

/** Undefined when the port is taken. */
function open(
  options: ServerOptions,
  listener: RequestListener,
  host: string,
  port: number,
): Promise<Server | undefined> {
  const limits = { ...LIMITS, ...options.timeouts, connectionsCheckingInterval: 1000 };
  const server = options.tls ? createHttps({ ...limits, ...options.tls }, listener) : createHttp(limits, listener);
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = MAX_HEADERS;
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else
        reject(
          new AppError(
            'argument/invalid',
            `${host}: cannot be listened at (${error.code ?? error.message}); choose another --host.`,
            { cause: error },
          ),
        );
    });
    server.listen(port, host, () => resolve(server));
  });
}
