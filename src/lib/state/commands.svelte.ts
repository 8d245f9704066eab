/** What the command palette offers, and how typing finds it. */
/* eslint-disable svelte/prefer-svelte-reactivity -- sets and maps here are replaced or private, never changed in place while shown */
import { plainWords } from './plain_words';

export interface Command {
  readonly id: string;
  readonly label: string;
  /** Other words that should find it. */
  readonly words?: string;
  readonly keys?: string;
  /** Where it belongs, shown beside the label. */
  readonly place?: string;
  readonly run: () => void;
}

export class Commands {
  open = $state(false);
  #extra: ReadonlyMap<string, readonly Command[]> = $state.raw(new Map());
  readonly extra: readonly Command[] = $derived([...this.#extra.values()].flat());

  /** Adds the commands of a page while it is shown; returns how to take them away. */
  provide(owner: string, commands: readonly Command[]): () => void {
    this.#extra = new Map([...this.#extra, [owner, commands]]);
    return () => (this.#extra = new Map([...this.#extra].filter(([name]) => name !== owner)));
  }
}

/** Commands whose label or words have every typed word, those that begin with the text first. */
export function findCommands(commands: readonly Command[], text: string): readonly Command[] {
  const words = plainWords(text);
  if (words.length === 0) return commands;
  const found = commands.filter((command) => {
    const all = plainWords(`${command.label} ${command.words ?? ''}`).join(' ');
    return words.every((word) => all.includes(word));
  });
  const first = (command: Command) =>
    plainWords(command.label)
      .join(' ')
      .startsWith(words[0] ?? '')
      ? 0
      : 1;
  return [...found].sort((a, b) => first(a) - first(b));
}
