/** Bodies of requests: measured while they arrive, and JSON without the traps that JSON.parse lets through. */
import type { IncomingMessage } from 'node:http';
import { AppError } from '../../lib/base/errors';
import { JsonNumber, parseStrictJson, type JsonValue } from '../../lib/formats/strict_json';
import { HttpError } from './http_error';

/**
 * The whole body. Node ends a request that arrives too slowly (`requestTimeout`).
 * @throws HttpError 413 before or while reading, 400 when the client hangs up
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new HttpError(413, `The body may have ${maxBytes} bytes at most.`, { Connection: 'close' });
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += (chunk as Buffer).byteLength;
      if (bytes > maxBytes) throw tooLarge();
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, 'The body ended early.');
  }
  return Buffer.concat(chunks, bytes);
}

/** Objects and arrays inside each other: the deepest real request (script arguments with units) has six. */
const MAX_DEPTH = 16;

/**
 * A JSON body as plain values; objects have no prototype.
 * @throws HttpError 422 for duplicate keys, `__proto__`, deep nesting, bad UTF-8 and anything that is no JSON
 */
export function readJson(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
    return text === '' ? undefined : plain(parseStrictJson(text, 'body', { maxDepth: MAX_DEPTH }));
  } catch (error) {
    const reason = error instanceof AppError ? reasonOf(error) : 'it is not UTF-8';
    throw new HttpError(422, [{ type: 'json_invalid', loc: ['body'], msg: `JSON decode error: ${reason}`, input: {} }]);
  }
}

function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.text);
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(plain);
  if (value instanceof Map) {
    const object = Object.create(null) as Record<string, unknown>;
    for (const [key, member] of value as ReadonlyMap<string, JsonValue>) object[key] = plain(member);
    return object;
  }
  return value;
}

function reasonOf({ details: { what }, message }: AppError): string {
  return typeof what === 'string' ? what : message;
}
