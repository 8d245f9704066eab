/** Styles: named additions to a prompt and its negative. Reading and writing `styles.csv` is in styles_csv.ts. */
import { stripComments } from './comments';
import { trimSpace } from './reference_text';

export interface Style {
  readonly name: string;
  readonly prompt: string;
  readonly negative: string;
}

export interface PromptPair {
  readonly prompt: string;
  readonly negative: string;
}

const PLACE = '{prompt}';
/** `{prompt}` twice in several styles doubles the text each time; beyond this length the style is not applied. */
const LONGEST_PROMPT = 1_000_000;

/**
 * Applies styles in order; unknown names are skipped and returned. Comments go, and the ends of the prompt and of each
 * style are trimmed before they meet.
 * @param stripping  remove comments (the option `enable_prompt_comments`, on by default)
 */
export function applyStyles(
  pair: PromptPair,
  names: readonly string[],
  styles: readonly Style[],
  stripping = true,
): PromptPair & { readonly missing: readonly string[] } {
  const byName = new Map(styles.map((style) => [style.name, style]));
  const clean = (text: string): string => trimSpace(stripping ? stripComments(text) : text);
  let { prompt, negative } = { prompt: clean(pair.prompt), negative: clean(pair.negative) };
  const missing: string[] = [];
  for (const name of names) {
    const style = byName.get(name);
    if (style === undefined) {
      missing.push(name);
      continue;
    }
    prompt = applyOne(clean(style.prompt), prompt);
    negative = applyOne(clean(style.negative), negative);
  }
  return { prompt, negative, missing };
}

function applyOne(style: string, text: string): string {
  const pieces = style.split(PLACE);
  if (pieces.length > 1) {
    const length = style.length + (pieces.length - 1) * text.length;
    return length > LONGEST_PROMPT ? text : pieces.join(text);
  }
  return [text, style].filter((part) => part !== '').join(', ');
}

/**
 * Finds styles in a finished prompt and takes their text out, the last applied first. Comments go, as when applying.
 * @returns names in the order of application, and what is left
 * Source: stable-diffusion-webui-forge modules/styles.py, extract_styles_from_prompt.
 */
export function extractStyles(
  pair: PromptPair,
  styles: readonly Style[],
): PromptPair & { readonly names: readonly string[] } {
  const left = styles.filter((style) => style.prompt !== '' || style.negative !== '');
  const names: string[] = [];
  let [prompt, negative] = [stripComments(pair.prompt), stripComments(pair.negative)];
  for (;;) {
    const at = left.findIndex((style) => {
      const without = takeOut(style.prompt, prompt);
      const withoutNegative = takeOut(style.negative, negative);
      if (without === undefined || withoutNegative === undefined) return false;
      prompt = without;
      negative = withoutNegative;
      return true;
    });
    const found = left[at];
    if (found === undefined) return { names: names.reverse(), prompt, negative };
    left.splice(at, 1);
    names.push(found.name);
  }
}

/** What is left of a text without a style; undefined where it does not have the style's text. Only the first place counts. */
function takeOut(style: string, text: string): string | undefined {
  const plain = trimSpace(text);
  const wanted = trimSpace(stripComments(style));
  const place = wanted.indexOf(PLACE);
  if (place >= 0) {
    const [before, after] = [wanted.slice(0, place), wanted.slice(place + PLACE.length)];
    // Halves that overlap in the text count as found, with nothing between them.
    return plain.startsWith(before) && plain.endsWith(after)
      ? plain.slice(before.length, plain.length - after.length)
      : undefined;
  }
  if (!plain.endsWith(wanted)) return undefined;
  const rest = plain.slice(0, plain.length - wanted.length);
  return rest.endsWith(', ') ? rest.slice(0, -2) : rest;
}
