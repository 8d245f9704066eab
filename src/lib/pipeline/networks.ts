/** LoRA tags of a prompt → adapter files → the stack a model runs with. */
import type { TensorIndex } from '../formats/tensor_index';
import { loraInput } from '../graph/passes/lora';
import { blockWeights, BLOCK_WEIGHT_COUNTS } from '../models/lora/block_weights';
import { adapterFamily } from '../models/lora/family';
import { loraParts, readLoraStack, type LoraReport, type LoraRequest, type LoraStack } from '../models/lora/stack';
import { familyById } from '../models/registry';
import {
  isLoraProblem,
  readLoras,
  type LoraRequest as LoraTag,
  type NetworkTag,
  type StrengthSchedule,
} from '../prompt/extra_networks';
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
  readonly notices: readonly NetworkNotice[];
}

/** What the user should know of an adapter; `details` lists every tensor concerned. */
export interface NetworkNotice {
  readonly message: string;
  readonly details?: readonly string[];
}

/** A file of which less fits was made for another family. */
const LEAST_SHARE = 0.5;

const NONE: Networks = { names: [], hashes: new Map(), notices: [] };

interface Named extends LoraRequest {
  readonly name: string;
  readonly schedule?: StrengthSchedule;
}

interface Held {
  readonly key: string;
  readonly requests: readonly Named[];
  readonly stack: LoraStack;
}

/** The stacks of the models of a session; files are read again only when the list of files changes. */
export class NetworkStacks {
  readonly #held = new WeakMap<LoadedModel, Held>();

  /**
   * Puts the tags' adapters onto a model, or takes all away when there are none. A file of which less than half fits is
   * left out.
   * @param merge  merges into weights instead of running beside them
   * @returns names, hashes and what the user should know: missing files, keys without a layer, malformed tags
   */
  async activate(
    model: LoadedModel,
    tags: readonly NetworkTag[],
    resolve: ResolveLora | undefined,
    { signal, merge = false }: { signal?: AbortSignal | undefined; merge?: boolean } = {},
  ): Promise<Networks> {
    const notices: NetworkNotice[] = [];
    const hashes = new Map<string, string>();
    let requests: Named[] = [];
    for (const lora of readLoras(tags)) {
      if (isLoraProblem(lora)) {
        notices.push({ message: `<lora:${lora.items.join(':')}>: is not a name and numbers; it was left out.` });
        continue;
      }
      const file = await resolve?.(lora.name);
      if (!file) {
        notices.push({ message: `<lora:${lora.name}>: no such file; it was left out.` });
        continue;
      }
      if (file.shortHash !== undefined) hashes.set(lora.name, file.shortHash);
      requests.push(requestOf(lora, file, requests, notices));
    }
    let stack = requests.length > 0 ? await this.#stack(model, requests, { signal, merge }) : undefined;
    const foreign = new Set(stack?.reports.filter(isForeign).map(({ id }) => id));
    if (stack && foreign.size > 0) {
      for (const report of stack.reports) {
        const request = requests.find(({ id }) => id === report.id);
        if (!request || !foreign.has(report.id)) continue;
        notices.push(foreignNotice(request, report, model));
        hashes.delete(request.name);
      }
      requests = requests.filter(({ id }) => !foreign.has(id));
      stack = requests.length > 0 ? await this.#stack(model, requests, { signal, merge }) : undefined;
    }
    const schedules = requests.flatMap(({ id, schedule }) => (schedule ? [[loraInput(id), schedule] as const] : []));
    model.useStack(stack, new Map(schedules));
    for (const report of stack?.reports ?? []) notices.push(...leftOver(report));
    const names = requests.map(({ name }) => name);
    return requests.length === 0 ? { ...NONE, notices } : { names, hashes, notices };
  }

  async #stack(
    model: LoadedModel,
    requests: readonly Named[],
    options: { signal: AbortSignal | undefined; merge: boolean },
  ): Promise<LoraStack> {
    const held = this.#held.get(model);
    const key = `${options.merge ? 'merged ' : ''}${requests.map(({ id }) => id).join('+')}`;
    const moved = held?.key === key ? withStrengths(model, held.stack, requests) : undefined;
    if (held?.key === key && sameStrengths(held.requests, requests)) return held.stack;
    const stack = moved ?? (await readLoraStack(loraParts(model.detected), requests, options));
    this.#held.set(model, { key, requests, stack });
    return stack;
  }
}

/** A tag with its file; equal files are numbered, and what changes the factors is part of the id. */
function requestOf(lora: LoraTag, file: LoraFile, before: readonly Named[], notices: NetworkNotice[]): Named {
  const weights = lora.blocks && blockWeights(lora.blocks);
  if (lora.blocks && !weights) {
    notices.push({
      message: `<lora:${lora.name}>: lbw takes ${BLOCK_WEIGHT_COUNTS.join(', ')} numbers, got ${lora.blocks.length}; the block weights were left out.`,
    });
  }
  const variant = [weights ? `lbw ${lora.blocks?.join()}` : '', lora.rank === undefined ? '' : `rank ${lora.rank}`];
  const base = [file.id, ...variant.filter((part) => part !== '')].join('~');
  const again = before.filter(({ id }) => id.split('#')[0] === base).length;
  return {
    id: again > 0 ? `${base}#${again + 1}` : base,
    name: lora.name,
    index: file.index,
    unetStrength: lora.denoiser,
    textStrength: lora.textEncoder,
    ...(lora.rank === undefined ? {} : { rank: lora.rank }),
    ...(weights ? { layerWeight: weights } : {}),
    ...(lora.schedule ? { schedule: lora.schedule } : {}),
  };
}

function isForeign({ keys, matchedKeys }: LoraReport): boolean {
  return keys > 0 && matchedKeys / keys < LEAST_SHARE;
}

function foreignNotice({ name, index }: Named, report: LoraReport, model: LoadedModel): NetworkNotice {
  const family = adapterFamily(index.tensors);
  const own = model.detected.family;
  const made =
    family === own.id
      ? `another size of ${own.label}`
      : family === undefined
        ? 'another model family'
        : (familyById(family)?.label ?? family);
  const example = report.misfits[0] ?? `no layer for ${report.unmatched[0] ?? 'its tensors'}`;
  return {
    message: `<lora:${name}>: was made for ${made}, this model is ${own.label}: ${report.matchedKeys} of ${report.keys} tensors fit; it was left out. ${example}`,
    details: [...report.misfits, ...report.unmatched],
  };
}

function leftOver(report: LoraReport): NetworkNotice[] {
  const details = [...report.misfits, ...report.unmatched];
  if (details.length === 0) return [];
  return [
    {
      message: `${report.file}: ${details.length} of ${report.keys} tensors fit nothing in this model (first: ${details[0] ?? ''}).`,
      details,
    },
  ];
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
