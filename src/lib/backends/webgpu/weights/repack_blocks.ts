/** Stored blocks → words on the host, word by word of the block, so that each loop does one thing. The device's truth. */
import type { ByteField, RepackLayout, WordRecipe } from './block_layouts';

/** Low nibbles of four bytes as 16 bits. */
function nibbles(word: number): number {
  const x = word & 0x0f0f0f0f;
  const y = (x | (x >>> 4)) & 0x00ff00ff;
  return (y | (y >>> 8)) & 0xffff;
}

/** Low bit pairs of four bytes as 8 bits. */
function pairs(word: number): number {
  const x = word & 0x03030303;
  const y = (x | (x >>> 6)) & 0x000f000f;
  return (y | (y >>> 12)) & 0xff;
}

/** Low bits of four bytes as 4 bits. */
function bits(word: number): number {
  const x = word & 0x01010101;
  const y = (x | (x >>> 7)) & 0x00030003;
  return (y | (y >>> 14)) & 0xf;
}

function field(bytes: DataView, block: number, { at, shift, bits: width, high }: ByteField): number {
  const low = (bytes.getUint8(block + at) >> shift) & (width === 6 ? 63 : 15);
  return high ? low | (((bytes.getUint8(block + high.at) >> high.shift) & 3) << 4) : low;
}

/** How a word is read at a block. */
function reader(recipe: WordRecipe, bytes: DataView): (block: number) => number {
  const word = (at: number) => bytes.getUint32(at, true);
  switch (recipe.kind) {
    case 'copy':
      return (block) => word(block + recipe.at);
    case 'half':
      return (block) => bytes.getUint16(block + recipe.at, true);
    case 'swapped':
      return (block) => {
        const value = word(block + recipe.at);
        return ((value >>> 4) & 0x0f0f0f0f) | ((value & 0x0f0f0f0f) << 4);
      };
    case 'nibbles': {
      const { at, shift } = recipe;
      return (block) => nibbles(word(block + at) >>> shift) | (nibbles(word(block + at + 4) >>> shift) << 16);
    }
    case 'pairs': {
      const { at, shift } = recipe;
      return (block) => {
        let value = 0;
        for (let i = 0; i < 4; i++) value |= pairs(word(block + at + 4 * i) >>> shift) << (8 * i);
        return value;
      };
    }
    case 'bits': {
      const { at, shift } = recipe;
      return (block) => {
        let value = 0;
        for (let i = 0; i < 8; i++) value |= bits(word(block + at + 4 * i) >>> shift) << (4 * i);
        return value;
      };
    }
    case 'fields': {
      const { fields, minus } = recipe;
      return (block) => {
        let value = 0;
        for (const [i, one] of fields.entries()) value |= ((field(bytes, block, one) - minus) & 255) << (8 * i);
        return value;
      };
    }
    default:
      throw recipe satisfies never;
  }
}

/**
 * Repacks consecutive blocks.
 * @param bytes `blocks` · blockBytes stored bytes
 * @returns quants, and scales filled up to whole words
 */
export function repackBlocks(
  { blockBytes, quants: recipes, scales: scaleRecipes }: RepackLayout,
  bytes: DataView,
  blocks: number,
): { readonly quants: Uint32Array<ArrayBuffer>; readonly scales: Uint32Array<ArrayBuffer> } {
  const fill = (target: Uint32Array, list: readonly WordRecipe[]) => {
    for (const [j, recipe] of list.entries()) {
      const read = reader(recipe, bytes);
      for (let i = 0; i < blocks; i++) target[i * list.length + j] = read(i * blockBytes);
    }
    return target;
  };
  const quants = new Uint32Array(blocks * recipes.length);
  fill(quants, recipes);
  if (!('halfAt' in scaleRecipes)) {
    const scales = new Uint32Array(blocks * scaleRecipes.length);
    fill(scales, scaleRecipes);
    return { quants, scales };
  }
  const scales = new Uint32Array(Math.ceil(blocks / 2));
  const halves = new DataView(scales.buffer);
  for (let i = 0; i < blocks; i++) {
    halves.setUint16(2 * i, bytes.getUint16(i * blockBytes + scaleRecipes.halfAt, true), true);
  }
  return { quants, scales };
}
