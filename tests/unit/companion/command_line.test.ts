/** Options of the commands: what is refused says what is allowed. */
import { describe, expect, it } from 'vitest';
import { helpText, parseCommand, UsageError, type Command, type Flags } from '../../../src/companion/command_line';

const flags = {
  prompt: { kind: 'text', required: true, about: 'what to draw' },
  steps: { kind: 'number', min: 1, max: 150, integer: true, default: 20, about: 'steps' },
  cfg: { kind: 'number', min: -30, max: 1000, about: 'guidance' },
  rng: { kind: 'choice', default: 'NV', choices: ['NV', 'CPU'], about: 'noise' },
  model: { kind: 'list', value: 'FILE', about: 'model file' },
  quiet: { kind: 'switch', about: 'silent' },
} as const satisfies Flags;
const command: Command<typeof flags> = { usage: 'draw', about: 'Draws.', flags };

const refusal = (...argv: string[]): string => {
  try {
    parseCommand(command, argv);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('parseCommand', () => {
  it('takes values after a space or an equals sign, repeats lists, fills in defaults', () => {
    const parsed = parseCommand(command, ['--prompt=a=b', '--model', 'x', '--model', 'y', '--cfg', '-3', '--quiet']);
    expect(parsed).toEqual({
      options: { prompt: 'a=b', steps: 20, cfg: -3, rng: 'NV', model: ['x', 'y'], quiet: true },
      words: [],
    });
  });

  it('takes a choice in any case, and gives it as it is listed', () => {
    expect(parseCommand(command, ['--prompt', 'a', '--rng', 'cpu'])).toMatchObject({ options: { rng: 'CPU' } });
  });

  it.each([
    [
      ['--prompt', 'a', '--stepz', '3'],
      ['--stepz', '--steps', '--rng'],
    ],
    [
      ['--prompt', 'a', '--steps', '0'],
      ['"0"', '1..150'],
    ],
    [['--prompt', 'a', '--steps', '2.5'], ['whole number']],
    [['--prompt', 'a', '--steps', ''], ['1..150']],
    [
      ['--prompt', 'a', '--steps', 'many'],
      ['"many"', '1..150'],
    ],
    [['--prompt', 'a', '--cfg', 'Infinity'], ['-30..1000']],
    [['--prompt', 'a', '--rng', 'GPU'], ['NV, CPU']],
    [['--prompt', 'a', '--quiet=yes'], ['takes no value']],
    [['--prompt'], ['needs a value']],
    [
      ['--steps', '3'],
      ['--prompt is required', 'what to draw'],
    ],
    [
      ['--prompt', 'a', 'word'],
      ['no words', 'word'],
    ],
  ])('%j is refused', (argv, texts) => {
    const message = refusal(...argv);
    for (const text of texts) expect(message).toContain(text);
  });

  it('help lists every option with what it takes', () => {
    expect(parseCommand(command, ['--help', '--nonsense'])).toBe('help');
    const help = helpText(command);
    for (const name of Object.keys(flags)) expect(help).toContain(`--${name}`);
    expect(help).toContain('1..150');
  });
});
