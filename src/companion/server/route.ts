/** What a route is: one row of a table. The server around it knows nothing of what routes do. */

import type { Fields } from '../sdapi/field';

/** A request that passed the gate. */
export interface Call {
  readonly query: URLSearchParams;
  /** JSON value of the body, or its bytes for routes that take bytes; undefined without a body. */
  readonly body: unknown;
  /** Tells clients apart in the queue: a name that the client gives, or its address. */
  readonly client: string;
  /** Aborted when the client hangs up before its answer is written. */
  readonly signal: AbortSignal;
}

export type Reply =
  | { readonly kind: 'json'; readonly value: unknown; readonly headers?: Readonly<Record<string, string>> }
  | { readonly kind: 'stream'; readonly type: string; readonly chunks: AsyncIterable<Uint8Array> };

export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** `bytes`: the body is a framed call (see `src/lib/rpc/frame.ts`). */
  readonly body: 'none' | 'json' | 'bytes';
  readonly maxBodyBytes: number;
  /** Fields of the JSON body, for routes that have a table of them. */
  readonly fields?: Fields;
  /** Answers without a token. */
  readonly open?: boolean;
  handle(call: Call): Promise<Reply> | Reply;
}

export const json = (value: unknown): Reply => ({ kind: 'json', value });

/** JSON without pictures. */
export const SMALL_BODY_BYTES = 2 ** 20;
/** JSON with pictures in base64. */
export const PICTURE_BODY_BYTES = 64 * 2 ** 20;
