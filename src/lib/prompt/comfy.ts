/**
 * The same prompt read as ComfyUI reads it, for the "ComfyUI" compatibility option: an inner explicit weight
 * replaces the outer one, square brackets and BREAK are text, chunks know no comma rule.
 */
import type { WeightedText } from './attention';
import { ROUND_FACTOR } from './attention';
import { CHUNK_LENGTH } from './chunks';
import type { ClipLikeTokenizer, EmbeddingPlacement, PromptChunk } from './chunks';
import type { EmbeddingName, EmbeddingTable } from './embeddings';
import { asciiDigits, trimSpace } from './reference_text';

/** Deeper brackets are kept as text: the rule re-reads the inner text at each level, so cost grows with depth. */
const DEEPEST = 200;
/** Runs of fewer tokens are moved to the next chunk whole instead of being cut. */
const WHOLE_RUN = 8;

const ESCAPED_CLOSE = '\u0000\u0001';
const ESCAPED_OPEN = '\u0000\u0002';

/**
 * Runs of a prompt; unlike `parseAttention` the list may be empty and neighbours are not merged. Weights may be
 * infinite or NaN where the text says so; `chunkComfy` uses 1 for those.
 */
export function parseComfy(text: string): WeightedText[] {
  const escaped = text.replaceAll('\\)', ESCAPED_CLOSE).replaceAll('\\(', ESCAPED_OPEN);
  const runs: WeightedText[] = [];
  collect(escaped, 1, 0, runs);
  return runs.map((run) => ({
    text: run.text.replaceAll(ESCAPED_CLOSE, ')').replaceAll(ESCAPED_OPEN, '('),
    weight: run.weight,
  }));
}

function collect(text: string, outer: number, depth: number, runs: WeightedText[]): void {
  for (const part of topLevelParts(text)) {
    if (depth >= DEEPEST || part.length < 2 || !part.startsWith('(') || !part.endsWith(')')) {
      runs.push({ text: part, weight: outer });
      continue;
    }
    const inner = part.slice(1, -1);
    const colon = inner.lastIndexOf(':');
    const explicit = colon > 0 ? readFloat(inner.slice(colon + 1)) : undefined;
    if (explicit === undefined) collect(inner, outer * ROUND_FACTOR, depth + 1, runs);
    else collect(inner.slice(0, colon), explicit, depth + 1, runs);
  }
}

function topLevelParts(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let nesting = 0;
  const cut = (end: number): void => {
    if (end > start) parts.push(text.slice(start, end));
    start = end;
  };
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (character === '(') {
      if (nesting === 0) cut(i);
      nesting++;
    } else if (character === ')') {
      nesting--; // may go below zero: a stray closer hides the next opener, as in ComfyUI
      if (nesting === 0) cut(i + 1);
    }
  }
  cut(text.length);
  return parts;
}

function readFloat(text: string): number | undefined {
  const ascii = trimSpace(asciiDigits(text)).toLowerCase();
  const special = /^([+-]?)(inf|infinity|nan)$/.exec(ascii);
  if (special) return special[2] === 'nan' ? NaN : special[1] === '-' ? -Infinity : Infinity;
  if (!/^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/.test(ascii))
    return undefined;
  return Number(ascii.replaceAll('_', ''));
}

/** Ids that stay together where they fit: a run of text, or an embedding's places. */
interface Group {
  readonly ids: readonly number[];
  readonly weight: number;
  readonly embedding?: EmbeddingName;
}

/** Runs split at `embedding:name`; a name that is unknown is left out, as there. */
function* groupsOf(
  runs: readonly WeightedText[],
  tokenizer: ClipLikeTokenizer,
  embeddings: EmbeddingTable | undefined,
): Generator<Group> {
  for (const run of runs) {
    const weight = Number.isFinite(run.weight) ? run.weight : 1;
    for (const [i, part] of run.text.split(/\bembedding:([^\s,]+)/u).entries()) {
      if (i % 2 === 0) {
        yield { ids: tokenizer.encode(part), weight };
        continue;
      }
      // A folder and a file ending may be written.
      const file = part.replace(/^.*[\\/]/, '').replace(/\.(safetensors|pt|bin)$/i, '');
      const embedding = embeddings && [...embeddings.values()].flat().find(({ name }) => name === file);
      if (!embedding) continue;
      yield { ids: new Array<number>(Math.min(embedding.vectors, CHUNK_LENGTH)).fill(0), weight, embedding };
    }
  }
}

/**
 * Chunks of 77 ids and weights as ComfyUI builds them.
 * @param padId  id behind the end token; the end id for CLIP-L (default), 0 for OpenCLIP-G
 */
export function chunkComfy(
  runs: readonly WeightedText[],
  tokenizer: ClipLikeTokenizer,
  { padId = tokenizer.endId, embeddings }: { padId?: number; embeddings?: EmbeddingTable | undefined } = {},
): PromptChunk[] {
  const chunks: PromptChunk[] = [];
  let tokens: number[] = [];
  let weights: number[] = [];
  let placed: EmbeddingPlacement[] = [];
  const close = (): void => {
    const ids = [tokenizer.beginId, ...tokens, tokenizer.endId];
    const scales = [1, ...weights, 1];
    while (ids.length < CHUNK_LENGTH + 2) {
      ids.push(padId);
      scales.push(1);
    }
    chunks.push({ tokens: ids, weights: scales, embeddings: placed });
    tokens = [];
    weights = [];
    placed = [];
  };
  for (const { ids, weight, embedding } of groupsOf(runs, tokenizer, embeddings)) {
    for (let at = 0; at < ids.length;) {
      const room = CHUNK_LENGTH - tokens.length;
      const whole = ids.length - at <= room;
      const cuts = ids.length >= WHOLE_RUN && embedding === undefined;
      const taken = whole ? ids.length - at : cuts ? room : 0;
      if (embedding && whole) placed.push({ offset: tokens.length, name: embedding.name, vectors: ids.length });
      for (let i = 0; i < taken; i++) {
        tokens.push(ids[at + i] ?? 0);
        weights.push(weight);
      }
      at += taken;
      if (!whole) close();
    }
  }
  if (tokens.length > 0 || chunks.length === 0) close();
  return chunks;
}
