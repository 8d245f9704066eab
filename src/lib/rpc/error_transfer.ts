/**
 * Comlink carries only message, name and stack of an error; this handler carries code, details and cause as well, so
 * that an AppError is an AppError on both sides. Both sides call `installErrorTransfer` once.
 */
import { transferHandlers, type TransferHandler } from 'comlink';
import { fromPlainError, toPlainError, type PlainError } from '../base/errors';

interface ThrownValue {
  readonly value: unknown;
}

let installed = false;

export function installErrorTransfer(): void {
  if (installed) return;
  const original = transferHandlers.get('throw');
  if (!original) throw new TypeError('comlink: no "throw" handler to replace; its version changed.');
  const handler: TransferHandler<ThrownValue, PlainError> = {
    canHandle: (value: unknown): value is ThrownValue => original.canHandle(value),
    serialize: ({ value }) => [toPlainError(value), []],
    deserialize: (plain) => {
      throw fromPlainError(plain);
    },
  };
  transferHandlers.set('throw', handler);
  installed = true;
}
