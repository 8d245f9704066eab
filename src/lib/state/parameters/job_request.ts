/** From what the user edits to what the engine gets. Pure. */
import type { GenerateRequest, InitRequest, InpaintRequest, PixelImage } from '../../rpc/engine';
import type { Parameters } from '../generation.svelte';

/** Everything of an inpainting that is not the mask itself. */
export type InpaintSettings = Omit<InpaintRequest, 'mask'>;

const INPAINT_DEFAULTS: InpaintSettings = {
  invert: false,
  blurPx: 4,
  fill: 'original',
  area: 'whole',
  paddingPx: 32,
};

/** A mask with the user's settings. */
export function inpaintRequest(mask: PixelImage, { inpaint }: Pick<Parameters, 'inpaint'>): InpaintRequest {
  return { ...INPAINT_DEFAULTS, ...inpaint, mask };
}

/**
 * The request of one job. The page's own fields are folded in: inpaint settings join the mask, a variation seed of -1
 * is drawn, a job without a starting picture has no loops.
 * @param randomSeed  a whole number in 0..2^32 - 1
 */
export function jobRequest(
  parameters: Parameters,
  randomSeed: () => number,
): Omit<GenerateRequest, 'modelId' | 'previewEvery'> {
  const { inpaint, styles: _styles, save, init, variation, loopback, ...request } = parameters;
  return {
    ...request,
    ...(init ? { init: withInpaint(init, { inpaint }), ...(loopback ? { loopback } : {}) } : {}),
    ...(variation ? { variation: variation.seed === -1 ? { ...variation, seed: randomSeed() } : variation } : {}),
    ...(save ? { save: { format: 'png', ...save } } : {}),
  };
}

function withInpaint(init: InitRequest, settings: { readonly inpaint: Parameters['inpaint'] }): InitRequest {
  return init.inpaint ? { ...init, inpaint: inpaintRequest(init.inpaint.mask, settings as Parameters) } : init;
}
