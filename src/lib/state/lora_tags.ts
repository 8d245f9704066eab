/** LoRA tags of a prompt, so that the panel's sliders and the text say the same. Pure. */

export interface LoraTag {
  readonly name: string;
  /** Weight of the denoiser; of both parts where the tag has one number. */
  readonly weight: number;
  readonly start: number;
  readonly end: number;
}

const TAG = /<(?:lora|lyco):([^:<>]+)((?::[^<>]*)?)>/gu;

export function loraTags(prompt: string): readonly LoraTag[] {
  return [...prompt.matchAll(TAG)].map((match) => ({
    name: match[1] ?? '',
    weight: firstNumber(match[2] ?? ''),
    start: match.index,
    end: match.index + match[0].length,
  }));
}

/** The first picture of a list, newest first, that was made with each LoRA. */
export function newestByLora(rows: readonly { readonly id: string; readonly infotext: string }[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { id, infotext } of rows) {
    for (const { name } of infotext.includes('<l') ? loraTags(infotext) : []) if (!found.has(name)) found.set(name, id);
  }
  return found;
}

function firstNumber(rest: string): number {
  const [first = ''] = rest.split(':').slice(1);
  const number = Number(first);
  return first.trim() === '' || !Number.isFinite(number) ? 1 : number;
}

/** The prompt with this LoRA at a weight: its tag is changed where there is one, else added at the end. */
export function withLora(prompt: string, name: string, weight: number): string {
  const tag = loraTags(prompt).find((one) => one.name === name);
  const rounded = Number(weight.toFixed(3));
  if (!tag) return `${prompt.trimEnd()}${prompt.trim() === '' ? '' : ' '}<lora:${name}:${rounded}>`;
  // Further numbers and named ones (te=, dyn=) are the user's and stay.
  const inner = prompt.slice(tag.start + 1, tag.end - 1).split(':');
  inner[2] = String(rounded);
  return `${prompt.slice(0, tag.start)}<${inner.join(':')}>${prompt.slice(tag.end)}`;
}

export function withoutLora(prompt: string, name: string): string {
  const tag = loraTags(prompt).find((one) => one.name === name);
  if (!tag) return prompt;
  const before = prompt.slice(0, tag.start).replace(/[ ]+$/, '');
  const after = prompt.slice(tag.end);
  return (
    before +
    (after.startsWith(' ') || before === '' || after === '' ? after.replace(/^[ ]+/, before === '' ? '' : ' ') : after)
  );
}

/** The prompt with a word added as another element, unless it is there. */
export function withWord(prompt: string, word: string): string {
  if (prompt.toLowerCase().includes(word.toLowerCase())) return prompt;
  const plain = prompt.trimEnd().replace(/,$/, '');
  return plain === '' ? word : `${plain}, ${word}`;
}
