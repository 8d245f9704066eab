/** What prompts are made of beside their text: styles, wildcard files and tag lists, kept over visits. */
/* eslint-disable svelte/prefer-svelte-reactivity -- sets and maps here are replaced or private, never changed in place while shown */
import { toPlainError, type PlainError } from '../base/errors';
import type { Style } from '../prompt/styles';
import type { SettingsStore } from '../storage/settings_store';

export interface Tag {
  readonly name: string;
  readonly count: number;
}

type Wildcards = Readonly<Record<string, readonly string[]>>;

export class PromptLibrary {
  styles: readonly Style[] = $state.raw([]);
  wildcards: Wildcards = $state.raw({});
  /** Words to complete, the most used first. */
  tags: readonly Tag[] = $state.raw([]);
  error: PlainError | undefined = $state.raw();
  readonly #store: SettingsStore;

  constructor(store: SettingsStore) {
    this.#store = store;
  }

  async load(): Promise<void> {
    const [styles, wildcards, tags] = await Promise.all(
      ['styles', 'wildcards', 'tags'].map((name) => this.#store.get(name)),
    );
    if (Array.isArray(styles)) this.styles = styles.filter(isStyle);
    if (typeof wildcards === 'object' && wildcards !== null) this.wildcards = wildcards as Wildcards;
    if (Array.isArray(tags)) this.tags = tags as readonly Tag[];
  }

  /** Adds a style or replaces the one of that name. @param before  the name it had */
  async saveStyle(style: Style, before = style.name): Promise<void> {
    const at = this.styles.findIndex(({ name }) => name === before);
    const rest = this.styles.filter(({ name }) => name !== style.name && name !== before);
    await this.#keepStyles(at === -1 ? [...rest, style] : [...rest.slice(0, at), style, ...rest.slice(at)]);
  }

  async deleteStyle(name: string): Promise<void> {
    await this.#keepStyles(this.styles.filter((style) => style.name !== name));
  }

  /** Styles of a web UI's `styles.csv`; those of the same name are replaced. */
  async importStyles(file: File): Promise<void> {
    await this.#attempt(async () => {
      const { readStylesCsv } = await import('../prompt/styles_csv');
      const read = readStylesCsv(await file.text());
      const names = new Set(read.map(({ name }) => name));
      await this.#keepStyles([...this.styles.filter(({ name }) => !names.has(name)), ...read]);
    });
  }

  async exportStyles(): Promise<Blob> {
    const { writeStylesCsv } = await import('../prompt/styles_csv');
    return new Blob([writeStylesCsv(this.styles)], { type: 'text/csv' });
  }

  /** Text files of one choice a line; the file's name is the wildcard's. */
  async importWildcards(files: readonly File[]): Promise<void> {
    await this.#attempt(async () => {
      const read: Record<string, readonly string[]> = { ...this.wildcards };
      for (const file of files) {
        const lines = (await file.text()).split(/\r?\n/).map((line) => line.trim());
        read[file.name.replace(/\.[^.]*$/, '')] = lines.filter((line) => line !== '' && !line.startsWith('#'));
      }
      this.wildcards = read;
      await this.#store.set('wildcards', read);
    });
  }

  async deleteWildcard(name: string): Promise<void> {
    const { [name]: _gone, ...rest } = this.wildcards;
    this.wildcards = rest;
    await this.#attempt(() => this.#store.set('wildcards', rest));
  }

  /** A tag list as tag completion of the web UIs reads it: `name,kind,count,"aliases"`. */
  async importTags(file: File): Promise<void> {
    await this.#attempt(async () => {
      const { readCsv } = await import('../prompt/styles_csv');
      const tags = readCsv(await file.text())
        .map(([name = '', , count = '0']): Tag => ({ name: name.trim(), count: Number(count) || 0 }))
        .filter(({ name }) => name !== '');
      this.tags = tags.sort((a, b) => b.count - a.count);
      await this.#store.set('tags', this.tags);
    });
  }

  async #keepStyles(styles: readonly Style[]): Promise<void> {
    this.styles = styles;
    await this.#attempt(() => this.#store.set('styles', styles));
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    this.error = undefined;
    try {
      await work();
    } catch (error) {
      this.error = toPlainError(error);
    }
  }
}

function isStyle(value: unknown): value is Style {
  const { name, prompt, negative } = (value ?? {}) as Partial<Record<keyof Style, unknown>>;
  return typeof name === 'string' && typeof prompt === 'string' && typeof negative === 'string';
}
