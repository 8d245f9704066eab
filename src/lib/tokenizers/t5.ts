/**
 * T5 v1.1 unigram tokenizer, as used for SD3, FLUX.1 and Chroma. Source: Kudo 2018 (subword regularisation), the
 * Viterbi search in the order of huggingface/tokenizers (the first of two equally good paths wins).
 */
import { AppError } from '../base/errors';
import { charsmapNormaliser } from './precompiled_charsmap';
import { WHITE_SPACE, splitAtSpecials } from './tokenizer';
import type { Tokenizer } from './tokenizer';
import { parseTokenizerJson } from './tokenizer_json';

/** Stands for a space inside pieces. */
const SPACE_MARK = '\u2581';
const UNKNOWN_PENALTY = 10;
/** Looked for from the front of each run once: no time squared on long runs inside the text. */
const trailingSpace = new RegExp(`(?<![${WHITE_SPACE}])[${WHITE_SPACE}]+$`, 'u');

export interface T5Tokenizer extends Tokenizer {
  readonly padId: number;
  readonly unknownId: number;
}

/** A unigram vocabulary, whatever file it comes from. */
export interface UnigramVocabulary {
  readonly pieces: readonly (readonly [string, number])[];
  readonly unknownId: number;
  readonly specials: ReadonlyMap<string, number>;
  readonly charsmap: Uint8Array;
}

/**
 * Builds the tokenizer out of a `tokenizer.json` of a T5 model.
 * @param json  text of the file
 * @throws AppError 'tokenizer/vocabulary' for other or damaged files
 */
export function createT5Tokenizer(json: string): T5Tokenizer {
  return unigramTokenizer(readFile(json));
}

/** @throws AppError 'tokenizer/vocabulary' for a damaged character map */
export function unigramTokenizer({ pieces, unknownId, specials, charsmap }: UnigramVocabulary): T5Tokenizer {
  const idOf = new Map(pieces.map(([piece], id) => [piece, id]));
  const normalise = charsmapNormaliser(charsmap);
  let lowest = Infinity;
  let longest = 1;
  for (const [piece, score] of pieces) {
    lowest = Math.min(lowest, score);
    longest = Math.max(longest, piece.length);
  }
  const unknownScore = lowest - UNKNOWN_PENALTY;

  const encodeWord = (word: string, ids: number[]): void => {
    const scores = new Float64Array(word.length + 1);
    const from = new Int32Array(word.length + 1).fill(-1);
    const best = new Int32Array(word.length + 1);
    const offer = (start: number, end: number, id: number, score: number): void => {
      const candidate = (scores[start] ?? 0) + score;
      if (from[end] !== -1 && candidate <= (scores[end] ?? 0)) return;
      scores[end] = candidate;
      from[end] = start;
      best[end] = id;
    };
    for (let start = 0; start < word.length;) {
      const width = (word.codePointAt(start) ?? 0) > 0xffff ? 2 : 1;
      let hasSingle = false;
      for (let end = start + 1; end <= Math.min(start + longest, word.length); end++) {
        const id = idOf.get(word.slice(start, end));
        if (id === undefined) continue;
        offer(start, end, id, pieces[id]?.[1] ?? 0);
        if (end === start + width) hasSingle = true;
      }
      if (!hasSingle) offer(start, start + width, unknownId, unknownScore);
      start += width;
    }
    const path: number[] = [];
    for (let end = word.length; end > 0; end = from[end] ?? 0) {
      const id = best[end] ?? unknownId;
      if (id !== unknownId || path.at(-1) !== unknownId) path.push(id); // unknown characters in a row are one
    }
    for (let i = path.length - 1; i >= 0; i--) ids.push(path[i] ?? unknownId);
  };

  return {
    size: pieces.length,
    endId: specials.get('</s>') ?? 1,
    padId: specials.get('<pad>') ?? 0,
    unknownId,
    encode(text) {
      const ids: number[] = [];
      splitAtSpecials(text, specials).forEach((part, i) => {
        if (typeof part === 'number') {
          ids.push(part);
          return;
        }
        // As its tokenizer.json says: trailing white space goes, runs of spaces become one mark.
        let marked = normalise(part).replace(trailingSpace, '').replace(/ +/g, SPACE_MARK);
        if (marked === '') return;
        if (i === 0 && !marked.startsWith(SPACE_MARK)) marked = SPACE_MARK + marked;
        for (const [word] of marked.matchAll(/\u2581?[^\u2581]+|\u2581/g)) encodeWord(word, ids);
      });
      return ids;
    },
    decode(ids) {
      const texts = ids.map((id) => pieces[id]?.[0] ?? '');
      return texts.join('').replaceAll(SPACE_MARK, ' ').trim();
    },
  };
}

function readFile(json: string): UnigramVocabulary {
  const { root, model, specials } = parseTokenizerJson(json, 'Unigram');
  const normaliser = JSON.stringify(root['normalizer'] ?? null);
  const map = /"precompiled_charsmap":"([A-Za-z0-9+/=]+)"/.exec(normaliser)?.[1];
  const vocabulary: unknown = model['vocab'];
  const unknownId = model['unk_id'];
  if (map === undefined || !Array.isArray(vocabulary) || typeof unknownId !== 'number') {
    throw new AppError(
      'tokenizer/vocabulary',
      'T5 vocabulary: a unigram tokenizer.json with a character map is needed; load the one of the text encoder.',
    );
  }
  const pieces = vocabulary.map((entry: unknown, id): readonly [string, number] => {
    if (Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'number')
      return [entry[0], entry[1]];
    throw new AppError(
      'tokenizer/vocabulary',
      `T5 vocabulary: entry ${id} is no pair of text and score; the file is damaged, load it again.`,
    );
  });
  return { pieces, unknownId, specials, charsmap: Uint8Array.from(atob(map), (c) => c.charCodeAt(0)) };
}
