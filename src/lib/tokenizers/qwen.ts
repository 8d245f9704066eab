/**
 * Qwen2/Qwen3 byte-level BPE, used by the text encoders of Z-Image, Qwen-Image and FLUX.2 klein, and the chat
 * template around a prompt. Source: the word pattern of QwenLM/Qwen (Apache-2.0) in its tokenizer.json.
 */
import { AppError } from '../base/errors';
import { BYTE_OF_CHARACTER, BYTE_ORDER, CHARACTER_OF_BYTE, mergeSymbols, pairKey } from './bpe';
import { WHITE_SPACE, WordCache, splitAtSpecials } from './tokenizer';
import type { Tokenizer } from './tokenizer';
import { isRecord } from './tokenizer_json';

const S = `[${WHITE_SPACE}]`;
const word = new RegExp(
  [
    "'(?:[sStTmMdD\\u017f]|[rR][eE]|[vV][eE]|[lL][lL])",
    '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+',
    '\\p{N}',
    ` ?[^${WHITE_SPACE}\\p{L}\\p{N}]+[\\r\\n]*`,
    `${S}*[\\r\\n]+`,
    `${S}+(?![^${WHITE_SPACE}])`,
    `${S}+`,
  ].join('|'),
  'gu',
);

const END = '<|im_end|>';

/** A byte-level BPE vocabulary, whatever file it comes from. */
export interface BpeVocabulary {
  /** Token → id, tokens in byte characters; absent: the bytes in their usual order, then the merges in rank order. */
  readonly vocab?: unknown;
  /** `left right`, or pairs, in rank order. */
  readonly merges: unknown;
  readonly specials: ReadonlyMap<string, number>;
}

/** @throws AppError 'tokenizer/vocabulary' */
export function qwenTokenizer({ vocab, merges, specials }: BpeVocabulary): Tokenizer {
  const idOf = vocab === undefined ? vocabularyOfMerges(merges) : readVocabulary(vocab);
  const table = readMerges(merges, idOf);
  const ofByte = CHARACTER_OF_BYTE.map((character) => idOf.get(character) ?? 0);
  const textOf = new Map([...idOf, ...specials].map(([text, id]) => [id, text]));
  const specialIds = new Set(specials.values());
  const cache = new WordCache(20_000);
  const utf8 = new TextEncoder();
  const encodeWord = (text: string): number[] =>
    mergeSymbols(
      Array.from(utf8.encode(text), (byte) => ofByte[byte] ?? 0),
      table,
    );

  return {
    size: Math.max(...[idOf, specials].map((map) => [...map.values()].reduce((a, b) => Math.max(a, b), 0))) + 1,
    endId: specials.get(END) ?? 0,
    encode(text) {
      const ids: number[] = [];
      for (const part of splitAtSpecials(text, specials)) {
        if (typeof part === 'number') ids.push(part);
        else {
          for (const [found] of part.normalize('NFC').matchAll(word)) {
            for (const id of cache.get(found, () => encodeWord(found))) ids.push(id);
          }
        }
      }
      return ids;
    },
    decode(ids) {
      const bytes: number[] = [];
      for (const id of ids) {
        const text = textOf.get(id) ?? '';
        if (specialIds.has(id)) bytes.push(...utf8.encode(text));
        else for (const character of text) bytes.push(BYTE_OF_CHARACTER.get(character) ?? 0x20);
      }
      return new TextDecoder().decode(Uint8Array.from(bytes));
    },
  };
}

/** A prompt as the user's turn of a chat, the form these encoders were trained on. */
export function qwenChat(prompt: string): string {
  return `<|im_start|>user\n${prompt}<|im_end|>\n<|im_start|>assistant\n`;
}

function damaged(what: string): AppError {
  return new AppError(
    'tokenizer/vocabulary',
    `Qwen vocabulary: ${what}; load the tokenizer.json of the text encoder again.`,
  );
}

function readVocabulary(value: unknown): Map<string, number> {
  if (!isRecord(value)) throw damaged('there is no table of tokens');
  const idOf = new Map<string, number>();
  for (const [token, id] of Object.entries(value)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= 2 ** 20) {
      throw damaged(`token ${JSON.stringify(token)} has the id ${JSON.stringify(id)}`);
    }
    idOf.set(token, id);
  }
  const missing = CHARACTER_OF_BYTE.find((character) => !idOf.has(character));
  if (missing !== undefined) throw damaged(`the byte ${JSON.stringify(missing)} has no token`);
  return idOf;
}

function vocabularyOfMerges(merges: unknown): Map<string, number> {
  const tokens = BYTE_ORDER.map((byte) => CHARACTER_OF_BYTE[byte] ?? '');
  for (const merge of Array.isArray(merges) ? (merges as unknown[]) : []) {
    tokens.push(Array.isArray(merge) ? merge.join('') : String(merge).replace(' ', ''));
  }
  return new Map(tokens.map((token, id) => [token, id]));
}

function readMerges(
  value: unknown,
  idOf: ReadonlyMap<string, number>,
): { ranks: Map<number, number>; results: Int32Array } {
  if (!Array.isArray(value) || value.length >= 2 ** 20) throw damaged('there is no list of merges');
  const ranks = new Map<number, number>();
  const results = new Int32Array(value.length);
  (value as unknown[]).forEach((entry, rank) => {
    const [left, right] = (typeof entry === 'string' ? entry.split(' ') : entry) as unknown[];
    const [leftId, rightId] = [left, right].map((part) => (typeof part === 'string' ? idOf.get(part) : undefined));
    const result = idOf.get(`${String(left)}${String(right)}`);
    if (leftId === undefined || rightId === undefined || result === undefined) {
      throw damaged(`merge ${rank} names unknown tokens`);
    }
    ranks.set(pairKey(leftId, rightId), rank);
    results[rank] = result;
  });
  return { ranks, results };
}
