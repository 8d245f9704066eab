/** Finding textual-inversion names in a token sequence: by ids, longest name first. */
import type { Tokenizer } from '../tokenizers/tokenizer';

export interface EmbeddingName {
  readonly name: string;
  /** Tokens the vectors occupy. */
  readonly vectors: number;
  /** Ids of the name itself. */
  readonly ids: readonly number[];
}

/** Names by their first id, longest first. */
export type EmbeddingTable = ReadonlyMap<number, readonly EmbeddingName[]>;

/** Prepares the names for `findEmbedding`; a name without tokens can never match and is left out. */
export function embeddingTable(
  embeddings: Iterable<{ readonly name: string; readonly vectors: number }>,
  tokenizer: Pick<Tokenizer, 'encode'>,
): EmbeddingTable {
  const table = new Map<number, EmbeddingName[]>();
  for (const { name, vectors } of embeddings) {
    const ids = tokenizer.encode(name);
    const first = ids[0];
    if (first === undefined) continue;
    const entries = table.get(first) ?? [];
    entries.push({ name, vectors, ids });
    table.set(first, entries);
  }
  for (const entries of table.values()) entries.sort((a, b) => b.ids.length - a.ids.length);
  return table;
}

export function findEmbedding(
  table: EmbeddingTable | undefined,
  tokens: readonly number[],
  position: number,
): EmbeddingName | undefined {
  return table?.get(tokens[position] ?? -1)?.find((entry) => entry.ids.every((id, i) => tokens[position + i] === id));
}
