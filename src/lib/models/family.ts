/**
 * What the pipeline knows of a model family: latent format, noise parameterisation, defaults, text encoders, and
 * functions that build each component's graph. Adding a family = one folder or file and one line in `registry.ts`.
 * The pipeline never asks "which family": it reads these fields.
 */
import type { WeightMap } from '../graph/weights';
import type { FamilyId } from '../options/family_ids';
import type { BuiltGraph, HintTable, ModelPart, TextEncoderId } from './part';

export type { FamilyId };

/**
 * Latents on the denoiser's side, `[N, channels, height/stride, width/stride]`. Scale, shift and any normalisation
 * happen inside the autoencoder graphs (`latents: 'model'`), so nobody else applies them.
 */
export interface LatentFormat {
  readonly channels: number;
  /** Pixels per latent cell. */
  readonly stride: number;
  /** Picture sides must be multiples of this, pixels. */
  readonly multiple: number;
  /** Sides of this multiple, pixels, divide evenly at every level of the network: sizes that are offered are rounded to it. */
  readonly evenMultiple: number;
  /** model-side = (raw - shift) · scale; for display and metadata only. */
  readonly scale: number;
  readonly shift: number;
  /** Linear preview without a decoder: RGB 0..1 ≈ bias + Σ channel · row. Absent: preview by a tiny decoder only. */
  readonly preview?: {
    readonly factors: readonly (readonly [number, number, number])[];
    readonly bias: readonly [number, number, number];
  };
}

/** How the raw network output becomes a clean latent, and what `timestep` means. */
export type Prediction =
  /**
   * `eps`: denoised = x - sigma·out; `v`: denoised = x/(sigma²+1) - out·sigma/sqrt(sigma²+1).
   * The network takes x/sqrt(sigma²+1) and `timestep` = (fractional) index 0..steps-1 of sigma in the table.
   */
  | {
      readonly kind: 'eps' | 'v';
      readonly steps: number;
      readonly betaStart: number;
      readonly betaEnd: number;
      readonly betas: 'scaled_linear' | 'linear';
      /** Rescaled so that the last step is pure noise. */
      readonly zeroTerminalSnr: boolean;
    }
  /** x = (1-sigma)·clean + sigma·noise; denoised = x - sigma·out. The network takes x and `timestep` = sigma in 0..1. */
  | { readonly kind: 'flow'; readonly shift: FlowShift };

/** Rule that moves flow sigmas; L = image tokens. */
export type FlowShift =
  | { readonly kind: 'none' }
  /** sigma' = s·sigma / (1 + (s-1)·sigma) */
  | { readonly kind: 'linear'; readonly shift: number }
  /** sigma' = e^mu / (e^mu + 1/sigma - 1), mu linear in L through the two points. */
  | {
      readonly kind: 'exponential';
      readonly baseTokens: number;
      readonly baseMu: number;
      readonly maxTokens: number;
      readonly maxMu: number;
    }
  /** As `exponential`, with FLUX.2's mu(L, steps). */
  | { readonly kind: 'flux2' };

export interface GenerationDefaults {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly steps: number;
  readonly cfgScale: number;
  /** Guidance given to the network as a number, FLUX.1 dev: "distilled CFG". */
  readonly distilledGuidance?: number;
  /** Ids of the sampler and schedule registries. */
  readonly sampler: string;
  readonly schedule: string;
  /** Hidden layer of CLIP counted from the end; 1 = last. */
  readonly clipSkip: number;
}

/** A text encoder as a family uses it. */
export interface TextEncoderSlot {
  readonly id: TextEncoderId;
  readonly label: string;
  readonly tokenizer: 'clip' | 't5' | 'qwen';
  /** Fills a sequence up: the end token, or this id; `none`: sequences keep their length. */
  readonly pad: 'end' | 'none' | number;
  /** CLIP: prompts are cut into chunks of this many tokens (75 + begin and end). */
  readonly chunkTokens?: number;
  /** Sequences are padded to at least this many tokens. */
  readonly minTokens?: number;
  readonly maxTokens: number;
  /** Chat text around the prompt, with `{prompt}`. */
  readonly template?: string;
  /** The family works without it (SD3's T5); `conditioning` then fills in zeros. */
  readonly optional?: boolean;
  /** Its `pooled` output is used. */
  readonly pooled: boolean;
  /** Its `hidden` output is used; false for FLUX.1's CLIP-L, which only gives `pooled`. */
  readonly hidden: boolean;
  readonly clip?: {
    /** The final norm is applied to `hidden`. */
    readonly finalNorm: boolean;
    /** Layers left out at clip skip 1: 0 = last layer, 1 = last but one. */
    readonly baseSkip: number;
    /** `pooled` goes through the text projection. */
    readonly project: boolean;
  };
  /** Decoder-type encoders: which hidden states make `hidden`, joined along the last axis. */
  readonly qwen?: { readonly states: 'last-but-one' | readonly number[] };
  /** Padding is hidden from attention: build with `mask`. */
  readonly masked?: boolean;
}

export interface TextEncoderSpec {
  readonly batch: number;
  /** Tokens per sequence, padding included. */
  readonly tokens: number;
  /** 1 = last layer. CLIP only. */
  readonly clipSkip?: number;
  /**
   * Textual inversion: adds inputs `injected` f32 [N, T, D] and `keep` f32 [N, T, 1];
   * embedding = table[ids] · keep + injected.
   */
  readonly injections?: boolean;
  /** T5 and Qwen3: adds the input `mask` f32 [N, T], 1 = a token that others may look at. */
  readonly mask?: boolean;
}

export interface DenoiserSpec {
  /** Rows: 2 for classifier-free guidance in one run. */
  readonly batch: number;
  /** Latent cells. */
  readonly height: number;
  readonly width: number;
  /** Rows of `context`. */
  readonly tokens: number;
  /** Adds inputs `residual_0`, `residual_1`, … and `residual_mid` (ControlNet outputs, already weighted and summed). */
  readonly controlResiduals?: boolean;
  /** Adds inputs `feature_0`, … (T2I-Adapter outputs, already weighted and summed). */
  readonly adapterFeatures?: boolean;
  /**
   * Picture prompts (IP-Adapter) with their keys and values, see `ipAdapterWeights`; each adds inputs
   * `imageTokens_i` [N, count, C] and `imageScale_i` [N, 1, 1].
   */
  readonly imagePrompts?: readonly { readonly count: number; readonly weights: WeightMap }[];
  /** Wrap-around convolutions: tiling textures. */
  readonly circular?: boolean;
}

export interface VaeSpec {
  readonly batch: number;
  /** Latent cells of the denoiser's format. */
  readonly height: number;
  readonly width: number;
  /**
   * `model` (default): latents as the denoiser sees them, pixels 0..1 (not clamped).
   * `raw`: the network's own ranges: latents before scaling, pixels -1..1 (KL) or 0..1 (tiny).
   */
  readonly range?: 'model' | 'raw';
  readonly circular?: boolean;
}

/** A plain array in host memory; the same shape as a backend's HostTensor. */
export interface HostArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface EncoderOutput {
  /** [N, T, D] */
  readonly hidden?: HostArray;
  /** [N, D] */
  readonly pooled?: HostArray;
}

/** What the denoiser takes of the prompt: input name → tensor (`context`, and `pooled` where it has one). */
export type Conditioning = Readonly<Record<string, HostArray>>;

/** Prompt-independent numbers that some denoisers take; keys are graph inputs. */
export interface SizeConditions {
  readonly originalWidthPx: number;
  readonly originalHeightPx: number;
  readonly cropLeftPx: number;
  readonly cropTopPx: number;
  readonly targetWidthPx: number;
  readonly targetHeightPx: number;
  /** SDXL refiner; 6 for the prompt, 2.5 for the negative prompt. */
  readonly aestheticScore: number;
}

export interface ModelFamily {
  readonly id: FamilyId;
  readonly label: string;
  readonly latent: LatentFormat;
  readonly prediction: Prediction;
  readonly defaults: GenerationDefaults;
  /** Sizes of training beside the default one, pixels: width, height. Each also stands for its mirror. */
  readonly sizes: readonly (readonly [number, number])[];
  readonly encoders: readonly TextEncoderSlot[];
  /** Text that the picture file's licence note starts from; see the model card of the actual file. */
  readonly licence: string;
  /**
   * Joins text encoder outputs into the denoiser's inputs.
   * @throws AppError 'model/missing-part' when a needed encoder's output is absent
   */
  conditioning(outputs: Readonly<Partial<Record<TextEncoderId, EncoderOutput>>>, model: DetectedModel): Conditioning;
  /** Conditioning of "nothing" where it is not the encoded empty prompt: zeros of the same shapes (SDXL). */
  readonly zeroNegative: boolean;
  /** Inputs beyond x, timestep and context; U-Nets say it themselves. */
  inputs?(denoiser: ModelPart): readonly ExtraInput[];
  /** What depends on the denoiser, such as FLUX.1 schnell's four steps without shift. */
  adjust?(denoiser: ModelPart): {
    readonly defaults?: Partial<GenerationDefaults>;
    readonly prediction?: Prediction;
    /** Channels of `inpaint` or `concat`. */
    readonly concatChannels?: number;
  };
  /** The `timeIds` row of one picture, where `inputs` lists it. */
  sizeIds?(size: SizeConditions): readonly number[];
  /**
   * Graph inputs: `x` image [N, C, h, w], `timestep` f32 [N], `context` f32 [N, T, D], and, where `inputs` lists them,
   * `pooled`, `timeIds`, `guidance`, `contextMask`, `inpaint`. Output: `prediction`, shaped like x.
   */
  buildDenoiser(model: DetectedModel, spec: DenoiserSpec): BuiltGraph;
}

/** A denoiser input beyond x, timestep and context. */
export type ExtraInput =
  /** f32 [N, P] */
  | 'pooled'
  /** f32 [N, 6] original h, w, crop top, left, target h, w; refiner [N, 5] original h, w, crop top, left, score */
  | 'timeIds'
  /** f32 [N]: distilled guidance as the user gives it (FLUX: 3.5), or LCM's guidance scale minus 1 */
  | 'guidance'
  /** f32 [N, T]: 1 = the token takes part */
  | 'contextMask'
  /**
   * image: U-Nets [N, 5, h, w]: mask (1 = repaint), then the masked picture's latent; FLUX.1 Fill [N, 80, h, w]: that
   * latent, then the mask's 8 x 8 pixels of every cell
   */
  | 'inpaint'
  /** image [N, channels, h, w]: instruct-pix2pix picture latent, depth map and the like */
  | 'concat';

/** A model that can make pictures, or nearly: what the files have, what is missing, how to run it. */
export interface DetectedModel {
  readonly family: ModelFamily;
  readonly label: string;
  /** Few-step variant by what the files declare, for example `Turbo`. */
  readonly variant?: string;
  readonly denoiser: ModelPart;
  readonly textEncoders: ReadonlyMap<TextEncoderId, ModelPart>;
  readonly vae?: ModelPart;
  /** A tiny autoencoder beside the full one, for previews. */
  readonly previewVae?: ModelPart;
  readonly latent: LatentFormat;
  readonly prediction: Prediction;
  /** The file or the caller named the kind of prediction; else it is the family's usual one, see `settlePrediction`. */
  readonly predictionDeclared: boolean;
  readonly defaults: GenerationDefaults;
  /** Inputs that this denoiser takes beyond x, timestep and context. */
  readonly inputs: readonly ExtraInput[];
  /** Channels of `inpaint` or `concat`, 0 without. */
  readonly concatChannels: number;
  /** Skip connections of a U-Net: how many `residual_i` inputs `controlResiduals` adds. 0 for other denoisers. */
  readonly residuals: number;
  readonly missing: readonly MissingPart[];
  /** Numbers that were given because shapes do not tell them. */
  readonly hints: HintTable;
}

export interface MissingPart {
  readonly role: 'text-encoder' | 'vae';
  readonly encoder?: TextEncoderId;
  readonly label: string;
  /** Why a part of this role that was given is not it. */
  readonly unfit?: string;
}
