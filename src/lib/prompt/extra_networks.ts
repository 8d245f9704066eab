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
  /** Strengths of the denoiser's blocks, `lbw=1,0,0.5,…`. */
  readonly blocks?: readonly number[];
  /** The denoiser's strength over the run, by share of the steps, ascending: linear in between, constant outside. */
  readonly schedule?: StrengthSchedule;
}

export type StrengthSchedule = readonly { readonly at: number; readonly strength: number }[];

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
  const textEncoder = readStrength(named.get('te') ?? positional[1] ?? '1');
  const denoiserText = named.get('unet') ?? positional[2];
  const denoiser = denoiserText === undefined ? textEncoder : readStrength(denoiserText);
  const rankText = named.get('dyn') ?? positional[3];
  const rank = rankText === undefined ? undefined : readInteger(rankText);
  const blocks = named.get('lbw')?.split(',').map(readNumber);
  const wrongBlocks = blocks?.some((weight) => weight === undefined) ?? false;
  if (!textEncoder || !denoiser || wrongBlocks || (rankText !== undefined && rank === undefined)) {
    return { items, reason: 'not-a-number' };
  }
  return {
    name,
    textEncoder: textEncoder[0]?.strength ?? 1,
    denoiser: denoiser[0]?.strength ?? 1,
    ...(denoiser.length > 1 ? { schedule: denoiser } : {}),
    ...(rank === undefined ? {} : { rank }),
    ...(blocks ? { blocks: blocks.flatMap((weight) => weight ?? []) } : {}),
  };
}

/**
 * `0.8`, or `1@0,0.2@0.5`: strengths at shares of the run. Source of the form: cheald/sd-webui-loractl, README.
 * Undefined when it is neither.
 */
function readStrength(text: string): StrengthSchedule | undefined {
  const points = text.split(',').map((item) => {
    const [weight = '', share = '0', more] = item.split('@');
    const [strength, at] = [readNumber(weight), readNumber(share)];
    return strength === undefined || at === undefined || more !== undefined || at < 0 || at > 1
      ? undefined
      : { at, strength };
  });
  const found = points.flatMap((point) => point ?? []);
  if (found.length !== points.length || (points.length > 1 && !text.includes('@'))) return undefined;
  return found.sort((a, b) => a.at - b.at);
}

/** The strength at a share of the run, 0..1. */
export function strengthAt(schedule: StrengthSchedule, share: number): number {
  const next = schedule.findIndex(({ at }) => at >= share);
  const [before, after] = [schedule[next - 1], schedule[next]];
  if (!after) return schedule.at(-1)?.strength ?? 1;
  if (!before || after.at === before.at) return after.strength;
  const t = (share - before.at) / (after.at - before.at);
  return before.strength + t * (after.strength - before.strength);
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
