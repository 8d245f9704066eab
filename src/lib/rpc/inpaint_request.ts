/** What is repainted, and how its edge is treated. */
import type { PixelImage } from './pixel_image';

export const INPAINT_FILLS = ['fill', 'original', 'latentNoise', 'latentNothing'] as const;
export type InpaintFill = (typeof INPAINT_FILLS)[number];

export interface InpaintRequest {
  /** White (by red channel times alpha) is repainted. Any size; resized with the picture. */
  readonly mask: PixelImage;
  readonly invert: boolean;
  /** Gaussian sigma in pixels, 0..64. */
  readonly blurPx: number;
  readonly fill: InpaintFill;
  /** `masked` paints the mask's surroundings at full size and pastes them back. */
  readonly area: 'whole' | 'masked';
  readonly paddingPx: number;
  /** The latent mask is rounded to 0 or 1, as the web UIs do; default true. Soft inpainting never rounds. */
  readonly round?: boolean;
  /** Models trained to inpaint: how much of the masked area's own picture they are not shown, 0..1; default 1. */
  readonly conditioningWeight?: number;
  /** Soft inpainting: transitions follow how far the picture moved, in place of a hard mask. */
  readonly soft?: SoftInpaintRequest;
}

/**
 * The numbers of soft inpainting: names, ranges, defaults and infotext keys as the web UIs have them, in their order.
 */
export const SOFT_INPAINT = {
  /** Power of the noise level in the blend; high values keep the start picture mostly in early steps. */
  scheduleBias: { default: 1, min: 0, max: 8, infotext: 'Soft inpainting schedule bias' },
  /** How strongly partly masked areas are kept. */
  preservationStrength: { default: 0.5, min: 0, max: 8, infotext: 'Soft inpainting preservation strength' },
  /** Contrast lost by blending is put back. */
  transitionContrast: { default: 4, min: 1, max: 32, infotext: 'Soft inpainting transition contrast boost' },
  /** Share of the mask in the final composite. */
  maskInfluence: { default: 0, min: 0, max: 1, infotext: 'Soft inpainting mask influence' },
  /** Latent distance at which half of the new picture shows. */
  differenceThreshold: { default: 0.5, min: 0, max: 8, infotext: 'Soft inpainting difference threshold' },
  /** Steepness around that distance. */
  differenceContrast: { default: 2, min: 0, max: 8, infotext: 'Soft inpainting difference contrast' },
} as const satisfies Record<string, { default: number; min: number; max: number; infotext: string }>;

export type SoftInpaintName = keyof typeof SOFT_INPAINT;
export const SOFT_INPAINT_NAMES = Object.keys(SOFT_INPAINT) as readonly SoftInpaintName[];

export type SoftInpaintRequest = Readonly<Record<SoftInpaintName, number>>;

/** The web UIs' defaults. */
export const SOFT_INPAINT_DEFAULTS = Object.fromEntries(
  SOFT_INPAINT_NAMES.map((name) => [name, SOFT_INPAINT[name].default]),
) as SoftInpaintRequest;
