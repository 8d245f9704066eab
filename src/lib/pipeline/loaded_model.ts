/**
 * A model with its compiled programs: one per component, compiled when first needed, replaced when another size or
 * batch is asked for, freed when others need the room. `dispose` returns every byte.
 */
import type { Backend, CompileOptions, PlannedProgram, Program } from '../backends/backend';
import { AppError } from '../base/errors';
import { applyStack, type LoraStack } from '../models/lora/stack';
import { fitsLatents } from '../models/assemble';
import type { BuiltGraph, ModelPart } from '../models/part';
import type { DetectedModel, EncoderOutput } from '../models/family';
import type { ClipLikeTokenizer } from '../prompt/chunks';
import { strengthAt, type StrengthSchedule } from '../prompt/extra_networks';
import { Residency } from './residency';
import type { T5Tokenizer } from '../tokenizers/t5';
import type { Tokenizer } from '../tokenizers/tokenizer';

/** Tokenizers by the name that a family's encoder slot gives. */
export interface TokenizerSet {
  readonly clip: ClipLikeTokenizer;
  readonly t5?: T5Tokenizer;
  readonly qwen?: Tokenizer;
}

/** Prompts are encoded again only when they change; 64 entries of a few 100 kB bound the memory. */
const MAX_CACHED_ENCODINGS = 64;

/** An autoencoder in place of the model's own. */
export interface ChosenVae {
  readonly part: ModelPart;
  /** Tied to the content, for example its SHA-256. */
  readonly contentId: string;
  /** First 10 digits of the file's SHA-256, as infotexts have them; empty when unknown. */
  readonly hash: string;
}

export class LoadedModel {
  readonly #detected: DetectedModel;
  #vae: ChosenVae | undefined;
  readonly backend: Backend;
  readonly tokenizers: TokenizerSet;
  readonly id: string;
  readonly name: string;
  /** First 10 digits of the file's SHA-256, as the web UIs show it; empty when unknown. */
  readonly hash: string;
  readonly residency: Residency;
  /** Whether the autoencoder runs in tiles; set by each job. */
  tiledVae: 'auto' | 'always' | 'never' = 'auto';
  /** Number format of the autoencoder; set by each job. `auto`: half precision where the device has it, f32 after an overflow. */
  vaePrecision: 'auto' | 'f32' | 'f16' = 'auto';
  readonly #encodings = new Map<string, EncoderOutput>();
  #stack: LoraStack | undefined;
  #schedules: ReadonlyMap<string, StrengthSchedule> = new Map();

  constructor(options: {
    detected: DetectedModel;
    backend: Backend;
    tokenizers: TokenizerSet;
    id: string;
    name: string;
    hash: string;
    /** Shared by models of one backend; default one of its own without a limit. */
    residency?: Residency;
  }) {
    this.#detected = options.detected;
    this.backend = options.backend;
    this.tokenizers = options.tokenizers;
    this.id = options.id;
    this.name = options.name;
    this.hash = options.hash;
    this.residency = options.residency ?? new Residency(options.backend);
  }

  /** What the files make together, with the autoencoder in use. */
  get detected(): DetectedModel {
    return this.#vae ? { ...this.#detected, vae: this.#vae.part } : this.#detected;
  }

  /**
   * Decodes and encodes with another autoencoder from now on; undefined: the model's own.
   * @throws AppError 'model/unsupported' for one of other latents
   */
  useVae(vae: ChosenVae | undefined): void {
    if (vae && !fitsLatents(vae.part, this.#detected.latent)) {
      throw new AppError(
        'model/unsupported',
        `${vae.part.file}: this autoencoder's latents are not those of ${this.#detected.family.label} (${this.#detected.latent.channels} channels); choose another one.`,
        { details: { vae: vae.part.file, family: this.#detected.family.id } },
      );
    }
    this.#vae = vae;
  }

  /** The autoencoder in use, when it is not the model's own. */
  get vae(): ChosenVae | undefined {
    return this.#vae;
  }

  /** Tells programs of different autoencoders apart: files of one name are common. */
  get vaeKey(): string {
    return this.#vae?.contentId ?? '';
  }

  /**
   * The program of a component for one specification.
   * @param component  slot name; one program per slot is kept
   * @param specKey  everything the graph depends on besides the model
   * @param part  takes the LoRA stack in use into the graph; absent for components that no LoRA targets
   */
  async program(
    component: string,
    specKey: string,
    build: () => BuiltGraph,
    { part, whole = false, ...options }: CompileOptions & ProgramOptions = {},
  ): Promise<Program> {
    const key = this.#key(specKey, part);
    const held = this.residency.find(this, component, key);
    if (held) return held;
    const built = this.#built(build, part);
    return this.residency.admit({ owner: this, component, key, built, options, whole });
  }

  /** Names of the components on the device. */
  get components(): readonly string[] {
    return this.residency.componentsOf(this);
  }

  /** Whether a component would fit beside others of this model that are to stay. */
  hasRoom(
    build: () => BuiltGraph,
    { part, keep = [] }: { part?: ModelPart | undefined; keep?: readonly string[] } = {},
  ): boolean {
    const { graph, weights } = this.#built(build, part);
    let plan: PlannedProgram;
    try {
      plan = this.backend.plan(graph, weights);
    } catch (error) {
      // One tensor exceeds what the device can bind.
      if (error instanceof AppError && error.code === 'backend/out-of-memory') return false;
      throw error;
    }
    return this.residency.hasRoom(this, plan, keep);
  }

  /** Runs work on one component; after a failure for lack of memory it is tried again with more room, if there is any. */
  withRoom<T>(component: string, work: () => Promise<T>): Promise<T> {
    return this.residency.withRoom(this, component, work);
  }

  #key(specKey: string, part: ModelPart | undefined): string {
    return part ? `${specKey}|${stackKey(this.#stack, part)}` : specKey;
  }

  #built(build: () => BuiltGraph, part: ModelPart | undefined): BuiltGraph {
    const built = build();
    return part && this.#stack ? applyStack(built, part, this.#stack) : built;
  }

  /** Frees the programs of components that begin with `prefix`, except those named. */
  keepOnly(prefix: string, kept: ReadonlySet<string>): Promise<void> {
    return this.residency.releaseComponents(this, (name) => name.startsWith(prefix) && !kept.has(name));
  }

  /**
   * Sets the LoRAs of the next runs. Graphs without them are compiled again afterwards, so taking a stack away gives
   * the same bits as before; a stack that differs only in strengths keeps its programs.
   */
  useStack(stack: LoraStack | undefined, schedules: ReadonlyMap<string, StrengthSchedule> = new Map()): void {
    this.#stack = stack && stack.parts.size > 0 ? stack : undefined;
    this.#schedules = schedules;
  }

  /** Tells apart encodings made with different LoRAs or strengths. */
  stackState(part: ModelPart | undefined): string {
    const own = part && this.#stack?.parts.get(part);
    return own && part ? `${stackKey(this.#stack, part)}@${[...own.strengths.values()].join()}` : '';
  }

  /**
   * Strength of a graph input `lora:…`.
   * @param share  of the run that is done, for the denoiser's strengths that change over it
   */
  strength(part: ModelPart | undefined, input: string, share?: number): number | undefined {
    const constant = part && this.#stack?.parts.get(part)?.strengths.get(input);
    const schedule = share === undefined ? undefined : this.#schedules.get(input);
    return constant !== undefined && schedule ? strengthAt(schedule, share ?? 0) : constant;
  }

  encoding(key: string): EncoderOutput | undefined {
    const found = this.#encodings.get(key);
    if (found) {
      // Move to the end: the map's order is the order of use.
      this.#encodings.delete(key);
      this.#encodings.set(key, found);
    }
    return found;
  }

  rememberEncoding(key: string, output: EncoderOutput): void {
    this.#encodings.set(key, output);
    const oldest = this.#encodings.keys().next().value;
    if (this.#encodings.size > MAX_CACHED_ENCODINGS && oldest !== undefined) this.#encodings.delete(oldest);
  }

  async dispose(): Promise<void> {
    this.#encodings.clear();
    await this.residency.release(this);
  }
}

interface ProgramOptions {
  readonly part?: ModelPart | undefined;
  /** Fail for lack of memory rather than stream weights: the caller knows a cheaper way. */
  readonly whole?: boolean;
}

/** What a compiled graph depends on in a stack: files and merged weights, not strengths, which are inputs. */
function stackKey(stack: LoraStack | undefined, part: ModelPart): string {
  const own = stack?.parts.get(part);
  if (!own) return '';
  return own.loras
    .map(({ id, layers }) => {
      const merged = [...layers.values()].flat().flatMap((u) => (u.kind === 'replace' ? [u.weight.tensor.name] : []));
      return merged.length > 0 ? `${id}(${merged.join()})` : id;
    })
    .join('+');
}
