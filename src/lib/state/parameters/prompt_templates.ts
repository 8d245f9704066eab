/** Styles and wildcards: from what the user typed to the prompts of one or more jobs. Pure. */
import { applyStyles, type Style } from '../../prompt/styles';
import { expandRandom, expansionRandom, type WildcardSource } from '../../prompt/wildcards';
import type { Parameters } from '../generation.svelte';

export interface PromptParts {
  readonly styles: readonly Style[];
  /** Lines of wildcard files by name. */
  readonly wildcards: Readonly<Record<string, readonly string[]>>;
}

export interface ComposedJobs {
  readonly jobs: readonly Parameters[];
  /** Styles and wildcards that the prompts name and nobody knows. */
  readonly missing: readonly string[];
}

/** Braces without a choice stay as typed: other programs use them as emphasis. */
const VARIANT = /\{[^{}]*(?:\||\$\$)[^{}]*\}/;
const WILDCARD = /__([^_{}|\n][^{}|\n]*?)__/u;

/** Whether a prompt is anything else than its own text. */
function isTemplate(text: string): boolean {
  return VARIANT.test(text) || WILDCARD.test(text);
}

/**
 * Jobs with finished prompts: styles applied, wildcards drawn by the seed, so that a job repeats. Prompts with
 * wildcards make one job of every batch, each with a draw of its own; else it is one job as asked for.
 */
export function composeJobs(parameters: Parameters, parts: PromptParts, randomSeed: () => number): ComposedJobs {
  const { styles: names = [], ...plain } = parameters;
  const styled = applyStyles(
    { prompt: parameters.prompt, negative: parameters.negativePrompt },
    names,
    parts.styles,
    // Comments stay: the engine strips them itself, and the infotext keeps what was typed.
    false,
  );
  const texts = names.length === 0 ? {} : { prompt: styled.prompt, negativePrompt: styled.negative };
  // An axis of a plot may name styles, which the engine does not know.
  const plot = plain.plot ? { plot: { ...plain.plot, styles: parts.styles } } : {};
  const base: Parameters = { ...plain, ...texts, ...plot };
  if (!isTemplate(base.prompt) && !isTemplate(base.negativePrompt)) return { jobs: [base], missing: styled.missing };
  const source: WildcardSource = (name) => parts.wildcards[name];
  const missing = new Set(styled.missing);
  const first = base.seed === -1 ? randomSeed() : base.seed;
  const jobs = Array.from({ length: base.batchCount }, (_, batch): Parameters => {
    const by = batch * base.batchSize;
    const expand = (text: string, salt: number) => {
      if (!isTemplate(text)) return text;
      const { text: expanded, missing: unknown } = expandRandom(text, source, expansionRandom(first + by + salt));
      for (const name of unknown) missing.add(`__${name}__`);
      return expanded;
    };
    const { variation } = base;
    const seeds =
      variation && variation.strength > 0
        ? { seed: first, variation: { ...variation, seed: variation.seed === -1 ? -1 : variation.seed + by } }
        : { seed: first + by };
    return {
      ...base,
      ...seeds,
      batchCount: 1,
      prompt: expand(base.prompt, 0),
      negativePrompt: expand(base.negativePrompt, 2 ** 32),
    };
  });
  return { jobs, missing: [...missing] };
}
