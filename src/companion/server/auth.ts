/** Who may ask: a bearer token, or a name and password for old clients. Knows headers, nothing of HTTP servers. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { AppError } from '../../lib/base/errors';
import { HttpError } from './http_error';

/** 256 bits. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * The token kept in a file, made at the first start; only its owner may read it.
 * @throws AppError 'argument/invalid' for a file that holds no token of 32 characters or more, 'file/unwritable'
 */
export async function tokenOfFile(path: string): Promise<string> {
  const held = await readFile(path, 'utf8').catch(() => undefined);
  if (held !== undefined) {
    const token = held.trim();
    if (/^[\w-]{32,}$/.test(token)) return token;
    throw new AppError(
      'argument/invalid',
      `${path}: must hold a token of at least 32 letters, digits, "-" or "_"; delete the file and a new one is made.`,
    );
  }
  const token = newToken();
  await writeFile(path, `${token}\n`, { mode: 0o600 }).catch((cause: unknown) => {
    throw new AppError('file/unwritable', `${path}: cannot be written; choose another place for the token.`, { cause });
  });
  await chmod(path, 0o600);
  return token;
}

/** Wrong attempts of one address in a minute before answers are delayed; then the wait doubles, up to an hour. */
const FREE_FAILURES = 5;
const WINDOW_MS = 60_000;
const LONGEST_WAIT_MS = 3_600_000;
/** Addresses remembered; the oldest is forgotten first. */
const MAX_ADDRESSES = 1000;

export interface AuthOptions {
  readonly token: string;
  /** A name and password that old clients send (`--api-auth`). */
  readonly basic?: { readonly user: string; readonly password: string } | undefined;
  /** Programs on this machine, that is requests without any browser's marks, need no token. */
  readonly open?: boolean | undefined;
  readonly now?: () => number;
}

interface Failures {
  count: number;
  firstAt: number;
  blockedUntil: number;
}

export class Auth {
  readonly #options: AuthOptions;
  readonly #failures = new Map<string, Failures>();

  constructor(options: AuthOptions) {
    this.#options = options;
  }

  /**
   * Lets a right secret through always: a stranger's wrong attempts must not lock the owner out.
   * @param browser  the request has an Origin or Fetch Metadata
   * @throws HttpError 401, 429
   */
  check(header: string | undefined, address: string, browser: boolean): void {
    const { basic, open } = this.#options;
    if (header === undefined && open && !browser) return;
    if (header !== undefined && this.#right(header)) return;
    const now = this.#options.now?.() ?? Date.now();
    const held = this.#failures.get(address);
    if (held && held.blockedUntil > now) {
      const seconds = Math.ceil((held.blockedUntil - now) / 1000);
      throw new HttpError(429, `Too many wrong attempts; wait ${seconds} s.`, { 'Retry-After': String(seconds) });
    }
    this.#fail(address, now, held);
    if (basic) throw new HttpError(401, 'Incorrect username or password', { 'WWW-Authenticate': 'Basic' });
    throw new HttpError(401, 'A token is needed: Authorization: Bearer …, as the companion printed it at its start.', {
      'WWW-Authenticate': 'Bearer',
    });
  }

  #right(header: string): boolean {
    const { token, basic } = this.#options;
    const bearer = /^Bearer +([^ ]+)$/i.exec(header)?.[1];
    if (bearer !== undefined) return same(bearer, token);
    const encoded = /^Basic +([^ ]+)$/i.exec(header)?.[1];
    if (encoded === undefined) return false;
    const [, user = '', password = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
    // Old clients know no bearer tokens: the token is also taken as a password, with any name.
    const asToken = same(password, token);
    const asUser = basic !== undefined && same(user, basic.user) && same(password, basic.password);
    return asToken || asUser;
  }

  #fail(address: string, now: number, held: Failures | undefined): void {
    const fresh = !held || now - held.firstAt > Math.max(WINDOW_MS, held.blockedUntil - held.firstAt + WINDOW_MS);
    const entry = fresh ? { count: 0, firstAt: now, blockedUntil: 0 } : held;
    entry.count += 1;
    if (entry.count >= FREE_FAILURES) {
      entry.blockedUntil = now + Math.min(LONGEST_WAIT_MS, 1000 * 2 ** (entry.count - FREE_FAILURES));
    }
    this.#failures.delete(address);
    this.#failures.set(address, entry);
    const oldest = this.#failures.keys().next().value;
    if (this.#failures.size > MAX_ADDRESSES && oldest !== undefined) this.#failures.delete(oldest);
  }
}

/** Equal texts, in a time that tells nothing of where they differ or how long the secret is. */
function same(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
