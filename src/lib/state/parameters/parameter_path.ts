/** Places of a value inside the parameters, such as `hires.strength`, checked by the compiler. Pure. */
import type { Parameters } from '../generation.svelte';

export type ParameterValue = number | string | boolean;

/** Every leaf that holds a number, text or switch; pictures and lists are no leaves. */
type LeafOf<T> = T extends ParameterValue
  ? ''
  : T extends readonly unknown[] | { readonly rgba: unknown }
    ? never
    : { [K in keyof T & string]: Join<K, LeafOf<NonNullable<T[K]>>> }[keyof T & string];
type Join<K extends string, Rest extends string> = Rest extends '' ? K : `${K}.${Rest}`;

export type ParameterPath = LeafOf<Parameters>;

/** The value at a path; undefined when the parameters do not say. */
export function valueAt(parameters: Parameters, path: ParameterPath): ParameterValue | undefined {
  let value: unknown = parameters;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value as ParameterValue | undefined;
}

/**
 * Parameters with the value at a path set, or taken out when undefined. Objects on the way are copied, made when
 * missing and dropped when they end up empty, so that "nothing set" and "never touched" are the same.
 */
export function withValueAt(
  parameters: Parameters,
  path: ParameterPath,
  value: ParameterValue | undefined,
): Parameters {
  return replaceAt(parameters, path.split('.'), value) as unknown as Parameters;
}

type Node = Readonly<Record<string, unknown>>;

function replaceAt(node: Node, [key = '', ...rest]: readonly string[], value: ParameterValue | undefined): Node {
  const { [key]: old, ...others } = node;
  if (rest.length === 0) return value === undefined ? others : { ...node, [key]: value };
  const inner = replaceAt(typeof old === 'object' && old !== null ? (old as Node) : {}, rest, value);
  return Object.keys(inner).length === 0 ? others : { ...node, [key]: inner };
}
