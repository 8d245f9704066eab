/**
 * Prompt editing `[from:to:when]` and alternation `[a|b]`: which text holds at which step. Escapes stay in the text
 * until the attention step removes them.
 *
 * The grammar of the reference is ambiguous for stray brackets; here the rule is: brackets pair strictly nested, a
 * complete `[..]` of a known form is used, everything else is literal. A `|` outside such brackets or a lone
 * backslash makes the whole prompt literal, as there.
 */
import { skipSpace, skipSpaceBack } from './reference_text';

/** `text` holds up to and including model call `until` (counted from 1). */
export interface ScheduledText {
  readonly until: number;
  readonly text: string;
}

export interface ScheduleOptions {
  /** Model calls of the first pass: sampling steps, doubled for second-order samplers; 1 or more. */
  readonly steps: number;
  /** Model calls of the second (hires) pass when its texts are wanted; fractions then count from 1.0. */
  readonly hiresSteps?: number;
  /** Behaviour before version 1.6.0: a number below 1 is a fraction, both passes use the same numbers. */
  readonly oldTimelines?: boolean;
}

type Node = string | Group | Edit | Alternation;
interface Group {
  readonly kind: 'group';
  readonly nodes: readonly Node[];
}
interface Edit {
  readonly kind: 'edit';
  readonly before: readonly Node[];
  readonly after: readonly Node[];
  readonly when: string;
}
interface Alternation {
  readonly kind: 'alternation';
  readonly options: readonly (readonly Node[])[];
}

export interface ParsedSchedule {
  /** False: the text is outside the grammar and is used unchanged for every step. */
  readonly accepted: boolean;
  readonly nodes: readonly Node[];
  readonly whens: readonly string[];
  /** Numbers of options of the alternations; none without any. */
  readonly cycles: ReadonlySet<number>;
}

interface Frame {
  readonly open: '(' | '[';
  readonly parts: Node[][];
  readonly separators: string[];
}

const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const token = /\\[^\n]|\\|[()[\]:|]|[^\\()[\]:|]+/g;

/** Parses the editing grammar in linear time; never throws. */
export function parseSchedule(text: string): ParsedSchedule {
  const root: Node[] = [];
  const stack: Frame[] = [];
  const whens: string[] = [];
  const cycles = new Set<number>();
  const literal: ParsedSchedule = { accepted: false, nodes: [text], whens: [], cycles: new Set() };
  const current = (): Node[] => stack.at(-1)?.parts.at(-1) ?? root;
  /** Turns every open bracket into plain characters; false when that leaves a `|` outside brackets. */
  const loosen = (closer: string): boolean => {
    for (const frame of stack) {
      if (frame.separators.includes('|')) return false;
      root.push(frame.open);
      frame.parts.forEach((part, i) => {
        if (i > 0) root.push(frame.separators[i - 1] ?? '');
        root.push({ kind: 'group', nodes: part });
      });
    }
    stack.length = 0;
    if (closer !== '') root.push(closer);
    return true;
  };

  for (const [found] of text.matchAll(token)) {
    if (found === '\\') return literal;
    if (found === '(' || found === '[') stack.push({ open: found, parts: [[]], separators: [] });
    else if (found === ':' || found === '|') {
      const frame = stack.at(-1);
      if (found === '|' && frame?.open !== '[') return literal;
      if (frame === undefined) root.push(found);
      else {
        frame.separators.push(found);
        frame.parts.push([]);
      }
    } else if (found === ')' || found === ']') {
      const frame = stack.at(-1);
      const node = frame?.open === (found === ')' ? '(' : '[') ? closeFrame(frame, found) : undefined;
      if (node === undefined) {
        if (!loosen(found)) return literal;
        continue;
      }
      stack.pop();
      current().push(node);
      if (typeof node === 'object' && node.kind === 'edit') whens.push(node.when);
      if (typeof node === 'object' && node.kind === 'alternation') cycles.add(node.options.length);
    } else current().push(found);
  }
  return loosen('') ? { accepted: true, nodes: root, whens, cycles } : literal;
}

function closeFrame(frame: Frame, closer: string): Node | undefined {
  const { parts, separators } = frame;
  const bars = separators.filter((s) => s === '|').length;
  const colons = separators.length - bars;
  const first = parts[0] ?? [];
  if (bars === 0 && colons === 0) return { kind: 'group', nodes: [frame.open, ...first, closer] };
  if (frame.open === '(') {
    return colons === 1 ? { kind: 'group', nodes: ['(', ...first, ':', ...(parts[1] ?? []), ')'] } : undefined;
  }
  if (colons === 0) return { kind: 'alternation', options: parts };
  if (bars > 0 || colons > 2) return undefined;
  const when = whenOf(parts.at(-1) ?? []);
  if (when === undefined) return undefined;
  return { kind: 'edit', before: colons === 2 ? first : [], after: parts[colons - 1] ?? [], when };
}

function whenOf(nodes: readonly Node[]): string | undefined {
  const only = nodes[0];
  if (nodes.length !== 1 || typeof only !== 'string') return undefined;
  const start = skipSpace(only, 0);
  const trimmed = only.slice(start, skipSpaceBack(only, only.length, start));
  return number.test(trimmed) ? trimmed : undefined;
}

/**
 * The texts of a prompt over the steps of one pass.
 * @returns at least one entry; `until` rises strictly and ends at the number of steps
 */
export function schedulePrompt(text: string, options: ScheduleOptions): ScheduledText[] {
  const steps = options.hiresSteps ?? options.steps;
  const parsed = parseSchedule(text);
  if (!parsed.accepted) return [{ until: steps, text }];
  const stepOf = (when: string): number => boundary(when, steps, options);
  const ends = new Set<number>([steps]);
  for (const when of parsed.whens) {
    const step = stepOf(when);
    if (step >= 1) ends.add(step);
  }
  const edits = [...ends].sort((a, b) => a - b);
  if (parsed.cycles.size > 0) for (let step = 1; step <= steps; step++) ends.add(step);
  // Steps between the same edits and at the same place of every cycle have one text.
  const cycle = [...parsed.cycles].reduce(leastCommonMultiple, 1);
  const texts = new Map<number, string>();
  return [...ends]
    .sort((a, b) => a - b)
    .map((until) => {
      const key = edits.findIndex((end) => until <= end) * cycle + ((until - 1) % cycle);
      const text = texts.get(key) ?? render(parsed.nodes, until, stepOf);
      texts.set(key, text);
      return { until, text };
    });
}

/** Of whole numbers; large enough to tell all steps apart is enough. */
function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return Math.min((a / x) * b, 2 ** 20);
}

function boundary(when: string, steps: number, options: ScheduleOptions): number {
  const value = Number(when);
  const hires = options.hiresSteps !== undefined;
  let step: number;
  if (options.oldTimelines === true) step = value < 1 ? value * steps : value;
  else if (when.includes('.')) step = (value - (hires ? 1 : 0)) * steps;
  else step = value - (hires ? options.steps : 0);
  return Math.min(steps, Math.trunc(step));
}

function render(nodes: readonly Node[], step: number, stepOf: (when: string) => number): string {
  const out: string[] = [];
  // An own stack: brackets nest as deep as the prompt is long, the call stack does not.
  const pending: { readonly nodes: readonly Node[]; at: number }[] = [{ nodes, at: 0 }];
  for (let top = pending.at(-1); top !== undefined; top = pending.at(-1)) {
    const node = top.nodes[top.at++];
    if (node === undefined) pending.pop();
    else if (typeof node === 'string') out.push(node);
    else pending.push({ nodes: chosen(node, step, stepOf), at: 0 });
  }
  return out.join('');
}

function chosen(node: Group | Edit | Alternation, step: number, stepOf: (when: string) => number): readonly Node[] {
  switch (node.kind) {
    case 'group':
      return node.nodes;
    case 'edit':
      return step <= stepOf(node.when) ? node.before : node.after;
    case 'alternation':
      return node.options[(step - 1) % node.options.length] ?? [];
  }
}
