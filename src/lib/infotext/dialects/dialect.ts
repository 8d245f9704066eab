/** What a reader of another program's metadata gives, and the table entry it is. */
import type { ImageTexts } from '../image_texts';
import type { GenerationParameters } from '../parameters';

/** One sampling pass of a graph-based program. */
export interface SamplingPass {
  readonly sampler?: string;
  readonly schedule?: string;
  readonly steps?: number;
  readonly cfgScale?: number;
  readonly seed?: number;
  readonly denoise?: number;
  readonly prompts: readonly string[];
  readonly negatives: readonly string[];
}

export interface DialectReading {
  /** Program that wrote the picture. */
  readonly tool: string;
  readonly parameters: GenerationParameters;
  /** Names of things in the metadata that our parameters cannot express. */
  readonly unmapped: readonly string[];
  /** Derived by walking a graph, not written down as parameters. */
  readonly derived?: boolean;
  /** All passes of a graph, the first one first; `parameters` describes the first. */
  readonly passes?: readonly SamplingPass[];
  readonly models?: readonly string[];
}

/** A program's metadata. Adding one is a file and a line in dialects.ts. */
export interface Dialect {
  readonly id: string;
  /** Undefined when the texts are not of this program. Never throws. */
  readonly read: (image: ImageTexts) => DialectReading | undefined;
}
