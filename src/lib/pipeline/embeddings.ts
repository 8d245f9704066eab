/** Textual inversions of a job: finding their names in prompts and putting their vectors into an encoder. */
import { AppError } from '../base/errors';
import type { HostArray } from '../models/family';
import type { TextEncoderId } from '../models/part';
import { injectionInputs, type TextualInversion } from '../models/textual_inversion';
import type { PromptChunk } from '../prompt/chunks';
import { embeddingTable, type EmbeddingTable } from '../prompt/embeddings';
import type { Tokenizer } from '../tokenizers/tokenizer';

/** An embedding that the host has read. */
export interface Embedding {
  /** The word in prompts. */
  readonly name: string;
  readonly inversion: TextualInversion;
  /** First hex digits of the file's hash: for the infotext, and to tell two files of one name apart. */
  readonly hash: string;
}

export class EmbeddingSet {
  readonly #embeddings: ReadonlyMap<string, Embedding>;
  readonly #used = new Map<string, string>();
  #table: { readonly tokenizer: unknown; readonly table: EmbeddingTable } | undefined;

  constructor(embeddings: readonly Embedding[]) {
    this.#embeddings = new Map(embeddings.map((embedding) => [embedding.name, embedding]));
  }

  table(tokenizer: Pick<Tokenizer, 'encode'>): EmbeddingTable {
    if (this.#table?.tokenizer !== tokenizer) {
      const named = [...this.#embeddings.values()].map(({ name, inversion }) => {
        const counts = Object.values(inversion.vectors).map((vectors) => vectors.shape[0] ?? 0);
        return { name, vectors: Math.max(0, ...counts) };
      });
      this.#table = { tokenizer, table: embeddingTable(named, tokenizer) };
    }
    return this.#table.table;
  }

  hash(name: string): string {
    return this.#embeddings.get(name)?.hash ?? '';
  }

  /** Embeddings that went into an encoder so far, name → hash. */
  get used(): ReadonlyMap<string, string> {
    return this.#used;
  }

  /** Notes the embeddings of a chunk as used; also called for chunks whose encoding was kept. */
  note(chunk: PromptChunk): void {
    for (const { name } of chunk.embeddings) this.#used.set(name, this.hash(name));
  }

  /**
   * Inputs `injected` [1, T, width] and `keep` [1, T, 1]: the table row stays where keep is 1.
   * @throws AppError 'model/wrong-shape' when an embedding has no vectors of this encoder's width
   */
  inject(chunk: PromptChunk, encoder: TextEncoderId, width: number): { injected: HostArray; keep: HostArray } {
    const placements = chunk.embeddings.flatMap(({ name, offset, vectors: count }) => {
      const all = this.#embeddings.get(name)?.inversion.vectors;
      // A file of one encoder names it by its width alone; any entry of the right width serves.
      const found = all?.[encoder] ?? Object.values(all ?? {}).find((one) => one.shape[1] === width);
      if (!found || found.shape[1] !== width) {
        const widths = Object.values(all ?? {}).map((one) => one.shape[1]);
        throw new AppError(
          'model/wrong-shape',
          `embedding "${name}": vectors must have ${width} numbers for ${encoder}, got ${widths.join(', ')}; it is for another base model.`,
          { details: { embedding: name, encoder, width } },
        );
      }
      const data = found.data.subarray(0, count * width);
      // Position 0 is the begin token.
      return [{ row: 0, position: 1 + offset, vectors: { shape: [count, width], data } }];
    });
    return injectionInputs({ batch: 1, tokens: chunk.tokens.length, width }, placements);
  }
}
