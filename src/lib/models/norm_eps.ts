/**
 * The epsilon of every norm, by network and place. Whole-model comparisons hardly see a wrong one (1e-10 of the
 * power), so the golden conventions check these numbers on inputs of low variance.
 */
/** The blocks that FLUX.1, FLUX.2 and SD3 share (`dit/blocks.ts`). */
export const DIT_LAYER_NORM_EPS = 1e-6;
export const DIT_QK_NORM_EPS = 1e-6;

export const NORM_EPS = {
  sdUnetResnetNorm: 1e-5,
  sdUnetTransformerNorm: 1e-6,
  sdUnetBlockLayerNorm: 1e-5,
  sdUnetOutNorm: 1e-5,
  vaeResnetNorm: 1e-6,
  vaeAttentionNorm: 1e-6,
  vaeOutNorm: 1e-6,
  clipLayerNorm: 1e-5,
  clipFinalNorm: 1e-5,
  t5RmsNorm: 1e-6,
  qwen3RmsNorm: 1e-6,
  qwen3QkNorm: 1e-6,
  fluxLayerNorm: DIT_LAYER_NORM_EPS,
  fluxQkNorm: DIT_QK_NORM_EPS,
  fluxFinalNorm: DIT_LAYER_NORM_EPS,
  flux2LayerNorm: DIT_LAYER_NORM_EPS,
  flux2QkNorm: DIT_QK_NORM_EPS,
  sd3LayerNorm: DIT_LAYER_NORM_EPS,
  sd3QkNorm: DIT_QK_NORM_EPS,
  zImageAttentionNorm: 1e-5,
  zImageQkNorm: 1e-5,
  zImageFinalNorm: 1e-6,
} as const satisfies Readonly<Record<string, number>>;
