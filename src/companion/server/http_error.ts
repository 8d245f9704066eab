/** Refusals of the companion as HTTP: a status for every code, and the body that clients of the web UIs expect. */
import { AppError, toPlainError } from '../../lib/base/errors';
import type { ErrorCode } from '../../lib/base/error_codes';

/** A refusal that exists only in HTTP: `detail` is shown to people. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly detail: unknown,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(typeof detail === 'string' ? detail : JSON.stringify(detail));
    this.name = 'HttpError';
  }
}

/** What the caller got wrong is 4xx, what went wrong here is 5xx. Whole codes before areas. */
const STATUS: readonly (readonly [prefix: ErrorCode | `${string}/`, status: number])[] = [
  ['file/unreadable', 500],
  ['file/unwritable', 500],
  ['storage/not-found', 404],
  ['image/too-large', 413],
  ['backend/unavailable', 503],
  ['job/superseded', 409],
  ['job/cancelled', 409],
  ['argument/', 422],
  ['sampler/', 422],
  ['file/', 422],
  ['image/', 422],
  ['lora/', 422],
  ['model/', 422],
];

export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** `detail` as FastAPI writes it; `error` a name or code, `errors` its text, as A1111 adds them. */
  readonly body: { readonly detail: unknown; readonly error: string; readonly errors: string; readonly body: string };
}

/** Any thrown value as a reply. Stacks and causes stay here; unknown errors say nothing of the machine. */
export function errorReply(thrown: unknown): ErrorReply {
  if (thrown instanceof HttpError) {
    const { status, detail, headers } = thrown;
    return { status, headers, body: { detail, error: 'HTTPException', errors: thrown.message, body: '' } };
  }
  const { code, message } = toPlainError(thrown);
  const status = STATUS.find(([prefix]) => code.startsWith(prefix))?.[1] ?? 500;
  const text = thrown instanceof AppError ? message : 'The companion failed unexpectedly; its terminal says why.';
  return { status, headers: {}, body: { detail: text, error: code, errors: text, body: '' } };
}
