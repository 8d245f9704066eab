/**
 * The backend of an engine over its life: chosen at the start, made safer after failures that another way of computing may
 * not have, replaced when its device is lost or when none of its ways works. Knows no model and no job.
 */
import type { Backend } from '../backends/backend';
import { AppError } from '../base/errors';
import type { ChosenBackend, EngineOptions } from '../rpc/engine';
import { Residency } from './residency';

export type CreateBackend = (options: EngineOptions) => Promise<ChosenBackend<Backend>>;

/** What was done about a failure. */
export interface SaferWay {
  /** In words, for the user; absent where the error says it all. */
  readonly said?: string;
  /** The same job may succeed now. */
  readonly again: boolean;
  /** It is another backend: everything that belonged to the old one is gone. */
  readonly replaced: boolean;
}

/** Failures that another way of computing may not have. */
const STEPS_DOWN: ReadonlySet<string> = new Set(['job/non-finite', 'backend/compile']);
/**
 * Of these, the ones that another engine may not have. Numbers that are none even in f32 come from the model's file, and
 * would be none again after loading all of it a second time.
 */
const LEAVES_BACKEND: ReadonlySet<string> = new Set(['backend/compile']);
/** Of failures that are answered, in a few words. */
const CAUSES: Readonly<Record<string, string>> = {
  'job/non-finite': 'the numbers of this picture went out of range',
  'backend/compile': 'a kernel does not compile on this device',
  'backend/device-lost': 'the graphics device was lost',
};
/** A device that is lost once more in a visit is not trusted any longer. */
const LOSSES_BORNE = 1;

const isLoss = (error: unknown): boolean => error instanceof AppError && error.code === 'backend/device-lost';

export class EngineBackend {
  readonly #create: CreateBackend;
  #options: EngineOptions | undefined;
  #chosen: ChosenBackend<Backend> | undefined;
  #residency: Residency | undefined;
  #losses = 0;
  /** Left for WebAssembly in the running job, which may still turn out not to be helped by it. */
  #leftInJob = false;
  /** The device went away while nothing ran. */
  #lostIdle = false;
  #busy = false;

  constructor(create: CreateBackend) {
    this.#create = create;
  }

  /** @throws AppError 'backend/unavailable' before `start` */
  get chosen(): ChosenBackend<Backend> {
    if (this.#chosen) return this.#chosen;
    throw new AppError('backend/unavailable', 'engine: it is not started yet; wait for it or reload the page.');
  }

  get residency(): Residency | undefined {
    return this.#residency;
  }

  /** By the user's choice; whatever was given up before is tried again. */
  async start(options: EngineOptions): Promise<void> {
    this.#options = options;
    this.#losses = 0;
    this.#use(await this.#create(options));
  }

  #use(chosen: ChosenBackend<Backend>): void {
    this.#chosen = chosen;
    this.#residency = new Residency(chosen.backend, this.#options?.memoryLimitBytes);
    void chosen.backend.lost?.then(() => {
      if (this.#chosen === chosen && !this.#busy) this.#lostIdle = true;
    });
  }

  /** A job begins. @returns whether there is a new backend since the device was lost while nothing ran */
  async enterJob(): Promise<boolean> {
    this.#busy = true;
    this.#leftInJob = false;
    // Without one where it could not be replaced after a loss: perhaps it can now.
    const missing = this.#options !== undefined && this.#chosen === undefined;
    if (!this.#lostIdle && !missing) return false;
    this.#lostIdle = false;
    // Sleep and driver updates do this: no reason to distrust the device.
    await this.#replaceLost();
    return true;
  }

  leaveJob(): void {
    this.#busy = false;
  }

  /**
   * After a failed job: a safer way where there is one, a new backend where the device is lost.
   * @returns undefined when the failure has nothing to do with the way of computing, or no way is left
   */
  async saferWay(error: unknown): Promise<SaferWay | undefined> {
    if (!(error instanceof AppError)) return undefined;
    if (isLoss(error)) {
      this.#losses += 1;
      return this.#replaceLost(error);
    }
    if (!STEPS_DOWN.has(error.code)) return undefined;
    const said = this.#chosen?.backend.stepDown?.();
    if (said !== undefined) {
      return { said: `The engine tries again with ${said}: ${causeOf(error)}.`, again: true, replaced: false };
    }
    return LEAVES_BACKEND.has(error.code) ? this.#leave(error) : undefined;
  }

  /** The same device once; then, or where there is none, whatever else computes here: the job has a chance again. */
  async #replaceLost(error?: AppError): Promise<SaferWay> {
    const lost = this.#chosen;
    this.#chosen = undefined;
    this.#residency = undefined;
    // Its objects died with the device; what it still wants to say about that is of no use.
    await lost?.backend.dispose().catch(() => undefined);
    if (!this.#options) return { again: false, replaced: true };
    const distrusted = this.#losses > LOSSES_BORNE && error !== undefined;
    const made = await this.#create(distrusted ? { ...this.#options, backend: 'wasm' } : this.#options);
    const other = made.backend.id !== lost?.backend.id;
    this.#use(distrusted && other && error ? { ...made, reason: 'failed', reasonDetail: error.message } : made);
    if (!other || !error) return { again: false, replaced: true };
    return { said: goesOn(made.backend, error), again: true, replaced: true };
  }

  /** No way of this backend works: WebAssembly, unless that is what fails. */
  async #leave(error: AppError): Promise<SaferWay | undefined> {
    const left = this.#chosen;
    if (!left?.backend.stepDown || !this.#options || this.#leftInJob) return undefined;
    const made = await this.#create({ ...this.#options, backend: 'wasm' }).catch(() => undefined);
    if (!made) return undefined;
    if (made.backend.id === left.backend.id) {
      if (made.backend !== left.backend) await made.backend.dispose();
      return undefined;
    }
    await left.backend.dispose();
    this.#leftInJob = true;
    this.#use({ ...made, reason: 'failed', reasonDetail: error.message });
    return { said: goesOn(made.backend, error), again: true, replaced: true };
  }

  /**
   * No way of computing helped: it was the model's own fault, for which others need not be slow.
   * @returns whether it is another backend now
   */
  async stepUp(): Promise<boolean> {
    if (this.#leftInJob && this.#options) {
      this.#leftInJob = false;
      await this.#chosen?.backend.dispose();
      this.#use(await this.#create(this.#options));
      return true;
    }
    this.#chosen?.backend.stepUp?.();
    return false;
  }

  async dispose(): Promise<void> {
    const chosen = this.#chosen;
    this.#chosen = undefined;
    this.#residency = undefined;
    this.#lostIdle = false;
    await chosen?.backend.dispose();
  }
}

function goesOn(backend: Backend, error: AppError): string {
  return `The engine goes on with ${backend.label}: ${causeOf(error)}.`;
}

/** For a line beside the picture; the engine page has the whole message. */
function causeOf(error: AppError): string {
  return CAUSES[error.code] ?? error.message;
}
