/** The models of one run of the command: its own, a refiner, those that a plot names. */
import type { Backend } from '../../lib/backends/backend';
import type { LoadedModel } from '../../lib/pipeline/loaded_model';
import { loadNodeModel } from '../node_model';

export class OpenModels {
  readonly #backend: Backend;
  readonly #tokenizers: readonly string[];
  readonly #closers = new Map<LoadedModel, () => Promise<void>>();

  constructor(backend: Backend, tokenizers: readonly string[]) {
    this.#backend = backend;
    this.#tokenizers = tokenizers;
  }

  /** @throws AppError as `loadNodeModel` */
  async load(paths: readonly string[]): Promise<LoadedModel> {
    const { model, close } = await loadNodeModel(paths, this.#backend, { tokenizers: this.#tokenizers });
    this.#closers.set(model, close);
    return model;
  }

  async release(model: LoadedModel): Promise<void> {
    const close = this.#closers.get(model);
    this.#closers.delete(model);
    await model.dispose();
    await close?.();
  }

  async releaseAll(): Promise<void> {
    for (const model of [...this.#closers.keys()]) await this.release(model);
  }
}
