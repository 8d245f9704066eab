/**
 * A stack of adapters on a model: matching, order, and the split between what stays a side path (strength is an input
 * of the graph) and what must be merged into a weight because it depends on it (DoRA, GLoRA, OFT, (IA)³, norms).
 */
import { throwIfAborted } from '../../base/abort';
import { AppError } from '../../base/errors';
import { elementCount, type Shape } from '../../base/shape';
import type { TensorIndex } from '../../formats/tensor_index';
import { loadWeight } from '../../graph/load_weight';
import { memoryWeight } from '../../graph/memory_weight';
import { applyLora, loraInput, type LayerUpdate, type Lora } from '../../graph/passes/lora';
import { weightShape } from '../../graph/weights';
import type { DetectedModel } from '../family';
import type { BuiltGraph, ModelPart } from '../part';
import { fullDelta, readPatch, type LayerPatch } from './flavours';
import { adapterLayers, type AdapterLayer } from './keys';
import { declaredScales } from './metadata';
import { adapterTargets, type Target, type TargetMap } from './targets';

export interface LoraRequest {
  /** Unique in the stack and tied to the file's content (its hash): compiled programs are cached by it. */
  readonly id: string;
  readonly index: TensorIndex;
  readonly unetStrength: number;
  readonly textStrength: number;
  /** Only the first so many ranks of low-rank layers. */
  readonly rank?: number;
  /** Further strength of a denoiser layer by its name; part of what `id` stands for. */
  readonly layerWeight?: (layer: string) => number;
}

export interface StackOptions {
  readonly signal?: AbortSignal | undefined;
  /** Merges everything into weights: no side path, at the cost of memory and of reading again for other strengths. */
  readonly merge?: boolean;
}

export interface LoraReport {
  readonly id: string;
  readonly file: string;
  readonly keys: number;
  readonly matchedKeys: number;
  /** Tensor names that met no layer of the model, or belong to no known flavour. */
  readonly unmatched: readonly string[];
  /** Layers whose factors do not fit the model's weight, with the reason. */
  readonly misfits: readonly string[];
}

/** What a stack does to one part; `applyStack` puts it into a graph. */
export interface PartStack {
  readonly loras: readonly Lora[];
  /** Graph input → value: `[1]` f32 tensors that every run needs. */
  readonly strengths: ReadonlyMap<string, number>;
}

export interface LoraStack {
  /** By part; parts that no adapter touches are absent. */
  readonly parts: ReadonlyMap<ModelPart, PartStack>;
  readonly reports: readonly LoraReport[];
}

/** One patch of one file on one layer of the model, cut to the layer's rows. */
interface Step {
  readonly request: LoraRequest;
  readonly strength: number;
  readonly patch: LayerPatch;
  /** Rows of the patch that are this layer; the whole patch when absent. */
  readonly rows: Target['rows'];
  /** The fused weight that the patch is about. */
  readonly fused: readonly Target[];
  readonly shape: Shape;
}

function shapeOf(target: Target): Shape {
  const weight = target.part.weights.get(`${target.layer}.weight`);
  return weight ? weightShape(weight) : [];
}

/** Targets in row order, and the shape of the weight that they make together. */
function fusedShape(targets: readonly Target[]): { ordered: readonly Target[]; shape: Shape } {
  const ordered = [...targets].sort((a, b) => (a.rows?.start ?? 0) - (b.rows?.start ?? 0));
  const [first] = ordered;
  const inner = first ? shapeOf(first).slice(1) : [];
  const rows = ordered.reduce((sum, target) => sum + (shapeOf(target)[0] ?? 0), 0);
  return { ordered, shape: [rows, ...inner] };
}

/** Reads every layer of a file that meets the model. */
async function readSteps(
  request: LoraRequest,
  targets: TargetMap,
  steps: Map<ModelPart, Map<string, Step[]>>,
  signal: AbortSignal | undefined,
): Promise<LoraReport> {
  const { index } = request;
  const { layers, unknown } = adapterLayers(index.tensors);
  const scales = declaredScales(index.metadata);
  const unmatched = [...unknown];
  const misfits: string[] = [];
  let matchedKeys = 0;
  for (const layer of layers) {
    throwIfAborted(signal);
    const found = targets.get(layer.name);
    const [first] = found ?? [];
    if (!found || !first) {
      unmatched.push(...layer.keys);
      continue;
    }
    const { ordered, shape } = fusedShape(found);
    try {
      const whole = await readLayer(layer, shape, scales(layer.name), signal);
      const patch = request.rank === undefined ? whole : limitRank(whole, request.rank);
      matchedKeys += layer.keys.length;
      const strength = first.part.role === 'denoiser' ? request.unetStrength : request.textStrength;
      for (const target of ordered) {
        const own = steps.get(target.part) ?? new Map<string, Step[]>();
        steps.set(target.part, own);
        const rows = ordered.length > 1 ? target.rows : undefined;
        own.set(target.layer, [
          ...(own.get(target.layer) ?? []),
          {
            request,
            strength,
            patch: weighted(patch, first.part.role === 'denoiser' ? request.layerWeight?.(target.layer) : undefined),
            rows,
            fused: ordered,
            shape,
          },
        ]);
      }
    } catch (error) {
      // One wrong layer does not spoil the others; the report says what was left out.
      if (!(error instanceof AppError) || !error.code.startsWith('lora/')) throw error;
      misfits.push(error.message);
    }
  }
  return { id: request.id, file: index.name, keys: index.tensors.size, matchedKeys, unmatched, misfits };
}

function readLayer(layer: AdapterLayer, shape: Shape, scale: number | undefined, signal: AbortSignal | undefined) {
  return readPatch(layer, shape, {
    ...(scale === undefined ? {} : { declaredScale: scale }),
    ...(signal ? { signal } : {}),
  });
}

/** The first ranks of a low-rank patch, with the scale of all. Source: Forge's `dyn` argument. */
function limitRank(patch: LayerPatch, most: number): LayerPatch {
  const { weight } = patch;
  if (weight?.kind !== 'low-rank' || weight.mid || weight.rank <= most || most < 1) return patch;
  const { rank, down, up } = weight;
  const row = down.length / rank;
  const kept = Float32Array.from({ length: (up.length / rank) * most }, (_, i) => {
    const at = Math.floor(i / most) * rank + (i % most);
    return up[at] ?? 0;
  });
  return { ...patch, weight: { ...weight, rank: most, down: down.slice(0, most * row), up: kept } };
}

/** A patch of other strength; one that depends on its weight is blended less. */
function weighted(patch: LayerPatch, factor = 1): LayerPatch {
  if (factor === 1) return patch;
  const { weight, bias } = patch;
  const scaled = (data: Float32Array) => data.map((value) => value * factor);
  const change =
    weight?.kind === 'low-rank'
      ? { ...weight, scale: weight.scale * factor }
      : weight?.kind === 'delta'
        ? { ...weight, delta: scaled(weight.delta) }
        : weight && {
            ...weight,
            apply: (base: Float32Array, strength: number) => weight.apply(base, strength * factor),
          };
  return { ...(change ? { weight: change } : {}), ...(bias ? { bias: scaled(bias) } : {}) };
}

/** Rows of a row-major matrix. */
function cut(data: Float32Array, rows: Target['rows'], totalRows: number): Float32Array {
  if (!rows) return data;
  const width = data.length / totalRows;
  return data.slice(rows.start * width, (rows.start + rows.count) * width);
}

const isTransform = (step: Step) => step.patch.weight?.kind === 'transform';

/** Layers that no graph node multiplies by: their weights are merged, whatever the flavour. */
const isNorm = (step: Step) => step.shape.length < 2;

function sideUpdates(layer: string, step: Step): LayerUpdate[] {
  const { weight, bias } = step.patch;
  const updates: LayerUpdate[] = [];
  const total = step.shape[0] ?? 1;
  if (weight?.kind === 'low-rank') {
    const { rank, down, mid, scale } = weight;
    updates.push({
      kind: 'low-rank',
      rank,
      down,
      up: cut(weight.up, step.rows, total),
      scale,
      ...(mid ? { mid } : {}),
    });
  } else if (weight?.kind === 'delta') {
    const rows = step.rows?.count ?? total;
    const data = Float32Array.from(cut(weight.delta, step.rows, total));
    const name = `lora:${step.request.id}:${layer}`;
    updates.push({ kind: 'delta', weight: memoryWeight(name, [rows, ...step.shape.slice(1)], data) });
  }
  if (bias) updates.push({ kind: 'bias', data: cut(bias, step.rows, total) });
  return updates;
}

/** The weight after all `steps`, each on what the one before left. */
async function mergeWeight(
  target: Target,
  steps: readonly Step[],
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  const [first] = steps;
  const fused = first?.fused ?? [target];
  const parts = await Promise.all(
    fused.map((one) => {
      const weight = one.part.weights.get(`${one.layer}.weight`);
      return weight ? loadWeight(weight, weightShape(weight), signal) : Promise.resolve(new Float32Array(0));
    }),
  );
  let weight = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    weight.set(part, at);
    at += part.length;
  }
  for (const { patch, strength, shape } of steps) {
    const change = patch.weight;
    if (!change) continue;
    if (change.kind === 'transform') weight = Float32Array.from(change.apply(weight, strength));
    else {
      const delta = fullDelta(change, shape);
      weight = weight.map((value, i) => value + strength * (delta[i] ?? 0));
    }
  }
  return Float32Array.from(cut(weight, first?.rows, first?.shape[0] ?? 1));
}

class PartBuilder {
  readonly #layers = new Map<string, Map<string, LayerUpdate[]>>();
  readonly strengths = new Map<string, number>();

  add(id: string, layer: string, updates: readonly LayerUpdate[], strength: number | undefined): void {
    if (updates.length === 0) return;
    const own = this.#layers.get(id) ?? new Map<string, LayerUpdate[]>();
    this.#layers.set(id, own);
    own.set(layer, [...(own.get(layer) ?? []), ...updates]);
    if (strength !== undefined) this.strengths.set(loraInput(id), strength);
  }

  finish(order: readonly string[]): PartStack {
    const loras = order.flatMap((id) => {
      const layers = this.#layers.get(id);
      return layers ? [{ id, layers }] : [];
    });
    return { loras, strengths: this.strengths };
  }
}

/** Everything up to and including the last patch that depends on the weight is merged; the rest stays beside it. */
async function buildLayer(
  builder: PartBuilder,
  target: Target,
  steps: readonly Step[],
  { signal, merge = false }: StackOptions,
): Promise<void> {
  const last = merge ? steps.length - 1 : steps.findLastIndex((step) => isTransform(step) || isNorm(step));
  const merged = steps.slice(0, last + 1);
  const mergedId = merged.at(-1)?.request.id;
  if (mergedId !== undefined) {
    const data = await mergeWeight(target, merged, signal);
    const content = merged.map(({ request, strength }) => `${request.id}*${strength}`).join('+');
    const shape = shapeOf(target);
    if (data.length !== elementCount(shape)) return;
    const weight = memoryWeight(`${content}:${target.layer}`, shape, data);
    builder.add(mergedId, `${target.layer}.weight`, [{ kind: 'replace', weight }], undefined);
    for (const step of merged) await addMergedBias(builder, target, step, content, signal);
  }
  for (const step of steps.slice(last + 1)) {
    builder.add(step.request.id, target.layer, sideUpdates(target.layer, step), step.strength);
  }
}

async function addMergedBias(
  builder: PartBuilder,
  target: Target,
  step: Step,
  content: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { bias } = step.patch;
  if (!bias) return;
  const added = cut(bias, step.rows, step.shape[0] ?? 1);
  const stored = target.part.weights.get(`${target.layer}.bias`);
  if (!isNorm(step) || !stored) {
    builder.add(step.request.id, target.layer, [{ kind: 'bias', data: added }], step.strength);
    return;
  }
  const base = await loadWeight(stored, weightShape(stored), signal);
  const data = Float32Array.from(base, (value, i) => value + step.strength * (added[i] ?? 0));
  const weight = memoryWeight(`${content}:${target.layer}.bias`, weightShape(stored), data);
  builder.add(step.request.id, `${target.layer}.bias`, [{ kind: 'replace', weight }], undefined);
}

/**
 * Reads a stack of adapter files for the parts of a model.
 * @param parts denoiser and text encoders (in their family's order)
 * @param requests in prompt order; order matters for DoRA and its kind
 * @throws AppError 'job/cancelled', 'file/…' of reading
 */
export async function readLoraStack(
  parts: { denoiser?: ModelPart; encoders: readonly ModelPart[] },
  requests: readonly LoraRequest[],
  options: StackOptions = {},
): Promise<LoraStack> {
  const { signal } = options;
  const targets = adapterTargets(parts);
  const steps = new Map<ModelPart, Map<string, Step[]>>();
  const reports: LoraReport[] = [];
  for (const request of requests) reports.push(await readSteps(request, targets, steps, signal));
  const order = requests.map((request) => request.id);
  const built = new Map<ModelPart, PartStack>();
  for (const [part, layers] of steps) {
    const builder = new PartBuilder();
    for (const [layer, own] of layers) await buildLayer(builder, { part, layer }, own, options);
    built.set(part, builder.finish(order));
  }
  return { parts: built, reports };
}

/** The parts of a model as `readLoraStack` takes them. */
export function loraParts(model: DetectedModel): { denoiser: ModelPart; encoders: readonly ModelPart[] } {
  const encoders = model.family.encoders.flatMap((slot) => model.textEncoders.get(slot.id) ?? []);
  return { denoiser: model.denoiser, encoders };
}

/**
 * A built graph with the stack's part in it. Every run then needs the inputs of `strengths`.
 * Layers that the graph does not contain (skipped text encoder layers) are ignored.
 */
export function applyStack(
  built: BuiltGraph,
  part: ModelPart,
  stack: LoraStack,
): BuiltGraph & Pick<PartStack, 'strengths'> {
  const own = stack.parts.get(part);
  if (!own || own.loras.length === 0) return { ...built, strengths: new Map() };
  const { graph, weights } = applyLora(built.graph, built.weights, own.loras);
  const strengths = new Map([...own.strengths].filter(([name]) => graph.inputs.has(name)));
  return { graph, weights, strengths };
}
