/** Adapters, embeddings, upscalers and other files beside the model, as the engine sees them. */
import type { NetworkKind, NetworkSummary } from '../rpc/engine';
import type { EngineState } from './engine.svelte';

export class NetworksState {
  all: readonly NetworkSummary[] = $state.raw([]);
  loaded = $state(false);
  readonly #engine: EngineState;

  constructor(engine: EngineState) {
    this.#engine = engine;
  }

  /** Asked again when a model is opened or files are added; an engine that does not answer leaves the old list. */
  async refresh(): Promise<void> {
    try {
      this.all = (await this.#engine.networks()) ?? this.all;
      this.loaded = true;
    } catch {
      // The engine says what is wrong by itself; the panel shows what it knows.
    }
  }

  /** Those that can be used now: unknown ones are the user's decision. */
  of(kind: NetworkKind): readonly NetworkSummary[] {
    return this.all.filter((network) => network.kind === kind && network.fits !== false);
  }
}
