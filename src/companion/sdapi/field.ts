/** Fields of requests, declared once: types, defaults and limits; checking and the echo of a request derive from them. */
import { HttpError } from '../server/http_error';

export type FieldKind = 'string' | 'integer' | 'number' | 'boolean' | 'string[]' | 'array' | 'object' | 'image';

export interface Field {
  readonly kind: FieldKind;
  readonly default: unknown;
  readonly min?: number;
  readonly max?: number;
  /** Lower bound that is itself not allowed. */
  readonly above?: number;
}

export type Fields = Readonly<Record<string, Field>>;

type ValueOf<K extends FieldKind> = {
  string: string;
  image: string;
  integer: number;
  number: number;
  boolean: boolean;
  'string[]': readonly string[];
  array: readonly unknown[];
  object: Readonly<Record<string, unknown>>;
}[K];

/** Values of a checked request; null where the field may be and is left open. */
export type Values<F extends Fields> = {
  readonly [N in keyof F]: ValueOf<F[N]['kind']> | (F[N]['default'] extends null ? null : never);
};

export interface Read<F extends Fields> {
  readonly values: Values<F>;
  /** Names that the request gave, also those it set to null. */
  readonly given: ReadonlySet<string>;
  /** What was understood in another way than it was written. */
  readonly warnings: readonly string[];
}

/** Longest text of a field; a prompt of a whole book is a mistake. */
const MAX_TEXT = 100_000;
const MAX_ITEMS = 1000;

interface Problem {
  readonly type: string;
  readonly loc: readonly string[];
  readonly msg: string;
  readonly input: unknown;
}

/** A body with fields; absent is empty. @throws HttpError 422 */
export function objectOf(body: unknown): Readonly<Record<string, unknown>> {
  if (body === undefined) return {};
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new HttpError(422, [
    { type: 'model_attributes_type', loc: ['body'], msg: 'Input should be an object', input: null },
  ]);
}

/**
 * Reads a body by a table. Null means the default; numbers and booleans may be written as text, as some clients do;
 * unknown names are reported and ignored.
 * @throws HttpError 422 with one entry per field that is wrong, as FastAPI writes them
 */
export function readFields<const F extends Fields>(fields: F, body: unknown): Read<F> {
  const given = objectOf(body);
  const values: Record<string, unknown> = {};
  const problems: Problem[] = [];
  const warnings: string[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const raw = given[name];
    if (raw === undefined || raw === null) {
      values[name] = field.default;
      continue;
    }
    const { value, problem, warning } = readValue(field, raw);
    values[name] = value;
    if (problem !== undefined)
      problems.push({ type: `${field.kind}_type`, loc: ['body', name], msg: problem, input: shown(raw) });
    if (warning !== undefined) warnings.push(`${name}: ${warning}`);
  }
  if (problems.length > 0) throw new HttpError(422, problems);
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(fields, name));
  if (unknown.length > 0)
    warnings.push(`Unknown fields were ignored: ${unknown.map((name) => name.slice(0, 80)).join(', ')}.`);
  return { values: values as Values<F>, given: new Set(Object.keys(given)), warnings };
}

/** Values in error messages stay short: they may be pictures. */
function shown(raw: unknown): unknown {
  const text = typeof raw === 'string' ? raw : JSON.stringify(raw);
  return text.length > 100 ? `${text.slice(0, 100)}…` : raw;
}

interface ReadValue {
  readonly value?: unknown;
  readonly problem?: string;
  readonly warning?: string;
}

function readValue(field: Field, raw: unknown): ReadValue {
  switch (field.kind) {
    case 'integer':
    case 'number':
      return readNumber(field, raw);
    case 'boolean':
      return readBoolean(raw);
    case 'string':
      if (typeof raw !== 'string') return { problem: 'Input should be a valid string' };
      return raw.length > MAX_TEXT ? { problem: `String should have at most ${MAX_TEXT} characters` } : { value: raw };
    case 'image':
      return typeof raw === 'string' ? { value: raw } : { problem: 'Input should be a picture in base64' };
    case 'string[]':
      return isList(raw) && raw.every((item) => typeof item === 'string')
        ? { value: raw }
        : { problem: `Input should be a list of at most ${MAX_ITEMS} strings` };
    case 'array':
      return isList(raw) ? { value: raw } : { problem: `Input should be a list of at most ${MAX_ITEMS} items` };
    case 'object':
      return typeof raw === 'object' && raw !== null && !Array.isArray(raw)
        ? { value: raw }
        : { problem: 'Input should be an object' };
  }
}

function isList(raw: unknown): raw is readonly unknown[] {
  return Array.isArray(raw) && raw.length <= MAX_ITEMS;
}

function readNumber(field: Field, raw: unknown): ReadValue {
  const text = typeof raw === 'string' && /^[+-]?\d{1,20}(?:\.\d*)?(?:e[+-]?\d{1,3})?$/i.test(raw.trim());
  const value = text ? Number(raw) : raw;
  const warning = text ? 'was a text and was read as a number.' : undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) return { problem: 'Input should be a valid number' };
  if (field.kind === 'integer' && !Number.isInteger(value)) {
    return { problem: 'Input should be a valid integer, got a number with a fractional part' };
  }
  if (field.kind === 'integer' && !Number.isSafeInteger(value)) return { problem: 'Input should be at most 2^53 - 1' };
  if (field.min !== undefined && value < field.min)
    return { problem: `Input should be greater than or equal to ${field.min}` };
  if (field.max !== undefined && value > field.max)
    return { problem: `Input should be less than or equal to ${field.max}` };
  if (field.above !== undefined && value <= field.above)
    return { problem: `Input should be greater than ${field.above}` };
  return { value, ...(warning === undefined ? {} : { warning }) };
}

const TRUE = ['true', '1', 'yes', 'on'];
const FALSE = ['false', '0', 'no', 'off'];

function readBoolean(raw: unknown): ReadValue {
  if (typeof raw === 'boolean') return { value: raw };
  const word = typeof raw === 'string' ? raw.trim().toLowerCase() : raw === 0 || raw === 1 ? String(raw) : '';
  if (TRUE.includes(word)) return { value: true, warning: 'was no boolean and was read as true.' };
  if (FALSE.includes(word)) return { value: false, warning: 'was no boolean and was read as false.' };
  return { problem: 'Input should be a valid boolean' };
}
