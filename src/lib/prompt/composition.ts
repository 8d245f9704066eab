/** Composition: `A :w AND B :w`. Only positive prompts are split. */
import { parseDecimal, skipSpaceBack, standaloneWords } from './reference_text';

export interface SubPrompt {
  readonly text: string;
  /** Factor on this part's guidance; may be negative. */
  readonly weight: number;
}

const WORD = 'AND';
// \p{Nd} because the reference's \d takes digits of every script; `:1e2` is text.
const trailingWeight = /:\s*([-+]?(?:\p{Nd}+\.?|\p{Nd}*\.\p{Nd}+))$/u;
const LONGEST_WEIGHT = 400;

/**
 * Splits a prompt at AND. Leading spaces of a part stay, trailing ones go; a number behind the last colon is the
 * part's weight, also where it was meant as text (`16:9 AND b`).
 * @returns at least one part
 */
export function splitComposition(prompt: string): SubPrompt[] {
  const parts: SubPrompt[] = [];
  let start = 0;
  for (const at of standaloneWords(prompt, WORD)) {
    parts.push(readWeight(prompt.slice(start, at)));
    start = at + WORD.length;
  }
  parts.push(readWeight(prompt.slice(start)));
  return parts;
}

function readWeight(part: string): SubPrompt {
  const text = part.slice(0, skipSpaceBack(part, part.length));
  const colon = text.lastIndexOf(':');
  if (colon === -1 || text.length - colon > LONGEST_WEIGHT) return { text, weight: 1 };
  const match = trailingWeight.exec(text.slice(colon));
  const weight = match?.[1] === undefined ? undefined : parseDecimal(match[1]);
  return weight === undefined ? { text, weight: 1 } : { text: text.slice(0, skipSpaceBack(text, colon)), weight };
}

/** Distinct parts of a batch: `flat` lists each text once, `parts[i]` refers to it with the weights of prompt i. */
export interface ComposedBatch {
  readonly flat: readonly string[];
  readonly parts: readonly (readonly { readonly index: number; readonly weight: number }[])[];
}

export function composeBatch(prompts: readonly string[]): ComposedBatch {
  const indexOf = new Map<string, number>();
  const parts = prompts.map((prompt) =>
    splitComposition(prompt).map(({ text, weight }) => {
      const index = indexOf.get(text) ?? indexOf.size;
      indexOf.set(text, index);
      return { index, weight };
    }),
  );
  return { flat: [...indexOf.keys()], parts };
}
