/** Prompt → sequences for T5-type encoders: no 75-token chunks, one end token, padded to a least length. */
import type { T5Tokenizer } from '../tokenizers/t5';
import { isBreak, parseForMode } from './attention';
import type { AttentionOptions, EmphasisMode } from './attention';
import type { ChunkedPrompt, PromptChunk } from './chunks';
import { parseComfy } from './comfy';

export interface T5ChunkOptions extends AttentionOptions {
  readonly mode?: EmphasisMode;
  /** Sequences are padded to this many ids; longer ones are not cut. Default 256. */
  readonly minLength?: number;
}

const DEFAULT_MIN_LENGTH = 256;

/** Each weighted run is tokenized by itself; BREAK starts a further sequence. @returns one sequence or more */
export function chunkT5(prompt: string, tokenizer: T5Tokenizer, options: T5ChunkOptions = {}): ChunkedPrompt {
  const mode = options.mode ?? 'Original';
  const minLength = options.minLength ?? DEFAULT_MIN_LENGTH;
  const chunks: PromptChunk[] = [];
  let tokens: number[] = [];
  let weights: number[] = [];
  let tokenCount = 0;
  const close = (): void => {
    tokens.push(tokenizer.endId);
    weights.push(1);
    tokenCount += tokens.length;
    while (tokens.length < minLength) {
      tokens.push(tokenizer.padId);
      weights.push(1);
    }
    chunks.push({ tokens, weights, embeddings: [] });
    tokens = [];
    weights = [];
  };
  const comfy = mode === 'ComfyUI';
  for (const run of comfy ? parseComfy(prompt) : parseForMode(prompt, mode, options)) {
    if (!comfy && isBreak(run)) {
      close();
      continue;
    }
    for (const id of tokenizer.encode(run.text)) {
      tokens.push(id);
      weights.push(mode === 'Ignore' || !Number.isFinite(run.weight) ? 1 : run.weight);
    }
  }
  if (tokens.length > 0 || chunks.length === 0) close();
  return { chunks, tokenCount };
}
