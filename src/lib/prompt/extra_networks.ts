/** Extra-network tags `<name:argument:key=value>`: removing and reading them. */
import { asciiDigits, trimSpace } from './reference_text';

export interface NetworkTag {
  /** Text before the first colon, case-sensitive: `lora`, `lyco`, `hypernet`, … */
  readonly kind: string;
  readonly items: readonly string[];
  readonly positional: readonly string[];
  readonly named: ReadonlyMap<string, string>;
}

export interface LoraRequest {
  readonly name: string;
  /** Strength on the text encoders. */
  readonly textEncoder: number;
  /** Strength on the denoiser. */
  readonly denoiser: number;
  /** Keep only the first so many ranks; undefined keeps all. */
  readonly rank?: number;
}

export interface LoraProblem {
  readonly items: readonly string[];
  readonly reason: 'no-name' | 'not-a-number';
}

const tagPattern = /<([\p{L}\p{N}_]+):([^>]+)>/gu;

/** Removes the tags of one text; nothing else is trimmed. Linear time. */
export function extractNetworks(text: string): { readonly text: string; readonly tags: readonly NetworkTag[] } {
  const tags: NetworkTag[] = [];
  const lastCloser = text.lastIndexOf('>');
  if (lastCloser === -1) return { text, tags };
  // Behind the last `>` no tag can end; searching there would cost time squared for `<a:<a:<a:…`.
  const searched = text.slice(0, lastCloser + 1).replace(tagPattern, (_, kind: string, body: string) => {
    tags.push(readTag(kind, body));
    return '';
  });
  return { text: searched + text.slice(lastCloser + 1), tags };
}

/** Tags of a batch: removed from every prompt, collected from the first only, as in A1111 and Forge. */
export function extractBatchNetworks(prompts: readonly string[]): {
  readonly prompts: readonly string[];
  readonly tags: readonly NetworkTag[];
} {
  const extracted = prompts.map(extractNetworks);
  return { prompts: extracted.map((e) => e.text), tags: extracted[0]?.tags ?? [] };
}

function readTag(kind: string, body: string): NetworkTag {
  const items = body.split(':');
  const positional: string[] = [];
  const named = new Map<string, string>();
  for (const item of items) {
    const [key, value, more] = item.split('=');
    if (key !== undefined && value !== undefined && more === undefined) named.set(key, value);
    else positional.push(item);
  }
  return { kind, items, positional, named };
}

/**
 * Strengths of all `lora` tags, then all `lyco` tags. One number sets both strengths; the second, or `unet=`, is
 * the denoiser's; the fourth argument or `dyn=` limits the rank.
 */
export function readLoras(tags: readonly NetworkTag[]): readonly (LoraRequest | LoraProblem)[] {
  const ordered = [...tags.filter((t) => t.kind === 'lora'), ...tags.filter((t) => t.kind === 'lyco')];
  return ordered.map(readLora);
}

export function isLoraProblem(lora: LoraRequest | LoraProblem): lora is LoraProblem {
  return 'reason' in lora;
}

function readLora({ items, positional, named }: NetworkTag): LoraRequest | LoraProblem {
  const name = positional[0];
  if (name === undefined) return { items, reason: 'no-name' };
  const textEncoder = readNumber(named.get('te') ?? positional[1] ?? '1');
  const denoiserText = named.get('unet') ?? positional[2];
  const denoiser = denoiserText === undefined ? textEncoder : readNumber(denoiserText);
  const rankText = named.get('dyn') ?? positional[3];
  const rank = rankText === undefined ? undefined : readInteger(rankText);
  if (textEncoder === undefined || denoiser === undefined || (rankText !== undefined && rank === undefined)) {
    return { items, reason: 'not-a-number' };
  }
  return { name, textEncoder, denoiser, ...(rank === undefined ? {} : { rank }) };
}

function readNumber(text: string): number | undefined {
  const ascii = trimSpace(asciiDigits(text));
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(ascii)) return undefined;
  const value = Number(ascii);
  return Number.isFinite(value) ? value : undefined;
}

function readInteger(text: string): number | undefined {
  const ascii = trimSpace(asciiDigits(text));
  return /^[+-]?\d{1,9}$/.test(ascii) ? Number(ascii) : undefined;
}
