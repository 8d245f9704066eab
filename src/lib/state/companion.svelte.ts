/** The companion that this browser knows: its address, whether it computes, which of its models. */
import { AppError, toPlainError, type PlainError } from '../base/errors';
import { TOKEN_FRAGMENT, type CompanionModel } from '../rpc/companion';
import type { ModelSource } from '../rpc/engine';
import type { CompanionAddress } from '../rpc/http_engine';
import type { SettingsStore } from '../storage/settings_store';

/** What is kept between visits. */
interface Kept {
  readonly address: CompanionAddress;
  readonly active: boolean;
  readonly model?: { readonly id: string; readonly builtin: boolean };
}

const SETTING = 'companion';

export class CompanionState {
  address: CompanionAddress | undefined = $state.raw();
  /** It computes in place of this device. */
  active = $state(false);
  model: NonNullable<Kept['model']> | undefined = $state.raw();
  /** In its folders; empty until it was asked. */
  models: readonly CompanionModel[] = $state.raw([]);
  error: PlainError | undefined = $state.raw();
  connecting = $state(false);
  readonly #store: SettingsStore;

  constructor(store: SettingsStore) {
    this.#store = store;
  }

  /** What jobs go to; undefined while this device computes. */
  get target(): { readonly address: CompanionAddress; readonly model: ModelSource } | undefined {
    const { address, model } = this;
    if (!this.active || !address || !model) return undefined;
    return { address, model: { kind: model.builtin ? 'builtin' : 'stored', id: model.id } };
  }

  async load(): Promise<void> {
    const kept = (await this.#store.get(SETTING)) as Partial<Kept> | undefined;
    const { url, token } = kept?.address ?? {};
    if (typeof url !== 'string' || typeof token !== 'string' || !URL.canParse(url)) return;
    this.address = { url, token };
    this.active = kept?.active === true;
    if (typeof kept?.model?.id === 'string') this.model = { id: kept.model.id, builtin: kept.model.builtin === true };
  }

  /** The address that the companion prints opens the app from it, with its token behind `#`: it computes from now on. */
  async takeFromUrl({ origin, hash }: { readonly origin: string; readonly hash: string }): Promise<boolean> {
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- read once, never shown
    const token = new URLSearchParams(hash.slice(1)).get(TOKEN_FRAGMENT);
    if (token === null || !/^[\w-]{16,512}$/.test(token)) return false;
    await this.connect({ url: origin, token });
    return true;
  }

  /** Asks the companion for its models and keeps its address; failures are kept in `error`. */
  async connect(address: CompanionAddress): Promise<boolean> {
    this.connecting = true;
    this.error = undefined;
    try {
      if (!URL.canParse(address.url)) {
        throw new AppError(
          'companion/refused',
          `companion: "${address.url}" is no address; copy the one that it printed.`,
        );
      }
      // Lazy: most visits never reach a companion.
      const { probeCompanion } = await import('../rpc/connect_companion');
      // eslint-disable-next-line svelte/prefer-svelte-reactivity -- read once, never shown
      const checked = { url: new URL(address.url).origin, token: address.token.trim() };
      this.models = await probeCompanion(checked);
      this.address = checked;
      const held = this.models.find(({ id }) => id === this.model?.id) ?? this.models[0];
      this.model = held && { id: held.id, builtin: held.builtin };
      this.active = this.model !== undefined;
      await this.#keep();
      return this.active;
    } catch (error) {
      this.error = toPlainError(error);
      return false;
    } finally {
      this.connecting = false;
    }
  }

  async choose({ id, builtin }: CompanionModel): Promise<void> {
    this.model = { id, builtin };
    await this.#keep();
  }

  /** This device computes again; the address stays for the next time. */
  async leave(): Promise<void> {
    this.active = false;
    await this.#keep();
  }

  async #keep(): Promise<void> {
    const { address, active, model } = this;
    if (!address) return;
    await this.#store.set(SETTING, { address, active, ...(model ? { model } : {}) } satisfies Kept);
  }
}
