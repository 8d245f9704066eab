/**
 * A model with its compiled programs: one slot per component, compiled when first needed, replaced when another size
 * or batch is asked for. Owns its programs; `dispose` returns every byte.
 */
import type { Backend, CompileOptions, Program } from '../backends/backend';
import { applyStack, type LoraStack } from '../models/lora/stack';
import type { BuiltGraph, ModelPart } from '../models/part';
import type { DetectedModel, EncoderOutput } from '../models/family';
import type { ClipLikeTokenizer } from '../prompt/chunks';
import type { T5Tokenizer } from '../tokenizers/t5';
import type { Tokenizer } from '../tokenizers/tokenizer';

/** Tokenizers by the name that a family's encoder slot gives. */
export interface TokenizerSet {
  readonly clip: ClipLikeTokenizer;
  readonly t5?: T5Tokenizer;
  readonly qwen?: Tokenizer;
}

interface Slot {
  readonly key: string;
  readonly program: Program;
}

/** Prompts are encoded again only when they change; 64 entries of a few 100 kB bound the memory. */
const MAX_CACHED_ENCODINGS = 64;

export class LoadedModel {
  readonly detected: DetectedModel;
  readonly backend: Backend;
  readonly tokenizers: TokenizerSet;
  readonly id: string;
  readonly name: string;
  /** First 10 digits of the file's SHA-256, as the web UIs show it; empty when unknown. */
  readonly hash: string;
  readonly #slots = new Map<string, Slot>();
  readonly #encodings = new Map<string, EncoderOutput>();
  #stack: LoraStack | undefined;

  constructor(options: {
    detected: DetectedModel;
    backend: Backend;
    tokenizers: TokenizerSet;
    id: string;
    name: string;
    hash: string;
  }) {
    this.detected = options.detected;
    this.backend = options.backend;
    this.tokenizers = options.tokenizers;
    this.id = options.id;
    this.name = options.name;
    this.hash = options.hash;
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
    { part, ...options }: CompileOptions & { part?: ModelPart | undefined } = {},
  ): Promise<Program> {
    const key = part ? `${specKey}|${stackKey(this.#stack, part)}` : specKey;
    const held = this.#slots.get(component);
    if (held?.key === key) return held.program;
    if (held) {
      // Released before the next one is made: a WebAssembly heap never shrinks, so the peak would stay.
      this.#slots.delete(component);
      await held.program.dispose();
    }
    const built = build();
    const { graph, weights } = part && this.#stack ? applyStack(built, part, this.#stack) : built;
    const program = await this.backend.compile(graph, weights, options);
    this.#slots.set(component, { key, program });
    return program;
  }

  /**
   * Sets the LoRAs of the next runs. Graphs without them are compiled again afterwards, so taking a stack away gives
   * the same bits as before; a stack that differs only in strengths keeps its programs.
   */
  useStack(stack: LoraStack | undefined): void {
    this.#stack = stack && stack.parts.size > 0 ? stack : undefined;
  }

  /** Tells apart encodings made with different LoRAs or strengths. */
  stackState(part: ModelPart | undefined): string {
    const own = part && this.#stack?.parts.get(part);
    return own && part ? `${stackKey(this.#stack, part)}@${[...own.strengths.values()].join()}` : '';
  }

  /** Strength of a graph input `lora:…`. */
  strength(part: ModelPart | undefined, input: string): number | undefined {
    return part && this.#stack?.parts.get(part)?.strengths.get(input);
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

  /** Largest planned bytes of the programs held, weights included. */
  get peakBytes(): number {
    let total = 0;
    for (const { program } of this.#slots.values()) total += program.plan.peakBytes;
    return total;
  }

  async dispose(): Promise<void> {
    const slots = [...this.#slots.values()];
    this.#slots.clear();
    this.#encodings.clear();
    for (const { program } of slots) await program.dispose();
  }
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
