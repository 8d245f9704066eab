/**
 * JSON (RFC 8259) for file headers, stricter than JSON.parse: duplicate keys, lone surrogates and deep nesting are
 * refused, and numbers keep their text, because 8.0 and 2e0 are not integers to other readers of the same header.
 */
import { fileError, quoted, refuseForbiddenName } from './format_error';

/** A number as written; readers decide what they accept. */
export class JsonNumber {
  constructor(readonly text: string) {}
}

export type JsonObject = ReadonlyMap<string, JsonValue>;
export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject;

export interface JsonLimits {
  /** Objects and arrays inside each other. */
  readonly maxDepth: number;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LONE_SURROGATE = /\p{Surrogate}/u;
/** Characters that need no look: no quote, no backslash, no control, no surrogate. */
const PLAIN = /[^"\\\p{Cc}\p{Surrogate}]*/uy;

/**
 * Parses a text that must be one JSON value with nothing but spaces after it.
 * @param where named in errors
 * @throws AppError 'file/json-garbage', 'file/duplicate-key', 'file/deep-nesting', 'file/forbidden-name', 'file/bad-utf8'
 */
export function parseStrictJson(text: string, where: string, limits: JsonLimits = { maxDepth: 32 }): JsonValue {
  let at = 0;

  const garbage = (what: string) =>
    fileError('file/json-garbage', where, `${what} at character ${at} of the JSON text`, { details: { at } });

  function skipSpace(): void {
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) at++;
      else return;
    }
  }

  function expect(character: string): void {
    if (text[at] !== character) throw garbage(`expected ${quoted(character)}`);
    at++;
  }

  function literal<T>(word: string, value: T): T {
    if (!text.startsWith(word, at)) throw garbage('unknown word');
    at += word.length;
    return value;
  }

  function hex4(): number {
    const digits = text.slice(at, at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw garbage('bad \\u escape');
    at += 4;
    return Number.parseInt(digits, 16);
  }

  function escape(): string {
    const c = text[at++];
    const simple = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' } as const;
    if (c === 'u') return String.fromCharCode(hex4());
    if (c !== undefined && Object.hasOwn(simple, c)) return simple[c as keyof typeof simple];
    throw garbage('bad escape');
  }

  function string(): string {
    expect('"');
    let value = '';
    let surrogates = false;
    for (;;) {
      PLAIN.lastIndex = at;
      PLAIN.test(text);
      value += text.slice(at, PLAIN.lastIndex);
      at = PLAIN.lastIndex;
      const c = text.charCodeAt(at);
      if (Number.isNaN(c)) throw garbage('string without end');
      if (c === 0x22) {
        at++;
        break;
      }
      if (c === 0x5c) {
        at++;
        const piece = escape();
        surrogates ||= (piece.charCodeAt(0) & 0xf800) === 0xd800;
        value += piece;
      } else if (c >= 0x20) {
        value += text[at++] ?? '';
      } else {
        throw garbage('control character in a string');
      }
    }
    if (surrogates && LONE_SURROGATE.test(value)) {
      throw fileError('file/bad-utf8', where, 'half of a surrogate pair in a JSON string');
    }
    return value;
  }

  function object(depth: number): JsonObject {
    const members = new Map<string, JsonValue>();
    at++;
    skipSpace();
    if (text[at] === '}') {
      at++;
      return members;
    }
    for (;;) {
      skipSpace();
      const key = string();
      refuseForbiddenName(where, key);
      if (members.has(key)) throw fileError('file/duplicate-key', where, `the key ${quoted(key)} appears twice`);
      skipSpace();
      expect(':');
      members.set(key, value(depth + 1));
      skipSpace();
      if (text[at] === '}') break;
      expect(',');
    }
    at++;
    return members;
  }

  function array(depth: number): JsonValue[] {
    const items: JsonValue[] = [];
    at++;
    skipSpace();
    if (text[at] === ']') {
      at++;
      return items;
    }
    for (;;) {
      items.push(value(depth + 1));
      skipSpace();
      if (text[at] === ']') break;
      expect(',');
    }
    at++;
    return items;
  }

  function value(depth: number): JsonValue {
    if (depth > limits.maxDepth) {
      throw fileError('file/deep-nesting', where, `JSON nested deeper than ${limits.maxDepth}`);
    }
    skipSpace();
    switch (text[at]) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return string();
      case 't':
        return literal('true', true);
      case 'f':
        return literal('false', false);
      case 'n':
        return literal('null', null);
      default:
        return number();
    }
  }

  function number(): JsonNumber {
    NUMBER.lastIndex = at;
    const match = NUMBER.exec(text);
    if (!match) throw garbage('no JSON value');
    at = NUMBER.lastIndex;
    return new JsonNumber(match[0]);
  }

  const result = value(1);
  skipSpace();
  if (at !== text.length) throw garbage('text after the value');
  return result;
}

/** Narrowing for objects. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}

/** Narrowing for arrays; Array.isArray does not narrow readonly arrays. */
export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** A non-negative integer written without sign, fraction or exponent; undefined for anything else. */
export function jsonInteger(value: JsonValue | undefined): bigint | undefined {
  return value instanceof JsonNumber && /^\d+$/.test(value.text) ? BigInt(value.text) : undefined;
}
