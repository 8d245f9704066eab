/**
 * The one error type of the product. Every refusal names what failed, where, and what to do about it.
 * Knows nothing of the rest of the code; crosses worker borders as plain data (see `toPlainError`).
 */

/**
 * Areas of error codes. A code is `area/reason` in kebab-case, for example `file/truncated`.
 * `codes.ts` lists every code; the interface texts are keyed by the same list.
 */
import type { ErrorCode } from './error_codes';

export interface AppErrorOptions {
  /** Structured facts for the interface, logs and tests; must survive structured cloning. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Message convention: *where: rule, got what; remedy.* */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** An AppError as plain data: what crosses `postMessage`, IndexedDB and JSON. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly stack?: string;
  readonly cause?: PlainError;
}

/** Any thrown value as plain data; a value that is no AppError becomes `internal/unexpected`. */
export function toPlainError(error: unknown): PlainError {
  if (error instanceof AppError) {
    return {
      code: error.code,
      message: error.message,
      details: error.details,
      ...(error.stack === undefined ? {} : { stack: error.stack }),
      ...(error.cause === undefined ? {} : { cause: toPlainError(error.cause) }),
    };
  }
  if (error instanceof Error) {
    const code: ErrorCode = error.name === 'AbortError' ? 'job/cancelled' : 'internal/unexpected';
    return {
      code,
      message: `${error.name}: ${error.message}`,
      details: {},
      ...(error.stack === undefined ? {} : { stack: error.stack }),
      ...(error.cause === undefined ? {} : { cause: toPlainError(error.cause) }),
    };
  }
  return { code: 'internal/unexpected', message: String(error), details: {} };
}

/** Rebuilds the AppError on the other side of a border; inverse of `toPlainError` for AppErrors. */
export function fromPlainError(plain: PlainError): AppError {
  const error = new AppError(plain.code, plain.message, {
    details: plain.details,
    ...(plain.cause === undefined ? {} : { cause: fromPlainError(plain.cause) }),
  });
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}
