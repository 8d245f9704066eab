/** A prompt cut where the editor has something to say about it. Pure. */
import { promptHints, type HintCode, type PromptHint } from '../prompt/hints';

export interface Piece {
  readonly text: string;
  readonly code?: HintCode;
}

export interface PromptRemark extends PromptHint {
  /** A few letters of the place. */
  readonly excerpt: string;
}

/** A place of fewer letters is shown with what follows. */
const LEAST = 3;
const EXCERPT = 20;

export function remarksOf(text: string): readonly PromptRemark[] {
  return promptHints(text).map((hint) => {
    const { start, end } = hint;
    const until = end - start >= LEAST ? Math.min(end, start + EXCERPT) : start + EXCERPT;
    return { ...hint, excerpt: text.slice(start, until) };
  });
}

/** Pieces that join to the text, those of remarks with their code; overlapping ones keep the first. */
export function piecesOf(text: string, hints: readonly PromptHint[]): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const { code, start, end } of hints) {
    if (start < at) continue;
    if (start > at) pieces.push({ text: text.slice(at, start) });
    pieces.push({ text: text.slice(start, end), code });
    at = end;
  }
  if (at < text.length) pieces.push({ text: text.slice(at) });
  return pieces;
}
