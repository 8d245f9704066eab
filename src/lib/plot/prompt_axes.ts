/** Axes that change the texts of a request. */
import { AppError } from '../base/errors';
import { applyStyles } from '../prompt/styles';
import type { GenerateRequest, PlotStyle } from '../rpc/engine';

/**
 * Prompt S/R: the axis' first value, replaced by each.
 * @throws AppError 'argument/invalid' when neither prompt holds it
 */
export function replaceInPrompts(request: GenerateRequest, value: string, all: readonly string[]): GenerateRequest {
  const [wanted = ''] = all;
  const { prompt, negativePrompt, hires } = request;
  if (wanted === '' || !(prompt.includes(wanted) || negativePrompt.includes(wanted))) {
    throw new AppError(
      'argument/invalid',
      `plot axis Prompt S/R: the first value must be a part of the prompt, got "${wanted.slice(0, 60)}".`,
      { details: { value: wanted.slice(0, 60) } },
    );
  }
  const put = (text: string): string => text.replaceAll(wanted, () => value);
  return {
    ...request,
    prompt: put(prompt),
    negativePrompt: put(negativePrompt),
    ...(hires ? { hires: { ...hires, prompt: put(hires.prompt), negativePrompt: put(hires.negativePrompt) } } : {}),
  };
}

/**
 * Prompt order: the words keep their places, in another order.
 * @throws AppError 'argument/invalid' for a word that the prompt has not
 */
export function orderPrompt(request: GenerateRequest, words: readonly string[]): GenerateRequest {
  const places: { at: number; word: string }[] = [];
  for (const word of words) {
    const at = word === '' ? -1 : freePlace(request.prompt, word, places);
    if (at < 0) {
      throw new AppError(
        'argument/invalid',
        `plot axis Prompt order: every word must be in the prompt, got "${word.slice(0, 60)}".`,
        { details: { value: word.slice(0, 60) } },
      );
    }
    places.push({ at, word });
  }
  places.sort((a, b) => a.at - b.at);
  let prompt = '';
  let end = 0;
  for (const [i, { at, word }] of places.entries()) {
    prompt += request.prompt.slice(end, at) + (words[i] ?? '');
    end = at + word.length;
  }
  return { ...request, prompt: prompt + request.prompt.slice(end) };
}

/** The first place of a word that no earlier word covers. */
function freePlace(prompt: string, word: string, taken: readonly { at: number; word: string }[]): number {
  const overlaps = (at: number): boolean =>
    taken.some((one) => at < one.at + one.word.length && one.at < at + word.length);
  let at = prompt.indexOf(word);
  while (at >= 0 && overlaps(at)) at = prompt.indexOf(word, at + 1);
  return at;
}

const LORA_TAG = /<lora:([^:>]+)(:[^>]*)?>/gi;

/** Every adapter of the prompt at one strength. @throws AppError 'argument/invalid' without a tag */
export function setLoraWeight(request: GenerateRequest, weight: number): GenerateRequest {
  return { ...request, prompt: changeTags(request.prompt, (name) => `<lora:${name}:${weight}>`) };
}

/** Another adapter in place of the prompt's first one. @throws AppError 'argument/invalid' without a tag */
export function setLora(request: GenerateRequest, name: string): GenerateRequest {
  let first = true;
  const prompt = changeTags(request.prompt, (own, rest) => {
    const text = first ? `<lora:${name}${rest === '' ? ':1' : rest}>` : `<lora:${own}${rest}>`;
    first = false;
    return text;
  });
  return { ...request, prompt };
}

function changeTags(prompt: string, change: (name: string, rest: string) => string): string {
  let found = false;
  const changed = prompt.replaceAll(LORA_TAG, (_tag, name: string, rest: string | undefined) => {
    found = true;
    return change(name, rest ?? '');
  });
  if (found) return changed;
  throw new AppError('argument/invalid', 'plot axis Lora: the prompt must have a <lora:name:1> tag to change.');
}

/**
 * Styles on top of the prompt, several joined by `+`; `None` adds none.
 * @throws AppError 'argument/invalid' for a style that the request does not bring
 */
export function addStyles(request: GenerateRequest, value: string, styles: readonly PlotStyle[]): GenerateRequest {
  if (value.toLowerCase() === 'none') return request;
  const known = styles.some(({ name }) => name === value);
  const names = known ? [value] : value.split('+').map((name) => name.trim());
  const pair = { prompt: request.prompt, negative: request.negativePrompt };
  const { prompt, negative, missing } = applyStyles(pair, names, styles, false);
  if (missing.length === 0) return { ...request, prompt, negativePrompt: negative };
  throw new AppError(
    'argument/invalid',
    `plot axis Styles: there is no style "${missing.join('", "')}"; there are ${styles.map(({ name }) => name).join(', ') || 'none'}.`,
    { details: { missing } },
  );
}
