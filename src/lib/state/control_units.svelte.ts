/** ControlNet units: a source picture, what is made of it, and how it acts. The finished ones are in the parameters. */
import { wrap, type Remote } from 'comlink';
import { toPlainError, type PlainError } from '../base/errors';
import type { PreprocessorId } from '../canvas/preprocess/registry';
import type { ControlMode, ControlRequest, PixelImage } from '../rpc/engine';
import { installErrorTransfer } from '../rpc/error_transfer';
import type { PreprocessContract } from '../rpc/preprocess';
import type { WorkerFactory } from './engine.svelte';
import type { GenerationState } from './generation.svelte';

/** Where a unit's picture comes from; what is on the canvas is taken anew for every picture. */
export type ControlSource =
  | { readonly kind: 'sketch' }
  | { readonly kind: 'layer'; readonly layerId: string }
  | { readonly kind: 'picture'; readonly image: PixelImage };

/** What units take from the rest of the page. */
export interface ControlSurroundings {
  /** The canvas as one picture; undefined where there is none. */
  sketch(): PixelImage | undefined;
  /** One layer alone, opaque; undefined when it is gone. */
  layer(id: string): PixelImage | undefined;
  /** Control networks that fit the model, best first. */
  networks(): Promise<readonly { readonly id: string }[]>;
}

export interface ControlUnit {
  readonly id: number;
  readonly modelId: string;
  readonly source: ControlSource | undefined;
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
  readonly #around: ControlSurroundings;
  readonly #createWorker: WorkerFactory;
  #remote: Remote<PreprocessContract> | undefined;
  #count = 0;

  constructor(generation: GenerationState, around: ControlSurroundings, createWorker: WorkerFactory) {
    this.#generation = generation;
    this.#around = around;
    this.#createWorker = createWorker;
  }

  get #worker(): Remote<PreprocessContract> {
    installErrorTransfer();
    this.#remote ??= wrap<PreprocessContract>(this.#createWorker());
    return this.#remote;
  }

  add(modelId: string): ControlUnit {
    const unit = { ...NEW_UNIT, id: ++this.#count, modelId };
    this.units = [...this.units, unit];
    return unit;
  }

  /**
   * A layer steers the pictures from now on; a unit that already follows it stays.
   * @param preprocessor  `none` for what was drawn for control, the edges for a photo or another picture
   * @returns false where no network fits the model
   */
  async addForLayer(layerId: string, preprocessor: 'none' | 'canny'): Promise<boolean> {
    const follows = ({ source }: ControlUnit) => source?.kind === 'layer' && source.layerId === layerId;
    if (this.units.some(follows)) return true;
    const [network] = await this.#around.networks();
    if (!network) return false;
    await this.change(this.add(network.id).id, { source: { kind: 'layer', layerId }, preprocessor });
    return true;
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

  /** Takes the canvas as it is now into the units that follow it. */
  async follow(): Promise<void> {
    for (const { id, source } of this.units) if (source && source.kind !== 'picture') await this.#process(id);
  }

  #read(source: ControlSource): PixelImage | undefined {
    switch (source.kind) {
      case 'picture':
        return source.image;
      case 'sketch':
        return this.#around.sketch();
      case 'layer':
        return this.#around.layer(source.layerId);
    }
  }

  async #process(id: number): Promise<void> {
    const unit = this.units.find((one) => one.id === id);
    if (!unit?.source) return;
    const image = this.#read(unit.source);
    if (!image) {
      // The layer was deleted, or another sketch is open: nothing steers rather than what is no longer to be seen.
      this.units = this.units.map((one) => (one.id === id ? { ...one, result: undefined } : one));
      this.#publish();
      return;
    }
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
