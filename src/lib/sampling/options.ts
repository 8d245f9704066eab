/**
 * Option schemas of samplers: one declaration gives the type, the default, the limits, the interface control and the
 * infotext key. Knows no sampler.
 */
import { AppError } from '../base/errors';

interface OptionBase {
  /** What the option does, one line; shown in the interface and in the generated documentation. */
  readonly about: string;
  /** Key in generation parameters, when the web UIs write one. */
  readonly infotext?: string;
}
export interface NumberOption extends OptionBase {
  readonly kind: 'number';
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly integer?: boolean;
}
export interface ChoiceOption extends OptionBase {
  readonly kind: 'choice';
  readonly default: string;
  readonly choices: readonly string[];
}
export interface FlagOption extends OptionBase {
  readonly kind: 'flag';
  readonly default: boolean;
}
export interface TextOption extends OptionBase {
  readonly kind: 'text';
  readonly default: string;
}
export type OptionDef = NumberOption | ChoiceOption | FlagOption | TextOption;
export type OptionSchema = Readonly<Record<string, OptionDef>>;
export type OptionValue = number | string | boolean;
/** Options as a caller gives them; missing ones take their default, unknown ones are ignored. */
export type GivenOptions = Readonly<Record<string, OptionValue | undefined>>;

export type OptionsOf<S extends OptionSchema> = {
  readonly [K in keyof S]: S[K] extends NumberOption
    ? number
    : S[K] extends ChoiceOption
      ? S[K]['choices'][number]
      : S[K] extends TextOption
        ? string
        : boolean;
};

/**
 * Fills defaults and checks limits.
 * @throws AppError 'argument/invalid' for a wrong type, a number outside its limits, or an unknown choice
 */
export function resolveOptions<S extends OptionSchema>(owner: string, schema: S, given: GivenOptions): OptionsOf<S> {
  const resolved: Record<string, OptionValue> = {};
  for (const [name, def] of Object.entries(schema)) {
    const value = given[name] ?? def.default;
    const problem = optionProblem(def, value);
    if (problem !== undefined) {
      throw new AppError('argument/invalid', `${owner}: option "${name}" must be ${problem}, got ${String(value)}.`, {
        details: { owner, option: name, value },
      });
    }
    resolved[name] = value;
  }
  return resolved as OptionsOf<S>;
}

function optionProblem(def: OptionDef, value: OptionValue): string | undefined {
  switch (def.kind) {
    case 'number': {
      const inside = typeof value === 'number' && value >= def.min && value <= def.max;
      const whole = def.integer !== true || Number.isInteger(value);
      return inside && whole ? undefined : `${def.integer ? 'a whole number' : 'a number'} in ${def.min}..${def.max}`;
    }
    case 'choice':
      return typeof value === 'string' && def.choices.includes(value) ? undefined : `one of ${def.choices.join(', ')}`;
    case 'flag':
      return typeof value === 'boolean' ? undefined : 'true or false';
    case 'text':
      return typeof value === 'string' && value.length <= 10_000 ? undefined : 'a text';
  }
  def satisfies never;
}

/** Key of an option in generation parameters: the web UIs' where they have one, else of our own. */
export function optionKey(name: string, { infotext }: OptionDef): string {
  return infotext ?? `Sampler ${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`;
}

export const eta = {
  kind: 'number',
  default: 1,
  min: 0,
  max: 1,
  infotext: 'Eta',
  about: 'Share of fresh noise per step; 0 makes the sampler deterministic.',
} as const satisfies OptionDef;

export const sNoise = {
  kind: 'number',
  default: 1,
  min: 0,
  max: 2,
  infotext: 'Sigma noise',
  about: 'Multiplier of the noise added in a step.',
} as const satisfies OptionDef;

/** Stochastic churn of Karras et al. 2022, algorithm 2. `sTmax` 0 means no upper limit, as in the web UIs. */
export const churn = {
  sChurn: {
    kind: 'number',
    default: 0,
    min: 0,
    max: 100,
    infotext: 'Sigma churn',
    about: 'Amount of noise added before each step.',
  },
  sTmin: {
    kind: 'number',
    default: 0,
    min: 0,
    max: 1e9,
    infotext: 'Sigma tmin',
    about: 'Lowest sigma at which churn acts.',
  },
  sTmax: {
    kind: 'number',
    default: 0,
    min: 0,
    max: Infinity,
    infotext: 'Sigma tmax',
    about: 'Highest sigma at which churn acts; 0 means no limit.',
  },
  sNoise,
} as const satisfies OptionSchema;
