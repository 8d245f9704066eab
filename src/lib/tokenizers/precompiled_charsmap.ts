/**
 * The character map of sentencepiece models (`precompiled_charsmap`): a double-array trie over UTF-8 bytes and the
 * replacement strings it points to. Applied as Hugging Face tokenizers applies it, per grapheme.
 * Layout: u32 size of the trie in bytes, the trie as u32 units, then replacements, each ended by a zero byte.
 * Source: google/sentencepiece src/normalizer.cc; s-yata/darts-clone (unit layout); huggingface/tokenizers.
 */
import { AppError } from '../base/errors';

/** Longer graphemes (UTF-8 bytes) are looked up character by character only. */
const WHOLE_GRAPHEME_BYTES = 6;

export type Normaliser = (text: string) => string;

/**
 * @param map  decoded bytes of the map
 * @throws AppError 'tokenizer/vocabulary' when the map is damaged
 */
export function charsmapNormaliser(map: Uint8Array): Normaliser {
  const size = map.length >= 4 ? new DataView(map.buffer, map.byteOffset, 4).getUint32(0, true) : -1;
  if (size < 4 || size % 4 !== 0 || 4 + size > map.length) {
    throw new AppError(
      'tokenizer/vocabulary',
      `character map: a trie of ${size} bytes does not fit in ${map.length}; the tokenizer file is damaged, load it again.`,
    );
  }
  const units = new Uint32Array(map.slice(4, 4 + size).buffer);
  const replacements = map.subarray(4 + size);
  const utf8 = new TextEncoder();
  const decoder = new TextDecoder();
  const known = new Map<string, string | undefined>();
  const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

  /** Replacement of the shortest key that the text begins with. */
  const lookUp = (bytes: Uint8Array): string | undefined => {
    let unit = units[0] ?? 0;
    let node = offsetOf(unit);
    for (const byte of bytes) {
      node ^= byte;
      unit = units[node] ?? 0;
      if ((unit & 0x800000ff) >>> 0 !== byte) return undefined;
      node ^= offsetOf(unit);
      if ((unit >>> 8) & 1) {
        const start = (units[node] ?? 0) & 0x7fffffff;
        const end = replacements.indexOf(0, start);
        return decoder.decode(replacements.subarray(start, end === -1 ? replacements.length : end));
      }
    }
    return undefined;
  };
  const replaced = (part: string): string | undefined => {
    if (known.has(part)) return known.get(part);
    if (known.size > 10_000) known.clear();
    const result = lookUp(utf8.encode(part));
    known.set(part, result);
    return result;
  };

  return (text) => {
    let out = '';
    for (const { segment } of graphemes.segment(text)) {
      const isShort = segment.length < WHOLE_GRAPHEME_BYTES && utf8.encode(segment).length < WHOLE_GRAPHEME_BYTES;
      const whole = isShort ? replaced(segment) : undefined;
      if (whole !== undefined) out += whole;
      else for (const character of segment) out += replaced(character) ?? character;
    }
    return out;
  };
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
