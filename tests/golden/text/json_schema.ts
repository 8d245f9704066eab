/** The part of JSON Schema (draft 7) that the golden schemas use. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value;
}

/** @returns every rule that the value breaks, with its place */
export function schemaProblems(schema: Schema, value: unknown, at = '$'): string[] {
  const types = schema.type === undefined ? [] : [schema.type].flat();
  const actual = typeOf(value);
  const fits = types.some((type) => type === actual || (type === 'integer' && Number.isInteger(value)));
  if (types.length > 0 && !fits) return [`${at}: is ${actual}, must be ${types.join(' or ')}`];
  const problems: string[] = [];
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum) problems.push(`${at}: below ${schema.minimum}`);
    if (schema.maximum !== undefined && value > schema.maximum) problems.push(`${at}: above ${schema.maximum}`);
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items) problems.push(...value.flatMap((item, i) => schemaProblems(items, item, `${at}[${i}]`)));
  } else if (typeof value === 'object' && value !== null) {
    const object = value as Readonly<Record<string, unknown>>;
    for (const name of schema.required ?? []) if (!(name in object)) problems.push(`${at}.${name}: is missing`);
    for (const [name, member] of Object.entries(object)) {
      const own = schema.properties?.[name] ?? schema.additionalProperties;
      if (own) problems.push(...schemaProblems(own, member, `${at}.${name}`));
    }
  }
  return problems;
}
