/**
 * Measured choice of matrix and attention kernels for a model's own shapes: a second or two once per device, kept in an injected store.
 * Only where the device has timestamps; a candidate whose numbers are off is never timed. Without timestamps, without a
 * store, and for shapes that were not measured, the deterministic default holds.
 */
import { throwIfAborted } from '../../base/abort';
import { AppError } from '../../base/errors';
import { nmse } from '../op_cases/run_op_case';
import type { WebgpuBackend } from './backend';
import { attentionCandidates, candidates, type Candidate } from './tuning_candidates';
import { measureAttention, measureProduct, type Measured } from './tuning_measure';
import type { AttentionChoice, AttentionShape, GemmChoice, GemmShape, TunedShape, Tuner, Tuning } from './tuning';
import type { KernelVariantId } from './variants';

/** Where verdicts are kept; the browser's layer implements it on IndexedDB. */
export interface KeyValueStore {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
}

export interface AutotuneOptions {
  /** Names browser and version: a new compiler may change every verdict. */
  readonly browser?: string;
  readonly store?: KeyValueStore;
  /** The tuning that is the base rounds activations to 8 bits. */
  readonly roundActivations?: boolean;
  /** Runs per candidate; the fastest counts. */
  readonly runs?: number;
  /** Shapes that are not reached in this time keep their default until the next model is opened. */
  readonly budgetMs?: number;
}

/** Raise when a matrix kernel changes: older verdicts are then measured again. */
const KERNEL_REVISION = 5;

/** A rounding candidate must win by more than noise, since it costs accuracy. */
const ROUNDING_GAIN = 1.1;

/** Products of one class share a verdict: rows in powers of two, and how W is read. */
function classOf({ m, n, k, fragment = 'f32', channelMajor = false, conv }: GemmShape): string {
  const rows = power(m);
  const image = conv
    ? ` conv ${conv.kernelHeight}x${conv.kernelWidth}/${conv.stride}${conv.upsample > 1 ? ' enlarged' : ''}`
    : '';
  return `${rows}x${n}x${k} ${fragment}${image}${channelMajor ? ' channel-major' : ''}`;
}

/** Attention of one class shares a verdict: queries and keys in powers of two. */
function attentionClassOf({ queries, keys, width, heads }: AttentionShape): string {
  return `attention ${power(queries)}x${power(keys)} ${heads}x${width}`;
}

const power = (count: number) => 2 ** Math.round(Math.log2(count));

export class Autotuner implements Tuner {
  readonly #backend: WebgpuBackend;
  readonly #base: Tuning;
  readonly #enabled: ReadonlySet<KernelVariantId>;
  readonly #options: AutotuneOptions;
  #known: Verdicts | undefined;

  /** @param base choice for shapes that were not measured; @param enabled variants that passed the self-test */
  constructor(
    backend: WebgpuBackend,
    base: Tuning,
    enabled: ReadonlySet<KernelVariantId>,
    options: AutotuneOptions = {},
  ) {
    this.#backend = backend;
    this.#base = base;
    this.#enabled = enabled;
    this.#options = options;
  }

  /** The measured choice where there is one. */
  get tuning(): Tuning {
    return {
      ...this.#base,
      gemm: (shape) => this.#known?.products.get(classOf(shape)) ?? this.#base.gemm(shape),
      attention: (shape) => this.#known?.attention.get(attentionClassOf(shape)) ?? this.#base.attention(shape),
    };
  }

  /**
   * Measures what the store does not know of these shapes and switches the backend to the result.
   * @param shapes the model's dominant nodes, heaviest first
   * @throws AppError 'job/cancelled', 'backend/device-lost'
   */
  async tune(shapes: readonly TunedShape[], signal?: AbortSignal): Promise<void> {
    const { store, budgetMs = 2000 } = this.#options;
    const place = this.#place();
    this.#known ??= asVerdicts(await store?.get(place), this.#enabled);
    const known = this.#known;
    const end = performance.now() + budgetMs;
    let measured = 0;
    if (this.#backend.engine.gpu.has('timestamp-query')) {
      for (const one of shapes) {
        throwIfAborted(signal);
        if (performance.now() > end) break;
        if (await this.#measure(one, known, signal)) measured++;
      }
    }
    const all = { ...Object.fromEntries(known.products), ...Object.fromEntries(known.attention) };
    // A full disk costs nothing but measuring again.
    if (measured > 0) await store?.set(place, all).catch(() => undefined);
    this.#backend.setTuning(this.tuning, { notes: { tuning: `${Object.keys(all).length} shapes measured` } });
  }

  /** False when the verdict was known. */
  async #measure(one: TunedShape, known: Verdicts, signal: AbortSignal | undefined): Promise<boolean> {
    const backend = this.#backend;
    const options = { runs: this.#options.runs ?? 5, ...(signal ? { signal } : {}) };
    if (one.op === 'product') {
      const { shape } = one;
      if (known.products.has(classOf(shape))) return false;
      const all = candidates(shape, this.#base.gemm(shape), this.#enabled, backend.engine.gpu.limits);
      known.products.set(
        classOf(shape),
        await fastest(all, (choice) => measureProduct(backend, shape, choice, options)),
      );
      return true;
    }
    const { shape } = one;
    if (known.attention.has(attentionClassOf(shape))) return false;
    const all = attentionCandidates(this.#base.attention(shape), this.#enabled);
    const best = await fastest(all, (choice) => measureAttention(backend, shape, choice, options));
    known.attention.set(attentionClassOf(shape), best);
    return true;
  }

  #place(): string {
    const { adapter = '', vendor = '', architecture = '' } = this.#backend.info;
    // What was fastest with rounding must not be used without, nor the other way round.
    const rounds = this.#options.roundActivations === true ? ' 8 bits' : '';
    return `webgpu tuning ${KERNEL_REVISION}${rounds} ${vendor} ${architecture} ${adapter} ${this.#options.browser ?? ''}`;
  }
}

/** The fastest candidate whose numbers are right: those of the first, the standard choice, which passed the self-test. */
async function fastest<Choice>(
  all: readonly Candidate<Choice>[],
  measure: (choice: Choice) => Promise<Measured>,
): Promise<Choice> {
  const [first, ...others] = all;
  if (!first) throw new AppError('internal/unexpected', 'autotune: there is no candidate.');
  const standard = await measure(first.choice);
  let best = { choice: first.choice, ms: standard.ms };
  for (const { choice, limit } of others) {
    const { ms, values } = await measure(choice);
    const wins = ms * (limit.rounds ? ROUNDING_GAIN : 1) < best.ms;
    if (wins && nmse(values, standard.values) <= limit.nmse) best = { choice, ms };
  }
  return best.choice;
}

interface Verdicts {
  readonly products: Map<string, GemmChoice>;
  readonly attention: Map<string, AttentionChoice>;
}

/** Variants that a choice is made of: a driver that changed may have failed one since it was measured. */
function variantsOf(choice: GemmChoice | AttentionChoice): readonly KernelVariantId[] {
  switch (choice.kernel) {
    case 'plain':
      return [];
    case 'skinny':
      return ['gemm-skinny', ...(choice.subgroups ? (['gemm-skinny-subgroups'] as const) : [])];
    case 'integer':
      return ['gemm-integer'];
    case 'flash':
      return [
        'attention-flash',
        ...(choice.subgroups ? (['attention-subgroups'] as const) : []),
        ...(choice.half ? (['attention-half'] as const) : []),
      ];
    case 'tiled':
    case 'half':
      return [
        choice.kernel === 'half' ? 'gemm-half' : 'gemm-tiled',
        ...(choice.tile.splits > 1 ? (['gemm-split'] as const) : []),
        ...(choice.scratch ? (['gemm-scratch'] as const) : []),
      ];
  }
}

/** Stored verdicts on kernels that work; anything else is measured again. */
function asVerdicts(stored: unknown, enabled: ReadonlySet<KernelVariantId>): Verdicts {
  const works = (choice: GemmChoice | AttentionChoice) => variantsOf(choice).every((variant) => enabled.has(variant));
  const verdicts: Verdicts = { products: new Map(), attention: new Map() };
  if (typeof stored !== 'object' || stored === null) return verdicts;
  for (const [key, choice] of Object.entries(stored) as [string, unknown][]) {
    if (key.startsWith('attention ')) {
      if (isAttentionChoice(choice) && works(choice)) verdicts.attention.set(key, choice);
    } else if (isChoice(choice) && works(choice)) verdicts.products.set(key, choice);
  }
  return verdicts;
}

function isAttentionChoice(value: unknown): value is AttentionChoice {
  if (typeof value !== 'object' || value === null || !('kernel' in value)) return false;
  if (value.kernel === 'plain') return true;
  const flags = ['half' in value ? value.half : undefined, 'subgroups' in value ? value.subgroups : undefined];
  return value.kernel === 'flash' && flags.every((flag) => flag === undefined || typeof flag === 'boolean');
}

function isChoice(value: unknown): value is GemmChoice {
  if (typeof value !== 'object' || value === null || !('kernel' in value)) return false;
  if (value.kernel === 'plain' || value.kernel === 'skinny') return true;
  if (value.kernel !== 'tiled' && value.kernel !== 'half') return false;
  if (!('tile' in value) || typeof value.tile !== 'object' || value.tile === null) return false;
  if ('scratch' in value && value.scratch !== 'f16' && value.scratch !== 'f32') return false;
  const tile = value.tile as Record<string, unknown>;
  return ['bm', 'bn', 'bk', 'splits'].every((name) => Number.isInteger(tile[name]) && Number(tile[name]) > 0);
}
