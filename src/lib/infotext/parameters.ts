/** Typed generation parameters: what a picture was made with. See parameter_fields.ts for their infotext keys. */

/** Second pass at a larger size. */
export interface HiresParameters {
  readonly upscale?: number;
  readonly widthPx?: number;
  readonly heightPx?: number;
  readonly steps?: number;
  readonly upscaler?: string;
  readonly checkpoint?: string;
  readonly sampler?: string;
  readonly schedule?: string;
  readonly prompt?: string;
  readonly negative?: string;
  readonly cfgScale?: number;
  readonly distilledCfgScale?: number;
  readonly modules?: readonly string[];
}

export interface RefinerParameters {
  readonly checkpoint: string;
  /** Fraction of the steps after which the refiner takes over, in [0, 1]. */
  readonly switchAt?: number;
  /** Count sampling steps instead of noise levels, as versions before 1.8.0 did. */
  readonly switchBySteps?: boolean;
}

/**
 * Parameters of one picture. Everything but the two texts may be missing; a value that a text did not hold is
 * undefined, never a default.
 */
export interface GenerationParameters {
  readonly prompt: string;
  readonly negative: string;
  readonly steps?: number;
  /** Sampler as written; names of other programs are resolved by the sampler registry. */
  readonly sampler?: string;
  readonly schedule?: string;
  readonly cfgScale?: number;
  readonly distilledCfgScale?: number;
  readonly imageCfgScale?: number;
  /** Non-negative, or -1 where a program recorded "random". Beyond 2^53 only the recorded text is exact. */
  readonly seed?: number;
  readonly faceRestoration?: string;
  /** Size of the first pass. */
  readonly widthPx?: number;
  readonly heightPx?: number;
  readonly modelHash?: string;
  readonly model?: string;
  readonly vaeHash?: string;
  readonly vae?: string;
  readonly variationSeed?: number;
  readonly variationStrength?: number;
  readonly seedResizeWidthPx?: number;
  readonly seedResizeHeightPx?: number;
  readonly denoisingStrength?: number;
  readonly conditionalMaskWeight?: number;
  readonly clipSkip?: number;
  /** Added to the seed for the noise of ancestral samplers. */
  readonly etaNoiseSeedDelta?: number;
  readonly initImageHash?: string;
  /** `CPU`, `GPU` or `NV`. */
  readonly rng?: string;
  readonly tiling?: boolean;
  readonly eta?: number;
  readonly sigmaChurn?: number;
  readonly sigmaTmin?: number;
  readonly sigmaTmax?: number;
  readonly sigmaNoise?: number;
  readonly scheduleSigmaMin?: number;
  readonly scheduleSigmaMax?: number;
  readonly scheduleRho?: number;
  readonly betaAlpha?: number;
  readonly betaBeta?: number;
  readonly shift?: number;
  readonly emphasis?: string;
  readonly oldPromptEditing?: boolean;
  readonly maskBlur?: number;
  readonly maskMode?: string;
  readonly inpaintArea?: string;
  readonly maskedPaddingPx?: number;
  readonly maskedContent?: string;
  /** LoRA name → first 12 hex digits of the hash of its tensors. Strengths are only in the prompt's tags. */
  readonly loraHashes?: ReadonlyMap<string, string>;
  readonly embeddingHashes?: ReadonlyMap<string, string>;
  readonly hires?: HiresParameters;
  readonly refiner?: RefinerParameters;
  readonly template?: string;
  readonly negativeTemplate?: string;
  readonly version?: string;
  /** VAE and text encoder files, without extension. */
  readonly modules?: readonly string[];
  /** Keys this product does not know, with their values as read, in order. */
  readonly extra: ReadonlyMap<string, string>;
  /**
   * Texts of all values as they were read, by key, in order. A value that is still what its text says is written
   * with that text, so `7.0` stays `7.0`.
   */
  readonly written: ReadonlyMap<string, string>;
}

/** Parameters with nothing but the two texts. */
export function emptyParameters(prompt = '', negative = ''): GenerationParameters {
  return { prompt, negative, extra: new Map(), written: new Map() };
}
