/** Which tokenizer a vocabulary is for, and from which places vocabularies come: shipped, beside a model, in a GGUF header. */
import { AppError } from '../base/errors';
import { createClipTokenizer, type ClipTokenizer } from './clip';
import { qwenTokenizer } from './qwen';
import { createT5Tokenizer, unigramTokenizer, type T5Tokenizer } from './t5';
import type { Tokenizer } from './tokenizer';
import { parseTokenizerJson } from './tokenizer_json';

export const TOKENIZER_KINDS = ['clip', 't5', 'qwen'] as const;
export type TokenizerKind = (typeof TOKENIZER_KINDS)[number];

/** Tokenizers that were found, by kind. */
export interface FoundTokenizers {
  readonly clip?: ClipTokenizer;
  readonly t5?: T5Tokenizer;
  readonly qwen?: Tokenizer;
}

/** Files below `static/tokenizers`; fetched when a model first needs them. `.bin` is gzipped text. */
export const SHIPPED_VOCABULARIES: Readonly<Record<TokenizerKind, string>> = {
  clip: 'clip.txt',
  t5: 't5.bin',
  qwen: 'qwen.bin',
};

/** A vocabulary file by its name within a model's files: `tokenizer_2/tokenizer.json`, `tokenizer/merges.txt`. */
export function isVocabularyFile(name: string): boolean {
  return /(^|\/)(tokenizer[\w-]*\.json|merges\.txt)$/i.test(name) && !/(config|map)\.json$/i.test(name);
}

/** Text of a shipped vocabulary; servers may have unpacked it already. */
export async function vocabularyText(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return new TextDecoder().decode(bytes);
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(unpacked).text();
}

/** @throws AppError 'tokenizer/vocabulary' */
export function shippedTokenizer(kind: TokenizerKind, text: string): FoundTokenizers {
  switch (kind) {
    case 'clip':
      return { clip: createClipTokenizer(text) };
    case 't5':
      return { t5: createT5Tokenizer(text) };
    case 'qwen':
      return tokenizerOfFile('tokenizer.json', text);
  }
}

/**
 * The tokenizer of a file beside a model: `tokenizer.json` (unigram: T5; BPE with word ends: CLIP; other BPE: Qwen) or
 * CLIP's `merges.txt`.
 * @throws AppError 'tokenizer/vocabulary' for damaged files
 */
export function tokenizerOfFile(name: string, text: string): FoundTokenizers {
  if (/\.txt$/i.test(name)) return { clip: createClipTokenizer(text, 'any') };
  if (/"type"\s*:\s*"Unigram"/.test(text)) return { t5: createT5Tokenizer(text) };
  const { model, specials } = parseTokenizerJson(text, 'BPE');
  if (model['end_of_word_suffix'] !== '</w>') {
    return { qwen: qwenTokenizer({ vocab: model['vocab'], merges: model['merges'], specials }) };
  }
  const merges: readonly unknown[] = Array.isArray(model['merges']) ? (model['merges'] as unknown[]) : [];
  const lines = merges.map((merge) => (Array.isArray(merge) ? merge.join(' ') : String(merge)));
  return { clip: createClipTokenizer(lines.join('\n'), 'any') };
}

type Metadata = ReadonlyMap<string, unknown>;

function strings(metadata: Metadata, key: string): readonly string[] | undefined {
  const value = metadata.get(key);
  return Array.isArray(value) ? value.map(String) : undefined;
}

/** Kinds of tokens in a GGUF header: 1 normal, 2 unknown, 3 control, 4 user defined, 6 byte. Source: ggml `llama.h`. */
const SPECIAL_TYPES: ReadonlySet<unknown> = new Set([3, 4]);

/**
 * The tokenizer in a GGUF header (`tokenizer.ggml.*`), or nothing when the header has none that we run.
 * @throws AppError 'tokenizer/vocabulary' for damaged tables
 */
export function tokenizerOfGguf(metadata: Metadata): FoundTokenizers {
  const tokens = strings(metadata, 'tokenizer.ggml.tokens');
  const model = metadata.get('tokenizer.ggml.model');
  if (!tokens || (model !== 't5' && model !== 'gpt2')) return {};
  const types = metadata.get('tokenizer.ggml.token_type');
  const typeOf = (id: number): unknown => (Array.isArray(types) ? types[id] : undefined);
  const special = new Map(tokens.flatMap((token, id) => (SPECIAL_TYPES.has(typeOf(id)) ? [[token, id] as const] : [])));
  if (model === 'gpt2') {
    const vocab = Object.fromEntries(tokens.flatMap((token, id) => (special.has(token) ? [] : [[token, id]])));
    return { qwen: qwenTokenizer({ vocab, merges: strings(metadata, 'tokenizer.ggml.merges'), specials: special }) };
  }
  const scores = metadata.get('tokenizer.ggml.scores');
  const map = metadata.get('tokenizer.ggml.precompiled_charsmap');
  if (!Array.isArray(scores) || scores.length !== tokens.length || !Array.isArray(map)) {
    throw new AppError(
      'tokenizer/vocabulary',
      'T5 vocabulary: the GGUF header must hold a score for every token and a character map; add tokenizer.json to the model.',
      { details: { tokens: tokens.length } },
    );
  }
  const unknown = metadata.get('tokenizer.ggml.unknown_token_id');
  const pieces = tokens.map((token, id) => [token, Number(scores[id])] as const);
  const charsmap = Uint8Array.from(map as number[]);
  return { t5: unigramTokenizer({ pieces, unknownId: Number(unknown ?? 2), specials: special, charsmap }) };
}
