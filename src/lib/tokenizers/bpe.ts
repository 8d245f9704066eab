/**
 * Byte-pair merging shared by the CLIP and Qwen tokenizers. Works on symbol ids, knows nothing of text.
 * Source: Sennrich et al. 2016, algorithm 1; the queue with lazily dropped entries makes a word of n symbols
 * cost O(n log n), so one unbroken run of 100,000 letters cannot stall the page.
 */

/** Symbol pairs that merge: key (see `pairKey`) → rank, lower first; `results[rank]` is the merged symbol. */
export interface MergeTable {
  readonly ranks: ReadonlyMap<number, number>;
  readonly results: Int32Array;
}

// Symbol ids stay below 2^20 and ranks below 2^20, so both packings are exact in a double.
const ID_SPAN = 2 ** 20;
const POSITION_SPAN = 2 ** 32;

/** Key of a pair of symbol ids, each in [0, 2^20). */
export function pairKey(left: number, right: number): number {
  return left * ID_SPAN + right;
}

/**
 * Applies merges in rank order, leftmost first, until none is left.
 * @param symbols  ids of the word's symbols, any length
 * @returns merged ids
 */
export function mergeSymbols(symbols: readonly number[], table: MergeTable): number[] {
  const count = symbols.length;
  if (count < 2) return [...symbols];
  const id = Int32Array.from(symbols); // -1 marks a symbol swallowed by its left neighbour
  const next = Int32Array.from({ length: count }, (_, i) => i + 1);
  const previous = Int32Array.from({ length: count }, (_, i) => i - 1);
  const queue = new NumberHeap();

  const rankAt = (position: number): number | undefined => {
    const right = next[position] ?? count;
    return right >= count ? undefined : table.ranks.get(pairKey(id[position] ?? 0, id[right] ?? 0));
  };
  const offer = (position: number): void => {
    const rank = rankAt(position);
    if (rank !== undefined) queue.push(rank * POSITION_SPAN + position);
  };

  for (let i = 0; i + 1 < count; i++) offer(i);
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    const rank = Math.floor(entry / POSITION_SPAN);
    const position = entry - rank * POSITION_SPAN;
    if (id[position] === -1 || rankAt(position) !== rank) continue; // stale: a neighbour has changed since
    const right = next[position] ?? count;
    const after = next[right] ?? count;
    id[position] = table.results[rank] ?? 0;
    id[right] = -1;
    next[position] = after;
    if (after < count) previous[after] = position;
    offer(position);
    const before = previous[position] ?? -1;
    if (before >= 0) offer(before);
  }
  return Array.from(id).filter((symbol) => symbol !== -1);
}

/** Binary heap of numbers, smallest first. */
class NumberHeap {
  readonly #items: number[] = [];

  push(value: number): void {
    const items = this.#items;
    let at = items.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] ?? 0;
      if (above <= value) break;
      items[at] = above;
      at = parent;
    }
    items[at] = value;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    const size = items.length;
    if (last === undefined || size === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      const right = items[child + 1];
      if (right !== undefined && right < (items[child] ?? 0)) child++;
      const below = items[child] ?? 0;
      if (below >= last) break;
      items[at] = below;
      at = child;
    }
    items[at] = last;
    return top;
  }
}

/**
 * The printable character that stands for each byte in byte-level vocabularies, in vocabulary order of the CLIP
 * and GPT-2 tables: visible Latin-1 first, then the 68 others shifted to U+0100 and up.
 * Source: openai/gpt-2 src/encoder.py (MIT), `bytes_to_unicode`.
 */
export const BYTE_ORDER: readonly number[] = (() => {
  const visible: number[] = [];
  for (let b = 0x21; b <= 0x7e; b++) visible.push(b);
  for (let b = 0xa1; b <= 0xac; b++) visible.push(b);
  for (let b = 0xae; b <= 0xff; b++) visible.push(b);
  const known = new Set(visible);
  const others = Array.from({ length: 256 }, (_, b) => b).filter((b) => !known.has(b));
  return [...visible, ...others];
})();

const VISIBLE_BYTES = 188;

/** byte → stand-in character; inverse in `BYTE_OF_CHARACTER`. */
export const CHARACTER_OF_BYTE: readonly string[] = (() => {
  const table: string[] = [];
  BYTE_ORDER.forEach((byte, i) => {
    table[byte] = String.fromCharCode(i < VISIBLE_BYTES ? byte : 0x100 + i - VISIBLE_BYTES);
  });
  return table;
})();

export const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  CHARACTER_OF_BYTE.map((character, byte) => [character, byte]),
);
