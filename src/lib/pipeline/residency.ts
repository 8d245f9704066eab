/**
 * Which compiled programs stay on a backend: all that fit a limit, the least recently used ones go first. Models of one
 * backend share it, so that switching back to a model finds what is still there. One job at a time uses it; a program
 * in use is one that was asked for last.
 */
import type { Backend, CompileOptions, PlannedProgram, Program } from '../backends/backend';
import { AppError } from '../base/errors';
import type { BuiltGraph } from '../models/part';

/** Something whose programs are kept; models are told apart by identity. */
export type Owner = object;

interface Resident {
  readonly owner: Owner;
  readonly component: string;
  readonly key: string;
  readonly program: Program;
}

export interface AdmitRequest {
  readonly owner: Owner;
  /** One program per owner and component is kept. */
  readonly component: string;
  /** Everything that its graph depends on. */
  readonly key: string;
  readonly built: BuiltGraph;
  readonly options: CompileOptions;
  /** Refuse rather than stream weights: the caller knows a cheaper way to need less. */
  readonly whole?: boolean;
}

/** After a failed allocation the memory is taken to end below what was wanted then; below the last share nothing helps. */
const LEARNED_SHARES = [0.9, 0.6, 0.4, 0.25] as const;
const MIB = 2 ** 20;
const mib = (bytes: number) => `${Math.ceil(bytes / MIB)} MiB`;

const isOutOfMemory = (error: unknown): boolean => error instanceof AppError && error.code === 'backend/out-of-memory';

export class Residency {
  readonly backend: Backend;
  #keptLongest: (one: Resident) => boolean = () => false;
  /** In the order of use. */
  #held: Resident[] = [];
  readonly #givenLimit: number;
  #learnedLimit = Infinity;
  /** Place in `LEARNED_SHARES` of the next attempt. */
  #attempt = 0;
  /** Planned peak of the program that was made or run last. */
  #wantedBytes = 0;
  /** Told in words of everything that was given up or loaded anew for lack of memory. */
  onMeasure: ((text: string) => void) | undefined;

  /** @param limitBytes for weights, intermediates and tensors together; default what the backend can hold */
  constructor(backend: Backend, limitBytes = Infinity) {
    this.backend = backend;
    this.#givenLimit = Math.min(limitBytes, backend.memoryLimitBytes ?? Infinity);
  }

  get limitBytes(): number {
    return Math.min(this.#givenLimit, this.#learnedLimit);
  }

  /** Components of an owner that leave only when nothing else is left to free. */
  keepLongest(owner: Owner, chosen: (component: string) => boolean): void {
    this.#keptLongest = (one) => one.owner === owner && chosen(one.component);
  }

  /** Programs held, for reports. */
  get programs(): readonly Program[] {
    return this.#held.map(({ program }) => program);
  }

  componentsOf(owner: Owner): readonly string[] {
    return this.#held.filter((one) => one.owner === owner).map(({ component }) => component);
  }

  /** The program of a component if it is still there and still the one wanted. */
  find(owner: Owner, component: string, key: string): Program | undefined {
    const at = this.#held.findIndex((one) => one.owner === owner && one.component === component && one.key === key);
    const [found] = at < 0 ? [] : this.#held.splice(at, 1);
    if (found) this.#held.push(found);
    return found?.program;
  }

  /** Bytes that a program may take beside components of its owner that must stay. */
  #freeBytes(owner: Owner, keep: ReadonlySet<string>): number {
    const staying = this.#held.filter((one) => one.owner === owner && keep.has(one.component));
    const weights = staying.reduce((sum, { program }) => sum + program.plan.weightsBytes, 0);
    return this.limitBytes - weights - this.backend.memory().tensorBytes;
  }

  /**
   * Whether a program fits, after idle ones are freed except those to keep.
   * @param keep components of the same owner
   */
  hasRoom(owner: Owner, plan: PlannedProgram, keep: Iterable<string> = []): boolean {
    return plan.peakBytes <= this.#freeBytes(owner, new Set(keep));
  }

  /**
   * Compiles a program, after freeing what stands in its way.
   * @throws AppError 'backend/out-of-memory' with the numbers when no way is left, and what compiling throws
   */
  async admit({ owner, component, key, built, options, whole = false }: AdmitRequest): Promise<Program> {
    const { graph, weights } = built;
    const replaced = this.#held.filter((one) => one.owner === owner && one.component === component);
    const release = () => this.#free((one) => replaced.includes(one));
    // Released before the next one is made: a WebAssembly heap never shrinks, so the peak would stay. Where weights are
    // shared it is kept until then, or a new size and a new adapter would read them all again.
    if (!this.backend.sharesWeights) await release();
    let weightsBudgetBytes: number | undefined;
    if (this.limitBytes < Infinity) {
      const planned = this.backend.plan(graph, weights);
      if (!this.hasRoom(owner, planned)) {
        if (whole || !this.backend.streamsWeights) throw tooLarge(graph.name, planned.peakBytes, this.limitBytes);
        weightsBudgetBytes = Math.max(0, this.#freeBytes(owner, new Set()) - planned.arenaBytes);
        const streamed = this.backend.plan(graph, weights, { weightsBudgetBytes });
        if (!this.hasRoom(owner, streamed)) throw tooLarge(graph.name, streamed.peakBytes, this.limitBytes);
        this.onMeasure?.(
          `${component}: ${mib(streamed.streamedBytes ?? 0)} of its weights pass through the device in every run`,
        );
      }
      await this.#evictFor(built, weightsBudgetBytes, replaced);
    }
    const budget = weightsBudgetBytes === undefined ? {} : { weightsBudgetBytes };
    try {
      const compile = () => this.backend.compile(graph, weights, { ...options, ...budget });
      const program = await compile().catch(async (error: unknown) => {
        if (!isOutOfMemory(error) || !replaced.some((one) => this.#held.includes(one))) throw error;
        await release();
        return compile();
      });
      await release();
      this.#held.push({ owner, component, key, program });
      return program;
    } catch (error) {
      if (isOutOfMemory(error) && this.#attempt === 0) this.#wantedBytes = this.backend.plan(graph, weights).peakBytes;
      throw error;
    }
  }

  /** Frees the program that is replaced, then the least recently used, until the rest leaves room. */
  async #evictFor(
    { graph, weights }: BuiltGraph,
    weightsBudgetBytes: number | undefined,
    replaced: readonly Resident[],
  ): Promise<void> {
    for (;;) {
      const { arenaBytes, missingWeightsBytes } = this.backend.plan(
        graph,
        weights,
        weightsBudgetBytes === undefined ? {} : { weightsBudgetBytes },
      );
      const { weightsBytes, tensorBytes } = this.backend.memory();
      // The arena of a run in another program is freed by then.
      if (weightsBytes + tensorBytes + missingWeightsBytes + arenaBytes <= this.limitBytes) return;
      const own = this.#held.find((one) => replaced.includes(one));
      const oldest = own ?? this.#held.find((one) => !this.#keptLongest(one)) ?? this.#held[0];
      if (!oldest) return;
      if (!own) this.onMeasure?.(`${oldest.component}: released to make room for ${graph.name}`);
      await this.#free((one) => one === oldest);
    }
  }

  /**
   * After a failure for lack of memory: frees what is idle, or else takes the limit to be lower and drops the program,
   * so that the next attempt plans anew. False when nothing is left to try.
   */
  async makeRoom(owner: Owner, component: string): Promise<boolean> {
    const mine = (one: Resident) => one.owner === owner && one.component === component;
    if (this.#held.some((one) => !mine(one))) {
      this.onMeasure?.(`${component}: everything else was released after a failed allocation`);
      await this.#free((one) => !mine(one));
      return true;
    }
    const share = LEARNED_SHARES[this.#attempt++];
    if (share === undefined) {
      this.forgetLimit();
      return false;
    }
    const [held] = this.#held;
    if (share === LEARNED_SHARES[0] && held) this.#wantedBytes = held.program.plan.peakBytes;
    this.#learnedLimit = share * this.#wantedBytes + this.backend.memory().tensorBytes;
    this.onMeasure?.(`${component}: planned anew for ${mib(this.#learnedLimit)} after a failed allocation`);
    await this.#free(mine);
    return true;
  }

  /** What was learned from failed allocations no longer holds: another model, other programs on the device. */
  forgetLimit(): void {
    this.#learnedLimit = Infinity;
    this.#attempt = 0;
  }

  /**
   * Runs work that compiles and runs the program of a component; tries again as long as room can be made.
   * @throws the first error: later ones speak of what was tried instead
   */
  async withRoom<T>(owner: Owner, component: string, work: () => Promise<T>): Promise<T> {
    let first: unknown;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        first ??= error;
        if (!isOutOfMemory(error)) throw error;
        if (!(await this.makeRoom(owner, component))) throw first;
      }
    }
  }

  /** Frees one component of an owner, or all. */
  release(owner: Owner, component?: string): Promise<void> {
    return this.#free((one) => one.owner === owner && (component === undefined || one.component === component));
  }

  /** Frees the least recently used programs of others until weights take at most `bytes`. */
  async trimOthers(owner: Owner | undefined, bytes: number): Promise<void> {
    while (this.backend.memory().weightsBytes > bytes) {
      const oldest = this.#held.find((one) => one.owner !== owner);
      if (!oldest) return;
      await this.#free((one) => one === oldest);
    }
  }

  /** Frees the programs of an owner's components that are named. */
  releaseComponents(owner: Owner, chosen: (component: string) => boolean): Promise<void> {
    return this.#free((one) => one.owner === owner && chosen(one.component));
  }

  async #free(chosen: (one: Resident) => boolean): Promise<void> {
    const gone = this.#held.filter(chosen);
    this.#held = this.#held.filter((one) => !gone.includes(one));
    for (const { program } of gone) await program.dispose();
  }
}

function tooLarge(name: string, bytes: number, limit: number): AppError {
  return new AppError(
    'backend/out-of-memory',
    `${name}: needs ${mib(bytes)}, ${mib(limit)} are there; choose a smaller picture or model, or raise the memory limit.`,
    { details: { bytes, limit } },
  );
}
