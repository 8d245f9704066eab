/** Recipes of a block's words as `wgsl/repack_blocks.wgsl` reads them: four `u32` each, quants before scales. */
import type { ByteField, RepackLayout, WordRecipe } from './block_layouts';

const KINDS = [
  'copy',
  'half',
  'nibbles',
  'pairs',
  'bits',
  'swapped',
  'fields',
] as const satisfies readonly WordRecipe['kind'][];

function fieldCode({ at, shift, bits, high }: ByteField): number {
  const low = at | (shift << 8) | (bits === 6 ? 1 << 11 : 0);
  return high ? low | (high.at << 12) | (high.shift << 20) | (1 << 23) : low;
}

function recipeCode(recipe: WordRecipe): readonly number[] {
  const kind = KINDS.indexOf(recipe.kind) * 2 ** 28;
  if (recipe.kind !== 'fields') return [kind + recipe.at + ('shift' in recipe ? recipe.shift << 8 : 0), 0, 0, 0];
  const [first = 0, ...others] = recipe.fields.map(fieldCode);
  return [kind + (recipe.minus === 32 ? 1 << 24 : 0) + first, ...others];
}

/** 16 bytes per recipe. */
export function repackTable({ quants, scales }: RepackLayout): Uint32Array<ArrayBuffer> {
  const all: readonly WordRecipe[] = [
    ...quants,
    ...('halfAt' in scales ? [{ kind: 'half' as const, at: scales.halfAt }] : scales),
  ];
  return Uint32Array.from(all.flatMap(recipeCode));
}
