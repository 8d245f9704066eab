/**
 * Prompt → token chunks the way A1111 and Forge build them: 75 tokens between begin and end, comma backtrack,
 * BREAK, embeddings. Knows tokenizers, not encoders.
 */
import type { Tokenizer } from '../tokenizers/tokenizer';
import { isBreak, parseForMode } from './attention';
import type { AttentionOptions, EmphasisMode, WeightedText } from './attention';
import { findEmbedding } from './embeddings';
import type { EmbeddingTable } from './embeddings';

export const CHUNK_LENGTH = 75;
const DEFAULT_COMMA_BACKTRACK = 20;

/** Vectors of an embedding replace `vectors` tokens of a chunk from `offset` + 1 of its 77. */
export interface EmbeddingPlacement {
  readonly offset: number;
  readonly name: string;
  readonly vectors: number;
}

/** One encoder input: 77 ids (or the sequence length of the encoder) and one weight per id. */
export interface PromptChunk {
  readonly tokens: readonly number[];
  readonly weights: readonly number[];
  readonly embeddings: readonly EmbeddingPlacement[];
}

export interface ChunkedPrompt {
  readonly chunks: readonly PromptChunk[];
  /** What the counter shows: full chunks count 75, the last one its own length. */
  readonly tokenCount: number;
}

export interface ClipLikeTokenizer extends Tokenizer {
  readonly beginId: number;
  readonly commaId: number;
}

export interface ChunkOptions extends AttentionOptions {
  readonly mode?: EmphasisMode;
  /** Look back at most this many tokens for a comma when a chunk is full; 0 turns it off. Default 20. */
  readonly commaBacktrack?: number;
  /** Id behind the first end token: the end id for CLIP-L (default), 0 for OpenCLIP-H and -G. */
  readonly padId?: number;
  readonly embeddings?: EmbeddingTable;
}

/**
 * Builds the chunks of a prompt for a CLIP-type encoder.
 * @param prompt  text with attention syntax; editing and AND are already resolved
 * @returns one chunk or more, each of 77 ids and 77 weights
 */
export function chunkPrompt(prompt: string, tokenizer: ClipLikeTokenizer, options: ChunkOptions = {}): ChunkedPrompt {
  const mode = options.mode ?? 'Original';
  return chunkRuns(parseForMode(prompt, mode, options), tokenizer, options);
}

/** Same as `chunkPrompt` for a prompt that is parsed already. */
function chunkRuns(
  runs: readonly WeightedText[],
  tokenizer: ClipLikeTokenizer,
  options: ChunkOptions = {},
): ChunkedPrompt {
  const backtrack = options.commaBacktrack ?? DEFAULT_COMMA_BACKTRACK;
  const chunks: PromptChunk[] = [];
  let open = emptyChunk();
  let lastComma = -1;
  let tokenCount = 0;
  const close = (isLast: boolean): void => {
    tokenCount += isLast ? open.tokens.length : CHUNK_LENGTH;
    chunks.push(frame(open, tokenizer, options.padId ?? tokenizer.endId));
    open = emptyChunk();
    lastComma = -1;
  };

  for (const run of runs) {
    if (isBreak(run)) {
      close(false);
      continue;
    }
    const weight = options.mode === 'Ignore' ? 1 : run.weight;
    const tokens = tokenizer.encode(run.text);
    for (let position = 0; position < tokens.length;) {
      const token = tokens[position] ?? 0;
      if (token === tokenizer.commaId) lastComma = open.tokens.length;
      else if (backtrack > 0 && open.tokens.length === CHUNK_LENGTH && lastComma !== -1) {
        if (open.tokens.length - lastComma <= backtrack) {
          const moved = cut(open, lastComma + 1);
          close(false);
          open = moved;
        }
      }
      if (open.tokens.length === CHUNK_LENGTH) close(false);
      const embedding = findEmbedding(options.embeddings, tokens, position);
      if (embedding === undefined) {
        open.tokens.push(token);
        open.weights.push(weight);
        position++;
        continue;
      }
      // An embedding longer than a chunk can never be placed whole; its first 75 vectors are what the encoder sees.
      const vectors = Math.min(embedding.vectors, CHUNK_LENGTH);
      if (open.tokens.length + vectors > CHUNK_LENGTH) close(false);
      open.embeddings.push({ offset: open.tokens.length, name: embedding.name, vectors });
      for (let i = 0; i < vectors; i++) {
        open.tokens.push(0);
        open.weights.push(weight);
      }
      position += embedding.ids.length;
    }
  }
  if (open.tokens.length > 0 || chunks.length === 0) close(true);
  return { chunks, tokenCount };
}

/** The limit beside the counter: the next multiple of 75, at least 75. */
export function tokenLimit(tokenCount: number): number {
  return Math.ceil(Math.max(tokenCount, 1) / CHUNK_LENGTH) * CHUNK_LENGTH;
}

interface OpenChunk {
  tokens: number[];
  weights: number[];
  embeddings: EmbeddingPlacement[];
}

function emptyChunk(): OpenChunk {
  return { tokens: [], weights: [], embeddings: [] };
}

// Embeddings stay with the chunk they were placed in, also when the comma rule moves tokens: the reference does so.
function cut(chunk: OpenChunk, at: number): OpenChunk {
  const moved = { tokens: chunk.tokens.slice(at), weights: chunk.weights.slice(at), embeddings: [] };
  chunk.tokens.length = Math.min(at, chunk.tokens.length);
  chunk.weights.length = chunk.tokens.length;
  return moved;
}

function frame(chunk: OpenChunk, tokenizer: ClipLikeTokenizer, padId: number): PromptChunk {
  const tokens = [tokenizer.beginId, ...chunk.tokens, tokenizer.endId];
  const weights = [1, ...chunk.weights, 1];
  while (tokens.length < CHUNK_LENGTH + 2) {
    tokens.push(tokenizer.endId);
    weights.push(1);
  }
  if (padId !== tokenizer.endId) {
    // Everything behind the first end token is padding, also behind one that was typed in the prompt.
    tokens.fill(padId, tokens.indexOf(tokenizer.endId) + 1);
  }
  return { tokens, weights, embeddings: chunk.embeddings };
}
