/** From the texts of a job to what the text encoders must be run on. Knows no encoder and no tokenizer. */
import { splitComposition } from './composition';
import { extractNetworks } from './extra_networks';
import type { NetworkTag } from './extra_networks';
import { schedulePrompt } from './schedule';
import type { ScheduleOptions } from './schedule';
import { applyStyles } from './styles';
import type { Style } from './styles';

/** The condition `text` (index into `texts`) holds up to and including model call `until`. */
export interface PlanRange {
  readonly until: number;
  readonly text: number;
}

export interface PlanPart {
  readonly weight: number;
  readonly ranges: readonly PlanRange[];
  /** The texts of the part's schedule, and how often each stands in it: what the web UIs encode as one batch. */
  readonly batch: readonly { readonly text: number; readonly count: number }[];
}

/** Distinct texts to encode, and for every AND part which of them holds when. */
export interface EncodePlan {
  readonly texts: readonly string[];
  readonly parts: readonly PlanPart[];
}

export interface EncodePlanOptions extends ScheduleOptions {
  /** Negative prompts are not split at AND. */
  readonly negative?: boolean;
  /** AND and editing are text: ComfyUI knows neither. */
  readonly plain?: boolean;
}

/**
 * Plans one prompt (styles applied, tags removed). Equal texts are encoded once; neighbouring ranges of equal text
 * are one.
 */
export function encodePlan(prompt: string, options: EncodePlanOptions): EncodePlan {
  const indexOf = new Map<string, number>();
  const whole = options.negative === true || options.plain === true;
  const subPrompts = whole ? [{ text: prompt, weight: 1 }] : splitComposition(prompt);
  const parts = subPrompts.map(({ text, weight }) => {
    const ranges: PlanRange[] = [];
    const counts = new Map<number, number>();
    const schedule = options.plain === true ? [{ until: Infinity, text }] : schedulePrompt(text, options);
    for (const entry of schedule) {
      const index = indexOf.get(entry.text) ?? indexOf.size;
      indexOf.set(entry.text, index);
      counts.set(index, (counts.get(index) ?? 0) + 1);
      if (ranges.at(-1)?.text === index) ranges.pop();
      ranges.push({ until: entry.until, text: index });
    }
    return { weight, ranges, batch: [...counts].map(([index, count]) => ({ text: index, count })) };
  });
  return { texts: [...indexOf.keys()], parts };
}

/** The text index of a part at a model call counted from 1. */
export function textIndexAt(part: PlanPart, call: number): number {
  return (part.ranges.find((range) => call <= range.until) ?? part.ranges.at(-1))?.text ?? 0;
}

export interface PreparedPrompt {
  /** Styles applied, comments removed; what the infotext records. */
  readonly styledPrompt: string;
  readonly styledNegative: string;
  /** The styled prompt without its tags; what is encoded. */
  readonly cleaned: string;
  readonly tags: readonly NetworkTag[];
  readonly missingStyles: readonly string[];
}

export interface PrepareOptions {
  readonly styles?: readonly Style[];
  readonly styleNames?: readonly string[];
  /** Remove `#` comments; default true. */
  readonly comments?: boolean;
}

/** Comments, styles and tags of a job's two texts. The negative prompt is not searched for tags. */
export function preparePrompt(prompt: string, negative: string, options: PrepareOptions = {}): PreparedPrompt {
  const styled = applyStyles({ prompt, negative }, options.styleNames ?? [], options.styles ?? [], options.comments);
  const { text, tags } = extractNetworks(styled.prompt);
  return {
    styledPrompt: styled.prompt,
    styledNegative: styled.negative,
    cleaned: text,
    tags,
    missingStyles: styled.missing,
  };
}
