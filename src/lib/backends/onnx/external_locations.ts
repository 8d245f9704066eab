/**
 * Which external files an ONNX model names. The native runtime would read them from the working directory unasked,
 * so every one must be known and given before a session is created. Field numbers: onnx.proto (ONNX 1.16).
 */
import { AppError } from '../../base/errors';

/** Message kinds with the fields that lead to tensors. */
const CHILDREN: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  model: { 7: 'graph', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'entry' },
};
/** Subgraphs nest in If and Loop; deeper than any real model means a crafted file. */
const MAX_DEPTH = 64;
const utf8 = new TextDecoder();

interface Field {
  readonly field: number;
  readonly begin: number;
  readonly end: number;
}

function damaged(name: string, at: number): AppError {
  return new AppError('file/bad-protobuf', `${name}: no valid ONNX model at byte ${at}; get the file again.`, {
    details: { name, at },
  });
}

/** Length-delimited fields of a message; others are skipped. */
function* fields(name: string, bytes: Uint8Array, begin: number, end: number): Generator<Field> {
  let at = begin;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1, count = 0; count < 10; factor *= 128, count++) {
      const byte = at < end ? bytes[at++] : undefined;
      if (byte === undefined) break;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw damaged(name, at);
  };
  while (at < end) {
    const tag = varint();
    switch (tag % 8) {
      case 0:
        varint();
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        yield { field: Math.floor(tag / 8), begin: at, end: at + length };
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        throw damaged(name, at);
    }
    if (at > end) throw damaged(name, at);
  }
}

function locationOf(name: string, bytes: Uint8Array, { begin, end }: Field): string | undefined {
  const pair: Record<number, string> = {};
  for (const part of fields(name, bytes, begin, end)) {
    if (part.end > end) throw damaged(name, part.begin);
    pair[part.field] = utf8.decode(bytes.subarray(part.begin, part.end));
  }
  return pair[1] === 'location' ? pair[2] : undefined;
}

/**
 * Every distinct `external_data` location of a model, subgraphs and constants included.
 * @throws AppError 'file/bad-protobuf'
 */
export function externalLocations(name: string, model: Uint8Array): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (kind: string, begin: number, end: number, depth: number): void => {
    if (depth > MAX_DEPTH) throw damaged(name, begin);
    for (const field of fields(name, model, begin, end)) {
      if (field.end > end) throw damaged(name, field.begin);
      const child = CHILDREN[kind]?.[field.field];
      if (child === 'entry') {
        const location = locationOf(name, model, field);
        if (location !== undefined) found.add(location);
      } else if (child !== undefined) visit(child, field.begin, field.end, depth + 1);
    }
  };
  visit('model', 0, model.length, 0);
  return found;
}
