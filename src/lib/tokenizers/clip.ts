/**
 * CLIP byte-pair tokenizer (49,408 ids), used by CLIP-L, OpenCLIP-H and -G text encoders.
 * Normalisation follows the fast tokenizer of Hugging Face that diffusers runs: Unicode NFC, white space runs to
 * one space, lower case; no repair of HTML entities, ligatures or mojibake (ftfy), which A1111 does before.
 * Source: openai/CLIP clip/simple_tokenizer.py (MIT) for the vocabulary and the word pattern.
 */
import { AppError } from '../base/errors';
import { BYTE_ORDER, CHARACTER_OF_BYTE, BYTE_OF_CHARACTER, mergeSymbols, pairKey } from './bpe';
import { WHITE_SPACE, WordCache, lowerCase, splitAtSpecials } from './tokenizer';
import type { Tokenizer } from './tokenizer';

/** Merges of the published vocabulary; ids 49,406 and 49,407 begin and end a text. */
const CLIP_MERGES = 48_894;
/** Id of a comma that ends a word, where chunks prefer to break. */
const CLIP_COMMA = 267;

const BYTES = 256;
const FIRST_MERGE = 2 * BYTES;
const WORD_END = '</w>';
const MAX_MERGES = 2 ** 18;

const whiteSpaceRun = new RegExp(`[${WHITE_SPACE}]+`, 'gu');
const word = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^ \p{L}\p{N}]+/gu;

export interface ClipTokenizer extends Tokenizer {
  readonly beginId: number;
  readonly endId: number;
  readonly commaId: typeof CLIP_COMMA;
}

/**
 * Builds the tokenizer out of the merge table.
 * @param merges  text of `static/tokenizers/clip.txt`: one merge "left right" a line in rank order, an optional
 *   first line `#version…`
 * @param expected  how many merges there must be; another model's own merges.txt may have any number
 * @throws AppError 'tokenizer/vocabulary' when the table is not the expected one
 */
export function createClipTokenizer(merges: string, expected: number | 'any' = CLIP_MERGES): ClipTokenizer {
  const { ranks, results, symbols } = readMerges(merges, expected);
  const beginId = FIRST_MERGE + results.length;
  const endId = beginId + 1;
  const specials: ReadonlyMap<string, number> = new Map([
    ['<|startoftext|>', beginId],
    ['<|endoftext|>', endId],
  ]);
  const table = { ranks, results };
  const rankOfByte = new Int32Array(BYTES);
  BYTE_ORDER.forEach((byte, id) => (rankOfByte[byte] = id));
  const cache = new WordCache(20_000);
  const utf8 = new TextEncoder();

  const encodeWord = (text: string): number[] => {
    const ids = Array.from(utf8.encode(text), (byte) => rankOfByte[byte] ?? 0);
    const last = ids.length - 1;
    ids[last] = (ids[last] ?? 0) + BYTES; // the last symbol carries the word end
    return mergeSymbols(ids, table);
  };

  return {
    size: endId + 1,
    beginId,
    endId,
    commaId: CLIP_COMMA,
    encode(text) {
      const ids: number[] = [];
      for (const part of splitAtSpecials(text, specials)) {
        if (typeof part === 'number') {
          ids.push(part);
          continue;
        }
        const clean = lowerCase(part.normalize('NFC').replace(whiteSpaceRun, ' '));
        for (const [found] of clean.matchAll(word)) {
          for (const id of cache.get(found, () => encodeWord(found))) ids.push(id);
        }
      }
      return ids;
    },
    decode(ids) {
      const bytes: number[] = [];
      for (const id of ids) {
        const symbol = id < beginId ? symbols[id] : undefined;
        if (symbol === undefined) continue;
        const ends = symbol.endsWith(WORD_END);
        for (const character of ends ? symbol.slice(0, -WORD_END.length) : symbol) {
          bytes.push(BYTE_OF_CHARACTER.get(character) ?? 0x20);
        }
        if (ends) bytes.push(0x20);
      }
      return new TextDecoder().decode(Uint8Array.from(bytes)).trimEnd();
    },
  };
}

function readMerges(
  text: string,
  expected: number | 'any',
): { ranks: Map<number, number>; results: Int32Array; symbols: string[] } {
  const most = expected === 'any' ? MAX_MERGES : expected;
  const symbols = [
    ...BYTE_ORDER.map((byte) => CHARACTER_OF_BYTE[byte] ?? ''),
    ...BYTE_ORDER.map((byte) => (CHARACTER_OF_BYTE[byte] ?? '') + WORD_END),
  ];
  const idOf = new Map(symbols.map((symbol, id) => [symbol, id]));
  const ranks = new Map<number, number>();
  const results: number[] = [];
  const lines = text.split('\n');
  let rank = 0;
  for (const [number, raw] of lines.entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '' || (number === 0 && line.startsWith('#version'))) continue;
    const space = line.indexOf(' ');
    const left = line.slice(0, space);
    const right = line.slice(space + 1);
    const leftId = idOf.get(left);
    const rightId = idOf.get(right);
    if (space < 1 || leftId === undefined || rightId === undefined || rank >= most) {
      throw vocabularyError(`line ${number + 1} is no merge of two known symbols`, { line: number + 1 });
    }
    const id = FIRST_MERGE + rank;
    symbols.push(left + right);
    idOf.set(left + right, id);
    ranks.set(pairKey(leftId, rightId), rank);
    results[rank] = id;
    rank++;
  }
  if (expected !== 'any' && rank !== expected) {
    throw vocabularyError(`${expected} merges are needed, got ${rank}`, { merges: rank });
  }
  return { ranks, results: Int32Array.from(results), symbols };
}

function vocabularyError(what: string, details: Readonly<Record<string, unknown>>): AppError {
  return new AppError(
    'tokenizer/vocabulary',
    `CLIP vocabulary: ${what}; the file is damaged or of another model, load it again.`,
    { details },
  );
}
