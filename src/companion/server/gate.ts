/**
 * What every request must pass before a route sees it, in this order: Host, Origin, Fetch Metadata, content type,
 * secret. Any web page can send requests to this machine; none of them may reach the engine.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Auth } from './auth';
import { HttpError } from './http_error';

export interface GateRules {
  /** `name:port` in lower case. Rebinding a foreign name to this machine leaves its own name in Host. */
  readonly hosts: ReadonlySet<string>;
  /** `scheme://name:port` of the app itself and of origins that the user allowed. */
  readonly origins: ReadonlySet<string>;
  readonly auth: Auth;
}

export interface Asked {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly address: string;
}

/** @throws HttpError 421 */
export function checkHost({ headers }: Asked, { hosts }: GateRules): void {
  const host = headers.host?.toLowerCase();
  if (host === undefined || !hosts.has(host)) {
    throw new HttpError(421, 'This name is not served here; use the address that the companion printed at its start.');
  }
}

/**
 * The whole gate of an API route.
 * @param contentType  what the body must be; undefined for routes without one
 * @param open  true for routes that need no secret
 * @returns the allowed foreign origin, for the answer's CORS headers
 * @throws HttpError 401, 403, 415, 421, 429
 */
export function checkCall(asked: Asked, rules: GateRules, route: { contentType: string | undefined; open: boolean }) {
  checkHost(asked, rules);
  const { headers, address } = asked;
  const { origin } = headers;
  if (origin !== undefined && !rules.origins.has(origin.toLowerCase())) {
    throw new HttpError(403, 'This page may not use the companion; allow its origin with --origin.');
  }
  const site = headers['sec-fetch-site'];
  // A foreign page's fetch has an Origin, judged above; its images, forms and links have none.
  if (site === 'cross-site' && origin === undefined) {
    throw new HttpError(403, 'Requests from other sites are refused.');
  }
  checkContentType(headers, route.contentType);
  if (!route.open) rules.auth.check(headers.authorization, address, origin !== undefined || site !== undefined);
  return origin;
}

/** Browsers send text/plain and form bodies to foreign servers without asking them first; JSON they do not. */
function checkContentType(headers: IncomingHttpHeaders, wanted: string | undefined): void {
  const given = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  const hasBody = Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined;
  if (!hasBody && given === undefined) return;
  if (wanted === undefined ? hasBody && given !== 'application/json' : given !== wanted) {
    throw new HttpError(415, `The body must be ${wanted ?? 'application/json or absent'}.`);
  }
}

/** Names under which one port of this machine is reached, and the origins of pages served there. */
export function ownNames(options: {
  readonly port: number;
  readonly tls: boolean;
  readonly names: readonly string[];
}): { hosts: Set<string>; origins: Set<string> } {
  const scheme = options.tls ? 'https' : 'http';
  const usual = options.port === (options.tls ? 443 : 80);
  const names = ['127.0.0.1', 'localhost', '[::1]', ...options.names.map((name) => name.toLowerCase())];
  const hosts = names.flatMap((name) => [`${name}:${options.port}`, ...(usual ? [name] : [])]);
  return { hosts: new Set(hosts), origins: new Set(hosts.map((host) => `${scheme}://${host}`)) };
}
