/** A stable fingerprint of a graph, for program caches. */
import type { Graph, Value } from './ir';

/** 53-bit hash in two 32-bit lanes. Source: cyrb53 (bryc, public domain), multipliers of xxHash and MurmurHash3. */
class Lanes {
  #a = 0xdeadbeef;
  #b = 0x41c6ce57;

  add(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 2654435761);
    this.#b = Math.imul(this.#b ^ word, 1597334677);
    this.#a = (this.#a << 13) | (this.#a >>> 19);
    this.#b = (this.#b << 17) | (this.#b >>> 15);
  }

  text(text: string): void {
    this.add(text.length);
    for (let i = 0; i < text.length; i++) this.add(text.charCodeAt(i));
  }

  words(words: Uint32Array): void {
    this.add(words.length);
    for (const word of words) this.add(word);
  }

  finish(): string {
    let a = Math.imul(this.#a ^ (this.#a >>> 16), 2246822507) ^ Math.imul(this.#b ^ (this.#b >>> 13), 3266489909);
    let b = Math.imul(this.#b ^ (this.#b >>> 16), 2246822507) ^ Math.imul(this.#a ^ (this.#a >>> 13), 3266489909);
    a ^= a >>> 16;
    b ^= b >>> 16;
    return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0');
  }
}

/** JSON with sorted keys, so that attributes hash alike however they were written. */
export function canonicalJson(value: unknown): string {
  if (value === undefined) return 'null';
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${value}"`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join()}}`;
}

function source(lanes: Lanes, { source }: Value): void {
  lanes.text(source.kind);
  if (source.kind === 'weight') lanes.text(`${source.name} ${source.type}`);
  else if (source.kind === 'input') lanes.text(source.name);
  else if (source.kind === 'node') lanes.add(source.node);
  else lanes.words(new Uint32Array(source.data.buffer, source.data.byteOffset, source.data.length));
}

/**
 * 16 hexadecimal digits that depend on everything that a program depends on: shapes, attributes, names and types of
 * weights, constants, inputs, outputs; not on scopes, taps or the graph's name. Not cryptographic.
 */
export function graphHash(graph: Graph): string {
  const lanes = new Lanes();
  for (const value of graph.values) {
    lanes.text(`${value.shape.join()} ${value.elementType} ${value.layout}`);
    source(lanes, value);
  }
  for (const node of graph.nodes) {
    lanes.text(`${node.op} ${node.inputs.map((id) => id ?? '-').join()} ${node.output} ${canonicalJson(node.attrs)}`);
  }
  for (const map of [graph.inputs, graph.outputs]) {
    for (const [name, id] of [...map].sort(([a], [b]) => (a < b ? -1 : 1))) lanes.text(`${name} ${id}`);
  }
  return lanes.finish();
}
