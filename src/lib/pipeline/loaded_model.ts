/**
 * A model with its compiled programs: one slot per component, compiled when first needed, replaced when another size
 * or batch is asked for. Owns its programs; `dispose` returns every byte.
 */
import type { Backend, CompileOptions, Program } from '../backends/backend';
import type { BuiltGraph } from '../models/part';
import type { DetectedModel, EncoderOutput } from '../models/family';
import type { ClipLikeTokenizer } from '../prompt/chunks';

/** Tokenizers by the name that a family's encoder slot gives. */
export interface TokenizerSet {
  readonly clip: ClipLikeTokenizer;
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
   * @param key  everything the graph depends on besides the model
   */
  async program(component: string, key: string, build: () => BuiltGraph, options?: CompileOptions): Promise<Program> {
    const held = this.#slots.get(component);
    if (held?.key === key) return held.program;
    if (held) {
      // Released before the next one is made: a WebAssembly heap never shrinks, so the peak would stay.
      this.#slots.delete(component);
      await held.program.dispose();
    }
    const { graph, weights } = build();
    const program = await this.backend.compile(graph, weights, options);
    this.#slots.set(component, { key, program });
    return program;
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
