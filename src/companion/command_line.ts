/**
 * Options of the commands, declared once: parsing, checking, `--help` and the "what is allowed" of every refusal
 * derive from the declaration.
 */
import { toPlainError } from '../lib/base/errors';

export interface NumberFlag {
  readonly kind: 'number';
  readonly about: string;
  readonly default?: number;
  readonly min: number;
  readonly max: number;
  readonly integer?: boolean;
}
export interface TextFlag {
  readonly kind: 'text';
  readonly about: string;
  readonly default?: string;
  readonly required?: boolean;
  /** Word for the value in the help, such as FILE. */
  readonly value?: string;
}
export interface ChoiceFlag {
  readonly kind: 'choice';
  readonly about: string;
  readonly default: string;
  readonly choices: readonly string[];
}
export interface SwitchFlag {
  readonly kind: 'switch';
  readonly about: string;
}
export interface ListFlag {
  readonly kind: 'list';
  readonly about: string;
  readonly value?: string;
}
export type Flag = NumberFlag | TextFlag | ChoiceFlag | SwitchFlag | ListFlag;
export type Flags = Readonly<Record<string, Flag>>;

type ValueOf<F extends Flag> = F extends NumberFlag
  ? F extends { readonly default: number }
    ? number
    : number | undefined
  : F extends ChoiceFlag
    ? F['choices'][number]
    : F extends SwitchFlag
      ? boolean
      : F extends ListFlag
        ? readonly string[]
        : F extends { readonly default: string } | { readonly required: true }
          ? string
          : string | undefined;

export type Parsed<F extends Flags> = { readonly [K in keyof F]: ValueOf<F[K]> };

/** Wrong usage: exit code 2. */
export class UsageError extends Error {}

export interface Command<F extends Flags> {
  readonly usage: string;
  readonly about: string;
  readonly flags: F;
  /** Names of words without a dash, in order; the last may repeat when it ends in `...`. */
  readonly words?: readonly string[];
}

/** @throws UsageError for an unknown option, a missing or a bad value, with what is allowed */
export function parseCommand<F extends Flags>(
  command: Command<F>,
  argv: readonly string[],
): { options: Parsed<F>; words: string[] } | 'help' {
  const given = new Map<string, string[]>();
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--help' || word === '-h') return 'help';
    if (!word.startsWith('--')) {
      words.push(word);
      continue;
    }
    const [name = '', inline] = splitOnce(word.slice(2));
    const flag = command.flags[name];
    if (!flag)
      throw new UsageError(
        `--${name} is not an option. Allowed: ${Object.keys(command.flags)
          .map((f) => `--${f}`)
          .join(', ')}`,
      );
    if (flag.kind === 'switch') {
      if (inline !== undefined) throw new UsageError(`--${name} takes no value`);
      given.set(name, ['true']);
      continue;
    }
    const value = inline ?? argv[++i];
    if (value === undefined) throw new UsageError(`--${name} needs a value: ${allowed(flag)}`);
    given.set(name, [...(given.get(name) ?? []), value]);
  }
  const names = command.words ?? [];
  const repeats = names.at(-1)?.endsWith('...') ?? false;
  if (words.length < names.length || (words.length > names.length && !repeats)) {
    throw new UsageError(
      `expected ${names.length === 0 ? 'no words' : names.join(' ')}, got: ${words.join(' ') || 'nothing'}`,
    );
  }
  const options: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(command.flags)) options[name] = valueOf(name, flag, given.get(name));
  return { options: options as Parsed<F>, words };
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function valueOf(name: string, flag: Flag, given: readonly string[] | undefined): unknown {
  const text = given?.at(-1);
  switch (flag.kind) {
    case 'switch':
      return text !== undefined;
    case 'list':
      return given ?? [];
    case 'text':
      if (text === undefined && flag.required) throw new UsageError(`--${name} is required: ${flag.about}`);
      return text ?? flag.default;
    case 'choice': {
      if (text === undefined) return flag.default;
      // Types are written Q4_0 in files and q4_0 by other programs.
      const wanted = text.toLowerCase();
      const choice = flag.choices.find((c) => c === text) ?? flag.choices.find((c) => c.toLowerCase() === wanted);
      if (choice === undefined) throw new UsageError(`--${name}: "${text}" is not one of ${allowed(flag)}`);
      return choice;
    }
    case 'number': {
      if (text === undefined) return flag.default;
      const value = Number(text);
      const fits =
        text.trim() !== '' && value >= flag.min && value <= flag.max && (!flag.integer || Number.isInteger(value));
      if (!fits) throw new UsageError(`--${name}: "${text}" is not ${allowed(flag)}`);
      return value;
    }
  }
  flag satisfies never;
}

function allowed(flag: Flag): string {
  switch (flag.kind) {
    case 'number':
      return `${flag.integer ? 'a whole number' : 'a number'} in ${flag.min}..${flag.max}`;
    case 'choice':
      return flag.choices.join(', ');
    case 'text':
    case 'list':
      return flag.value ?? 'TEXT';
    case 'switch':
      return '';
  }
  flag satisfies never;
  return '';
}

export function helpText(command: Command<Flags>): string {
  const rows = Object.entries(command.flags).map(([name, flag]) => {
    const fallback = 'default' in flag && flag.default !== undefined ? ` [${String(flag.default)}]` : '';
    return [
      `  --${name} ${flag.kind === 'switch' ? '' : allowed(flag)}`.trimEnd(),
      `${flag.about}${fallback}`,
    ] as const;
  });
  const width = Math.min(40, Math.max(...rows.map(([left]) => left.length)));
  const lines = rows.map(([left, right]) =>
    left.length > width ? `${left}\n${' '.repeat(width)}  ${right}` : `${left.padEnd(width)}  ${right}`,
  );
  return [command.usage, '', command.about, '', ...lines].join('\n');
}

/**
 * Runs a command as a process: exit code 0 done, 1 failed with `code: message` on stderr, 2 wrong usage,
 * 130 interrupted.
 */
export async function runCommand<F extends Flags>(
  command: Command<F>,
  work: (options: Parsed<F>, words: string[], signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  let interrupted = false;
  process.once('SIGINT', () => {
    interrupted = true;
    abort.abort();
  });
  try {
    const parsed = parseCommand(command, process.argv.slice(2));
    if (parsed === 'help') {
      console.log(helpText(command));
      process.exit(0);
    }
    await work(parsed.options, parsed.words, abort.signal);
    process.exit(interrupted ? 130 : 0);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${helpText(command)}`);
      process.exit(2);
    }
    const plain = toPlainError(error);
    console.error(`${plain.code}: ${plain.message}`);
    if (plain.code === 'internal/unexpected' && plain.stack) console.error(plain.stack);
    process.exit(interrupted ? 130 : 1);
  }
}
