/** ControlNet units: a source picture, what is made of it, and how it acts. The finished ones are in the parameters. */
import { wrap, type Remote } from 'comlink';
import { toPlainError, type PlainError } from '../base/errors';
import type { PreprocessorId } from '../canvas/preprocess/registry';
import type { ControlMode, ControlRequest, PixelImage } from '../rpc/engine';
import { installErrorTransfer } from '../rpc/error_transfer';
import type { PreprocessContract } from '../rpc/preprocess';
import type { WorkerFactory } from './engine.svelte';
import type { GenerationState } from './generation.svelte';

export interface ControlUnit {
  readonly id: number;
  readonly modelId: string;
  /** `sketch` is taken anew for every picture. */
  readonly source: { readonly kind: 'sketch' } | { readonly kind: 'picture'; readonly image: PixelImage } | undefined;
  /** `none`: the source is what the network reads. */
  readonly preprocessor: PreprocessorId | 'none';
  /** By name; those of other preprocessors are kept for when they are chosen again. */
  readonly values: Readonly<Record<string, number>>;
  readonly weight: number;
  readonly start: number;
  readonly end: number;
  readonly mode: ControlMode;
  /** What the network will see. */
  readonly result: PixelImage | undefined;
}

const NEW_UNIT: Omit<ControlUnit, 'id' | 'modelId'> = {
  source: undefined,
  preprocessor: 'canny',
  values: {},
  weight: 1,
  start: 0,
  end: 1,
  mode: 'balanced',
  result: undefined,
};

export class ControlUnits {
  units: readonly ControlUnit[] = $state.raw([]);
  error: PlainError | undefined = $state.raw();
  busy = $state(0);
  readonly #generation: GenerationState;
  readonly #sketch: () => PixelImage | undefined;
  readonly #createWorker: WorkerFactory;
  #remote: Remote<PreprocessContract> | undefined;
  #count = 0;

  /** @param sketch  the canvas as one picture; undefined when there is none */
  constructor(generation: GenerationState, sketch: () => PixelImage | undefined, createWorker: WorkerFactory) {
    this.#generation = generation;
    this.#sketch = sketch;
    this.#createWorker = createWorker;
  }

  get #worker(): Remote<PreprocessContract> {
    installErrorTransfer();
    this.#remote ??= wrap<PreprocessContract>(this.#createWorker());
    return this.#remote;
  }

  add(modelId: string): void {
    this.units = [...this.units, { ...NEW_UNIT, id: ++this.#count, modelId }];
  }

  remove(id: number): void {
    this.units = this.units.filter((unit) => unit.id !== id);
    this.#publish();
  }

  /** Changes a unit; a change of source or preprocessor makes its picture anew. */
  async change(id: number, change: Partial<ControlUnit>): Promise<void> {
    this.units = this.units.map((unit) => (unit.id === id ? { ...unit, ...change } : unit));
    this.#publish();
    if ('source' in change || 'preprocessor' in change || 'values' in change) await this.#process(id);
  }

  /** Takes the sketch as it is now into the units that follow it. */
  async follow(): Promise<void> {
    for (const { id, source } of this.units) if (source?.kind === 'sketch') await this.#process(id);
  }

  async #process(id: number): Promise<void> {
    const unit = this.units.find((one) => one.id === id);
    const image = unit?.source?.kind === 'picture' ? unit.source.image : unit?.source && this.#sketch();
    if (!unit || !image) return;
    this.busy++;
    this.error = undefined;
    try {
      const result =
        unit.preprocessor === 'none' ? image : await this.#worker.run(unit.preprocessor, image, unit.values);
      // Another change may have come meanwhile: the newest source and settings win.
      const now = this.units.find((one) => one.id === id);
      if (now?.source !== unit.source || now?.values !== unit.values || now.preprocessor !== unit.preprocessor) return;
      this.units = this.units.map((one) => (one.id === id ? { ...one, result } : one));
      this.#publish();
    } catch (error) {
      this.error = toPlainError(error);
    } finally {
      this.busy--;
    }
  }

  #publish(): void {
    const ready = this.units.flatMap(({ modelId, result: image, weight, start, end, mode, preprocessor }) =>
      image && modelId !== ''
        ? [{ modelId, image, weight, start, end, mode, preprocessor } satisfies ControlRequest]
        : [],
    );
    if (ready.length > 0) this.#generation.parameters.control = ready;
    else delete this.#generation.parameters.control;
  }
}
