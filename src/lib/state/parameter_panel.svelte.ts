/** Which groups of the parameter panel are open, kept over visits, and how to get to a field. */
import { tick } from 'svelte';
import { SvelteSet } from 'svelte/reactivity';
import type { SettingsStore } from '../storage/settings_store';

/** How long a field may take to appear: the panel's code is fetched when it is first shown. */
const WAIT_MS = 3000;

export class ParameterPanelState {
  readonly opened = new SvelteSet<string>(['size']);
  readonly #store: SettingsStore;

  constructor(store: SettingsStore) {
    this.#store = store;
  }

  async load(): Promise<void> {
    const stored = await this.#store.get('openGroups');
    if (!Array.isArray(stored)) return;
    this.opened.clear();
    for (const id of stored) if (typeof id === 'string') this.opened.add(id);
  }

  open(group: string): void {
    this.opened.add(group);
    this.#save();
  }

  toggle(group: string): void {
    if (!this.opened.delete(group)) this.opened.add(group);
    this.#save();
  }

  /** Opens a group and moves the focus to a field of it, once it is there. */
  async reveal(group: string, path: string): Promise<void> {
    this.open(group);
    const id = path.replaceAll('.', '-');
    const until = performance.now() + WAIT_MS;
    await tick();
    let field = document.getElementById(id);
    while (!field && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      field = document.getElementById(id);
    }
    const target = field ?? document.getElementById(`group-${group}`);
    target?.scrollIntoView({ block: 'center' });
    target?.focus();
  }

  #save(): void {
    // A full disk: the panel opens as it came next time.
    void this.#store.set('openGroups', [...this.opened]).catch(() => undefined);
  }
}
