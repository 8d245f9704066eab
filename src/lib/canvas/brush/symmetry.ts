/** Symmetry rulers: where the copies of a dab go. Brushes are round, so only positions are mapped. */
import { applyAffine, chain, IDENTITY, scaleRotateAbout, type Affine } from '../geometry/affine';
import type { Point } from '../geometry/rect';
import type { Dab } from './dab';

export type Symmetry =
  | { readonly kind: 'none' }
  /** Mirror line through `centre`: `vertical` swaps left and right. */
  | { readonly kind: 'vertical' | 'horizontal' | 'both'; readonly centre: Point }
  /** `count` copies around `centre`, each mirrored too when `mirrored`. */
  | { readonly kind: 'radial'; readonly centre: Point; readonly count: number; readonly mirrored: boolean };

const RADIAL_MAX = 32;

/** The maps of a ruler, the identity first. */
export function symmetryMaps(symmetry: Symmetry): readonly Affine[] {
  switch (symmetry.kind) {
    case 'none':
      return [IDENTITY];
    case 'vertical':
      return [IDENTITY, flip(symmetry.centre, -1, 1)];
    case 'horizontal':
      return [IDENTITY, flip(symmetry.centre, 1, -1)];
    case 'both':
      return [IDENTITY, flip(symmetry.centre, -1, 1), flip(symmetry.centre, 1, -1), flip(symmetry.centre, -1, -1)];
    case 'radial': {
      const count = Math.min(RADIAL_MAX, Math.max(1, Math.round(symmetry.count)));
      const maps: Affine[] = [];
      for (let i = 0; i < count; i++) {
        const radians = (2 * Math.PI * i) / count;
        const turn = scaleRotateAbout(symmetry.centre, { scaleX: 1, scaleY: 1, radians });
        maps.push(i === 0 ? IDENTITY : turn);
        if (symmetry.mirrored) maps.push(chain(flip(symmetry.centre, -1, 1), turn));
      }
      return maps;
    }
    default:
      return symmetry satisfies never;
  }
}

/** All copies of the dabs, dab by dab. */
export function mirrorDabs(maps: readonly Affine[], dabs: readonly Dab[]): readonly Dab[] {
  if (maps.length === 1) return dabs;
  return dabs.flatMap((dab) => maps.map((map) => ({ ...dab, ...applyAffine(map, dab) })));
}

function flip(centre: Point, scaleX: 1 | -1, scaleY: 1 | -1): Affine {
  // Written out: exact for whole and half pixels, which a rotation matrix would not be.
  return {
    a: scaleX,
    b: 0,
    c: 0,
    d: scaleY,
    e: scaleX < 0 ? 2 * centre.x : 0,
    f: scaleY < 0 ? 2 * centre.y : 0,
  };
}
