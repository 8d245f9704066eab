/** Textual inversions: reading their files, finding their names in prompts, putting their vectors into an encoder. */
import { AppError } from '../base/errors';
import type { TensorIndex } from '../formats/tensor_index';
import type { TextEncoderId } from '../models/part';
import { dequantizeTensor } from '../quant/dequantize';
import type { PromptChunk } from '../prompt/chunks';
import { embeddingTable, type EmbeddingTable } from '../prompt/embeddings';
import type { Tokenizer } from '../tokenizers/tokenizer';

/** An embedding file that the host knows. */
export interface EmbeddingFile {
  /** The word in prompts. */
  readonly name: string;
  readonly index: TensorIndex;
  /** First hex digits of the file's hash, for the infotext. */
  readonly hash?: string;
}

/** Tensor names that say which encoder of SDXL or SD3 the vectors are for. */
const ENCODER_NAMES: Readonly<Record<string, TextEncoderId>> = { clip_l: 'clip-l', clip_g: 'openclip-bigg' };

export class EmbeddingSet {
  readonly #files: ReadonlyMap<string, EmbeddingFile>;
  readonly #vectors = new Map<string, number>();
  readonly #used = new Map<string, EmbeddingFile>();
  #table: { readonly tokenizer: unknown; readonly table: EmbeddingTable } | undefined;

  /** @throws AppError 'file/lora-no-target' for a file that holds no table of vectors */
  constructor(files: readonly EmbeddingFile[]) {
    this.#files = new Map(files.map((file) => [file.name, file]));
    for (const file of files) {
      const rows = [...vectorTensors(file.index)].map(({ tensor }) =>
        tensor.shape.length === 1 ? 1 : tensor.shape[0],
      );
      const [first] = rows;
      if (first === undefined) {
        throw new AppError(
          'file/lora-no-target',
          `${file.index.name}: an embedding must hold a table of vectors, got ${file.index.tensors.size} other tensors; it is a file of another kind.`,
          { details: { file: file.index.name } },
        );
      }
      this.#vectors.set(file.name, first);
    }
  }

  table(tokenizer: Pick<Tokenizer, 'encode'>): EmbeddingTable {
    if (this.#table?.tokenizer !== tokenizer) {
      const named = [...this.#vectors].map(([name, vectors]) => ({ name, vectors }));
      this.#table = { tokenizer, table: embeddingTable(named, tokenizer) };
    }
    return this.#table.table;
  }

  /** What tells two files of one name apart. */
  id(name: string): string {
    const file = this.#files.get(name);
    return file?.hash ?? file?.index.name ?? '';
  }

  /** Embeddings that went into an encoder so far, name → hash. */
  get used(): ReadonlyMap<string, string> {
    return new Map([...this.#used].map(([name, file]) => [name, file.hash ?? '']));
  }

  /**
   * Inputs `injected` [T, width] and `keep` [T]: the table row stays where keep is 1.
   * @throws AppError 'lora/shape' when an embedding's vectors have another width
   */
  async inject(
    chunk: PromptChunk,
    encoder: TextEncoderId,
    width: number,
  ): Promise<{ injected: Float32Array<ArrayBuffer>; keep: Float32Array<ArrayBuffer> }> {
    const tokens = chunk.tokens.length;
    const injected = new Float32Array(tokens * width);
    const keep = new Float32Array(tokens).fill(1);
    for (const { name, offset, vectors } of chunk.embeddings) {
      const file = this.#files.get(name);
      if (!file) continue;
      this.#used.set(name, file);
      const data = await readVectors(file, encoder, width);
      for (let i = 0; i < vectors; i++) {
        // Position 0 is the begin token.
        const at = 1 + offset + i;
        if (at >= tokens) break;
        keep[at] = 0;
        injected.set(data.subarray(i * width, (i + 1) * width), at * width);
      }
    }
    return { injected, keep };
  }
}

function* vectorTensors({ tensors }: TensorIndex) {
  for (const [name, tensor] of tensors) {
    if (tensor.shape.length === 1 || tensor.shape.length === 2) yield { name, tensor };
  }
}

async function readVectors(file: EmbeddingFile, encoder: TextEncoderId, width: number): Promise<Float32Array> {
  const all = [...vectorTensors(file.index)];
  const named = all.find(({ name }) => ENCODER_NAMES[name] === encoder);
  const found = named ?? all.find(({ name, tensor }) => !(name in ENCODER_NAMES) && tensor.shape.at(-1) === width);
  if (!found || found.tensor.shape.at(-1) !== width) {
    throw new AppError(
      'lora/shape',
      `${file.index.name}: vectors of embedding "${file.name}" must have ${width} numbers for ${encoder}, got ${all.map(({ tensor }) => tensor.shape.at(-1)).join(', ')}; it is for another base model.`,
      { details: { embedding: file.name, encoder, width } },
    );
  }
  return dequantizeTensor(found.tensor);
}
