/** What a prompt field offers while one types. Pure. */
import { completionAt, type CompletionQuery } from '../prompt/autocomplete';
import type { NetworkSummary } from '../rpc/engine';

export interface Completion {
  readonly label: string;
  readonly kind: 'lora' | 'embedding' | 'style' | 'wildcard' | 'tag' | 'word' | 'keyword';
  /** What takes the place of the typed part. */
  readonly insert: string;
}

export interface CompletionSources {
  readonly networks: readonly NetworkSummary[];
  readonly styles: readonly { readonly name: string }[];
  readonly wildcards: Readonly<Record<string, readonly string[]>>;
  readonly tags: readonly { readonly name: string }[];
  /** Earlier prompts. */
  readonly prompts: readonly string[];
}

export interface Completions {
  readonly query: Pick<CompletionQuery, 'start' | 'end'>;
  readonly offers: readonly Completion[];
}

const MOST = 8;
const KEYWORDS = ['BREAK', 'AND'];

/** Offers at the cursor, or undefined when there is nothing to complete. */
export function completionsAt(text: string, cursor: number, sources: CompletionSources): Completions | undefined {
  const query = completionAt(text, cursor);
  if (!query) return undefined;
  const wildcard = /__([^\s,_]*(?:_[^\s,_]+)*)$/.exec(text.slice(Math.max(0, cursor - 80), cursor));
  if (wildcard) return offer({ start: cursor - wildcard[0].length, end: cursor }, wildcardOffers(wildcard[1], sources));
  const prefix = query.prefix.toLowerCase();
  const loras = sources.networks.filter(({ kind }) => kind === 'lora');
  if (query.kind === 'network') {
    const close = text.charAt(query.end) === '>' ? '' : '>';
    const found = loras.filter(({ name }) => name.toLowerCase().includes(prefix));
    return offer(
      query,
      found.map(({ name }) => ({ label: name, kind: 'lora', insert: `${name}:1${close}` })),
    );
  }
  if (query.kind === 'tag') {
    const found = loras.filter(({ name }) => `lora:${name}`.toLowerCase().includes(prefix));
    return offer(
      query,
      found.map(({ name }) => ({ label: name, kind: 'lora', insert: `lora:${name}:1>` })),
    );
  }
  return offer(query, wordOffers(query.prefix, sources));
}

function offer(query: Pick<CompletionQuery, 'start' | 'end'>, offers: readonly Completion[]): Completions | undefined {
  return offers.length === 0 ? undefined : { query, offers: offers.slice(0, MOST) };
}

function wildcardOffers(prefix = '', { wildcards }: CompletionSources): readonly Completion[] {
  return Object.keys(wildcards)
    .filter((name) => name.toLowerCase().startsWith(prefix.toLowerCase()))
    .map((name) => ({ label: name, kind: 'wildcard', insert: `__${name}__` }));
}

function wordOffers(prefix: string, sources: CompletionSources): readonly Completion[] {
  const wanted = prefix.toLowerCase();
  const begins = (name: string) => name.toLowerCase().startsWith(wanted) && name.toLowerCase() !== wanted;
  const offers: Completion[] = [];
  for (const { kind, name } of sources.networks) {
    if (!begins(name)) continue;
    if (kind === 'embedding') offers.push({ label: name, kind, insert: name });
    if (kind === 'lora') offers.push({ label: name, kind, insert: `<lora:${name}:1>` });
  }
  for (const { name } of sources.styles) if (begins(name)) offers.push({ label: name, kind: 'style', insert: '' });
  for (const word of KEYWORDS)
    if (prefix.length > 1 && word.startsWith(prefix) && word !== prefix)
      offers.push({ label: word, kind: 'keyword', insert: word });
  const underscored = wanted.replaceAll(' ', '_');
  for (const { name } of sources.tags) {
    if (offers.length >= MOST) break;
    if (name.toLowerCase().startsWith(underscored)) {
      offers.push({ label: name.replaceAll('_', ' '), kind: 'tag', insert: escapeBrackets(name.replaceAll('_', ' ')) });
    }
  }
  const seen = new Set(offers.map(({ label }) => label.toLowerCase()));
  for (const prompt of sources.prompts) {
    for (const part of prompt.split(',')) {
      const plain = part.trim();
      if (offers.length >= MOST || plain.length > 60 || !begins(plain) || seen.has(plain.toLowerCase())) continue;
      seen.add(plain.toLowerCase());
      offers.push({ label: plain, kind: 'word', insert: plain });
    }
  }
  return offers;
}

/** Tags such as `name (series)`: brackets of their own are no emphasis. */
function escapeBrackets(text: string): string {
  return text.replace(/[()]/g, '\\$&');
}
