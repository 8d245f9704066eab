/** LoRA tags of a prompt → adapter files → the stack a model runs with. */
import type { TensorIndex } from '../formats/tensor_index';
import { loraInput } from '../graph/passes/lora';
import { loraParts, readLoraStack, type LoraRequest, type LoraStack } from '../models/lora/stack';
import { isLoraProblem, readLoras, type NetworkTag } from '../prompt/extra_networks';
import type { LoadedModel } from './loaded_model';

/** An adapter file as the host finds it by the name of a tag. */
export interface LoraFile {
  /** Tied to the content, for example its SHA-256. */
  readonly id: string;
  readonly index: TensorIndex;
  /** First 12 hex digits of the hash of its tensors, for the infotext. */
  readonly shortHash?: string;
}

export type ResolveLora = (name: string) => Promise<LoraFile | undefined>;

export interface Networks {
  /** Names of the tags that were found, in order. */
  readonly names: readonly string[];
  readonly hashes: ReadonlyMap<string, string>;
  readonly notices: readonly string[];
}

const NONE: Networks = { names: [], hashes: new Map(), notices: [] };

interface Held {
  readonly key: string;
  readonly requests: readonly LoraRequest[];
  readonly stack: LoraStack;
}

/** The stacks of the models of a session; files are read again only when the list of files changes. */
export class NetworkStacks {
  readonly #held = new WeakMap<LoadedModel, Held>();

  /**
   * Puts the tags' adapters onto a model, or takes all away when there are none.
   * @returns names, hashes and what the user should know: missing files, keys without a layer, malformed tags
   */
  async activate(
    model: LoadedModel,
    tags: readonly NetworkTag[],
    resolve: ResolveLora | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Networks> {
    const notices: string[] = [];
    const requests: LoraRequest[] = [];
    const hashes = new Map<string, string>();
    const names: string[] = [];
    for (const lora of readLoras(tags)) {
      if (isLoraProblem(lora)) {
        notices.push(`<lora:${lora.items.join(':')}>: is not a name and numbers; it was left out.`);
        continue;
      }
      const file = await resolve?.(lora.name);
      if (!file) {
        notices.push(`<lora:${lora.name}>: no such file; it was left out.`);
        continue;
      }
      if (lora.rank !== undefined) notices.push(`<lora:${lora.name}>: the rank limit was ignored.`);
      names.push(lora.name);
      if (file.shortHash !== undefined) hashes.set(lora.name, file.shortHash);
      const again = requests.filter(({ id }) => id.split('#')[0] === file.id).length;
      requests.push({
        id: again > 0 ? `${file.id}#${again + 1}` : file.id,
        index: file.index,
        unetStrength: lora.denoiser,
        textStrength: lora.textEncoder,
      });
    }
    if (requests.length === 0) {
      model.useStack(undefined);
      return { ...NONE, notices };
    }
    const stack = await this.#stack(model, requests, signal);
    model.useStack(stack);
    for (const report of stack.reports) {
      const left = report.unmatched.length + report.misfits.length;
      if (left === 0) continue;
      const example = report.misfits[0] ?? report.unmatched[0] ?? '';
      notices.push(`${report.file}: ${left} of ${report.keys} tensors fit nothing in this model (first: ${example}).`);
    }
    return { names, hashes, notices };
  }

  async #stack(
    model: LoadedModel,
    requests: readonly LoraRequest[],
    signal: AbortSignal | undefined,
  ): Promise<LoraStack> {
    const held = this.#held.get(model);
    const key = requests.map(({ id }) => id).join('+');
    const moved = held?.key === key ? withStrengths(model, held.stack, requests) : undefined;
    if (held && moved && sameStrengths(held.requests, requests)) return held.stack;
    const stack = moved ?? (await readLoraStack(loraParts(model.detected), requests, signal));
    this.#held.set(model, { key, requests, stack });
    return stack;
  }
}

function sameStrengths(a: readonly LoraRequest[], b: readonly LoraRequest[]): boolean {
  return a.every((r, i) => r.unetStrength === b[i]?.unetStrength && r.textStrength === b[i]?.textStrength);
}

/** The same stack at other strengths; undefined when some are merged into weights, which must be read again then. */
function withStrengths(model: LoadedModel, stack: LoraStack, requests: readonly LoraRequest[]): LoraStack | undefined {
  const merged = [...stack.parts.values()].some(({ loras }) =>
    loras.some(({ layers }) => [...layers.values()].flat().some((update) => update.kind === 'replace')),
  );
  if (merged) return undefined;
  const parts = new Map(
    [...stack.parts].map(([part, own]) => {
      const strengths = new Map(own.strengths);
      for (const { id, unetStrength, textStrength } of requests) {
        const input = loraInput(id);
        if (strengths.has(input)) strengths.set(input, part === model.detected.denoiser ? unetStrength : textStrength);
      }
      return [part, { ...own, strengths }] as const;
    }),
  );
  return { ...stack, parts };
}
