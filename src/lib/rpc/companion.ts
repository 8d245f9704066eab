/** What the page and the companion agree on beside the engine's own contract. Plain types and paths. */
import type { PlainError } from '../base/errors';
import type { EngineContract } from './engine';

export const COMPANION_PATHS = { hello: '/v1/hello', engine: '/v1/engine', models: '/v1/models' } as const;

/** Content type of frames (see `frame.ts`): no form of a foreign page can send it unasked. */
export const FRAME_TYPE = 'application/x-sketchforge';

/** Largest frame: a request with a start picture, a mask and some control pictures of 4096 x 4096. */
export const MAX_FRAME_BYTES = 512 * 2 ** 20;

/** The address that the companion prints has the token behind this name in its fragment, which browsers never send. */
export const TOKEN_FRAGMENT = 'companion';

/** Methods of the engine that go over HTTP; the others concern this page only: a pen does not compete with a companion. */
export type RemoteMethod = Exclude<keyof EngineContract, 'start' | 'dispose' | 'hold' | 'prepare'>;

/** A frame of a call: the method is in the path, functions among the arguments become `null`. */
export interface RemoteCall {
  readonly args: readonly unknown[];
}

/** Frames of an answer, in order; the last is a result or an error. */
export type RemoteAnswer =
  | { readonly kind: 'event'; readonly event: unknown }
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly error: PlainError };

/** Answer of `hello`, which needs no token. */
export interface CompanionHello {
  readonly app: 'sketchforge';
  readonly version: string;
}

/** A model in the companion's folders. */
export interface CompanionModel {
  readonly id: string;
  readonly name: string;
  readonly builtin: boolean;
  readonly family?: string;
  readonly sizeBytes: number;
}
