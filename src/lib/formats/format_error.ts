/** Refusals of file readers: one helper so that every message has the same form. */
import type { ErrorCode } from '../base/error_codes';
import { AppError } from '../base/errors';

/** Codes that readers use. */
export type FileErrorCode = Extract<ErrorCode, `file/${string}`>;

const REMEDY = 'The file is damaged or not what its name says: download it again or convert it with another program.';

/**
 * A typed refusal.
 * @param where file, then tensor or key when known
 * @param what the rule and the value that breaks it
 */
export function fileError(
  code: FileErrorCode,
  where: string,
  what: string,
  options: { readonly remedy?: string; readonly details?: Record<string, unknown>; readonly cause?: unknown } = {},
): AppError {
  return new AppError(code, `${where}: ${what}. ${options.remedy ?? REMEDY}`, {
    details: { where, what, ...options.details },
    ...(options.cause === undefined ? {} : { cause: options.cause }),
  });
}

/** A name or text from a file, shortened for messages. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

/**
 * Refuses names that JavaScript objects treat specially: such a name never belongs to a tensor.
 * @throws AppError 'file/forbidden-name'
 */
export function refuseForbiddenName(where: string, name: string): void {
  if (name === '__proto__') throw fileError('file/forbidden-name', where, `the name ${quoted(name)} is not allowed`);
}

/**
 * A name that a file gives for one of its neighbours: a plain file name in the same folder.
 * @throws AppError 'file/path-traversal-name' for folders, drive letters, addresses and dots
 */
export function refuseUnlessPlainFileName(where: string, name: string): void {
  const plain = name !== '' && name !== '.' && name !== '..' && !/[/\\:\0]/.test(name);
  if (!plain) {
    throw fileError('file/path-traversal-name', where, `${quoted(name)} is not a plain file name in the same folder`);
  }
}

/** Text of UTF-8 bytes. @throws AppError 'file/bad-utf8' */
export function utf8(where: string, what: string, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw fileError('file/bad-utf8', where, `${what} is not valid UTF-8`, { cause });
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
