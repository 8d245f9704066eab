/**
 * Measured choice of matrix kernels for a model's own shapes: a second or two once per device, kept in an injected store.
 * Only where the device has timestamps; a candidate whose numbers are off is never timed. Without timestamps, without a
 * store, and for shapes that were not measured, the deterministic default holds.
 */
import { throwIfAborted } from '../../base/abort';
import { nmse } from '../op_cases/run_op_case';
import type { WebgpuBackend } from './backend';
import { candidates } from './tuning_candidates';
import { measureProduct } from './tuning_measure';
import type { GemmChoice, GemmShape, Tuner, Tuning } from './tuning';
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
  /** Runs per candidate; the fastest counts. */
  readonly runs?: number;
  /** Shapes that are not reached in this time keep their default until the next model is opened. */
  readonly budgetMs?: number;
}

/** Raise when a matrix kernel changes: older verdicts are then measured again. */
export const KERNEL_REVISION = 2;

/** A rounding candidate must win by more than noise, since it costs accuracy. */
const ROUNDING_GAIN = 1.1;

/** Products of one class share a verdict: rows in powers of two, and how W is read. */
export function classOf({ m, n, k, fragment = 'f32', channelMajor = false, image = false }: GemmShape): string {
  const rows = 2 ** Math.round(Math.log2(m));
  return `${rows}x${n}x${k} ${fragment}${image ? ' image' : ''}${channelMajor ? ' channel-major' : ''}`;
}

export class Autotuner implements Tuner {
  readonly #backend: WebgpuBackend;
  readonly #base: Tuning;
  readonly #enabled: ReadonlySet<KernelVariantId>;
  readonly #options: AutotuneOptions;
  #known: Map<string, GemmChoice> | undefined;

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
    return { ...this.#base, gemm: (shape) => this.#known?.get(classOf(shape)) ?? this.#base.gemm(shape) };
  }

  /**
   * Measures what the store does not know of these shapes and switches the backend to the result.
   * @param shapes the model's dominant products, heaviest first
   * @throws AppError 'job/cancelled', 'backend/device-lost'
   */
  async tune(shapes: readonly GemmShape[], signal?: AbortSignal): Promise<void> {
    const { store, budgetMs = 2000 } = this.#options;
    const place = this.#place();
    this.#known ??= asVerdicts(await store?.get(place));
    const known = this.#known;
    const end = performance.now() + budgetMs;
    let measured = 0;
    if (this.#backend.engine.gpu.has('timestamp-query')) {
      for (const shape of shapes) {
        throwIfAborted(signal);
        // Weights across taps have no like in a linear layer, which is what is timed.
        if (shape.channelMajor || known.has(classOf(shape)) || performance.now() > end) continue;
        known.set(classOf(shape), await this.#fastest(shape, signal));
        measured++;
      }
    }
    // A full disk costs nothing but measuring again.
    if (measured > 0) await store?.set(place, Object.fromEntries(known)).catch(() => undefined);
    this.#backend.setTuning(this.tuning, { notes: { tuning: `${known.size} shapes measured` } });
  }

  #place(): string {
    const { adapter = '', vendor = '', architecture = '' } = this.#backend.info;
    return `webgpu tuning ${KERNEL_REVISION} ${vendor} ${architecture} ${adapter} ${this.#options.browser ?? ''}`;
  }

  async #fastest(shape: GemmShape, signal: AbortSignal | undefined): Promise<GemmChoice> {
    const standard = this.#base.gemm(shape);
    let best = standard;
    let bestMs = Infinity;
    let truth: ArrayLike<number> | undefined;
    for (const { choice, limit } of candidates(shape, standard, this.#enabled, this.#backend.engine.gpu.limits)) {
      const { ms, values } = await measureProduct(this.#backend, shape, choice, {
        runs: this.#options.runs ?? 5,
        ...(signal ? { signal } : {}),
      });
      // The first candidate is the standard choice, which the self-test has passed.
      truth ??= values;
      if (!(nmse(values, truth) <= limit.nmse) || ms * (limit.rounds ? ROUNDING_GAIN : 1) >= bestMs) continue;
      best = choice;
      bestMs = ms;
    }
    return best;
  }
}

/** Stored verdicts; anything of another form is measured again. */
function asVerdicts(stored: unknown): Map<string, GemmChoice> {
  const verdicts = new Map<string, GemmChoice>();
  if (typeof stored !== 'object' || stored === null) return verdicts;
  for (const [key, choice] of Object.entries(stored)) if (isChoice(choice)) verdicts.set(key, choice);
  return verdicts;
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
