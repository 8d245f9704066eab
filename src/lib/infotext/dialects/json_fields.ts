/** Reading JSON of unknown shape without trusting it. */

export type JsonFields = ReadonlyMap<string, unknown>;

const LONGEST_JSON = 16 * 2 ** 20;

/** The fields of a JSON object, a Map because names come from files; undefined for anything else. */
export function jsonFields(text: string | undefined): JsonFields | undefined {
  if (text === undefined || text.length > LONGEST_JSON || !/^\s*\{/.test(text)) return undefined;
  try {
    return fieldsOf(JSON.parse(replaceNotANumber(text)));
  } catch {
    return undefined; // the question was whether it is a JSON object
  }
}

// Python writes NaN and Infinity, which are no JSON.
function replaceNotANumber(text: string): string {
  return /NaN|Infinity/.test(text) ? text.replace(/([:[,]\s*)(?:NaN|-?Infinity)(?=\s*[,}\]])/g, '$1null') : text;
}

export function fieldsOf(value: unknown): JsonFields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return new Map(Object.entries(value));
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A number, or a text that is one. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'string' && /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : undefined;
}

/** An object without its undefined values, as optional properties want it. */
export function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
