/** The stages of a generation as graphs with their planned memory: what the fit verdict and the cost tables add up. */
import type { MemoryPlan } from '../backends/backend';
import { planWebgpu } from '../backends/webgpu/backend';
import { KERNEL_VARIANTS } from '../backends/webgpu/variants';
import { defaultTuning, type Tuning } from '../backends/webgpu/tuning';
import { AppError } from '../base/errors';
import { elementCount } from '../base/shape';
import { graphCost } from '../graph/cost';
import { guidanceRows } from '../graph/passes/guidance_rows';
import type { Graph } from '../graph/ir';
import type { DetectedModel, TextEncoderSlot } from '../models/family';
import type { BuiltGraph } from '../models/part';
import { buildTextEncoder } from '../models/text';
import { buildVaeDecoder } from '../models/vae';
import { packedBytes, quantType } from '../quant/registry';

export interface DeviceLimits {
  /** Largest buffer. */
  readonly maxBufferBytes: number;
  /** Largest range that a kernel can bind: no single tensor may exceed it. */
  readonly maxBindingBytes: number;
}

/** What is generated, as far as memory and time depend on it. */
export interface PictureSpec {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Pictures at once. */
  readonly batch: number;
  /** Rows of text in the denoiser's context where the family does not fix them. */
  readonly promptTokens: number;
}

export type StageName = 'text-encoder' | 'denoiser' | 'decoder';

/** One way to run one stage. */
export interface StagePlan {
  readonly stage: StageName;
  /** Encoder id, or how the stage runs: `guidance batch`, `one condition at a time`, `whole`, `512 px tiles`. */
  readonly variant: string;
  readonly weightsBytes: number;
  /** Intermediates, inputs and outputs. */
  readonly arenaBytes: number;
  readonly naiveArenaBytes: number;
  readonly peakBytes: number;
  /** Weights on the device when the blocks of the network pass through one after the other, two held at a time. */
  readonly streamedWeightsBytes: number;
  /** One run of the stage's graph; see `runs`. */
  readonly flops: number;
  /** Runs of the graph per use: tiles of a picture, conditions one at a time. */
  readonly runs: number;
}

export type StageResult =
  StagePlan | { readonly stage: StageName; readonly variant: string; readonly refusal: AppError };

export function isPlanned(result: StageResult): result is StagePlan {
  return !('refusal' in result);
}

/** Kernels of a device on which every variant works. */
export const USUAL_TUNING: Tuning = defaultTuning({
  enabled: new Set(KERNEL_VARIANTS.map(({ id }) => id)),
  fullGroups: 64,
  halfFloats: true,
});

const BLOCK = /^(.*(?:blocks?|layers|resnets|attentions|refiner)\.\d+)\./;

/** Share of stored weight bytes that must be on the device when blocks are streamed, double buffered. */
function streamedShare(graph: Graph): number {
  const blocks = new Map<string, number>();
  let total = 0;
  let rest = 0;
  for (const value of graph.values) {
    if (value.source.kind !== 'weight') continue;
    const bytes = packedBytes(quantType(value.source.type), elementCount(value.shape));
    total += bytes;
    const block = BLOCK.exec(value.source.name)?.[1];
    if (block === undefined) rest += bytes;
    else blocks.set(block, (blocks.get(block) ?? 0) + bytes);
  }
  const largest = Math.max(0, ...blocks.values());
  return total === 0 ? 1 : Math.min(1, (rest + 2 * largest) / total);
}

function planStage(
  stage: StageName,
  variant: string,
  build: () => BuiltGraph,
  limits: DeviceLimits,
  runs = 1,
): StageResult {
  try {
    const { graph, weights } = build();
    const plan: MemoryPlan = planWebgpu(graph, weights, limits, USUAL_TUNING);
    return {
      stage,
      variant,
      weightsBytes: plan.weightsBytes,
      arenaBytes: plan.arenaBytes,
      naiveArenaBytes: plan.naiveArenaBytes,
      peakBytes: plan.peakBytes,
      streamedWeightsBytes: Math.ceil(plan.weightsBytes * streamedShare(graph)),
      flops: graphCost(graph).flops,
      runs,
    };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { stage, variant, refusal: error };
  }
}

function slotTokens({ tokenizer, chunkTokens, minTokens, maxTokens }: TextEncoderSlot, promptTokens: number): number {
  if (tokenizer === 'clip') return chunkTokens ?? maxTokens;
  return Math.min(maxTokens, Math.max(minTokens ?? 1, promptTokens));
}

/** Rows of the denoiser's context: CLIP encoders share theirs (joined along the width), others follow. */
export function contextTokens({ family }: Pick<DetectedModel, 'family'>, promptTokens: number): number {
  const hidden = family.encoders.filter((slot) => slot.hidden);
  const clip = hidden.find((slot) => slot.tokenizer === 'clip');
  const others = hidden.filter((slot) => slot.tokenizer !== 'clip');
  return [...(clip ? [clip] : []), ...others].reduce((sum, slot) => sum + slotTokens(slot, promptTokens), 0);
}

/** Text encoders that the files have, each encoding one prompt. */
export function encoderGraphs(model: DetectedModel, promptTokens: number): { id: string; build: () => BuiltGraph }[] {
  return model.family.encoders
    .filter((slot) => model.textEncoders.has(slot.id))
    .map((slot) => {
      const tokens = slotTokens(slot, promptTokens);
      const spec = { batch: 1, tokens, mask: slot.masked === true && slot.tokenizer !== 'clip' };
      return { id: slot.id, build: () => buildTextEncoder(model, slot.id, spec) };
    });
}

/** The denoiser for `rows` conditions in one run, as the pipeline builds it. */
export function denoiserGraph(model: DetectedModel, spec: PictureSpec, rows: number): BuiltGraph {
  const { stride } = model.latent;
  const built = model.family.buildDenoiser(model, {
    batch: rows * spec.batch,
    height: spec.heightPx / stride,
    width: spec.widthPx / stride,
    tokens: contextTokens(model, spec.promptTokens),
  });
  if (rows === 1) return built;
  return { ...built, graph: guidanceRows(built.graph, rows, ['x', 'timestep'], 'prediction') };
}

/** The decoder for one picture, or for one tile of `tilePx`. */
export function decoderGraph(model: DetectedModel, size: { widthPx: number; heightPx: number }): BuiltGraph {
  const { stride } = model.latent;
  return buildVaeDecoder(model, { batch: 1, height: size.heightPx / stride, width: size.widthPx / stride });
}

/** Sides of decoder tiles to try, pixels, and the share of a side that neighbours overlap. */
const TILE_SIDES_PX = [512, 256] as const;
const TILE_OVERLAP = 1 / 4;

function tilesAlong(sidePx: number, tilePx: number): number {
  const step = tilePx * (1 - TILE_OVERLAP);
  return sidePx <= tilePx ? 1 : Math.ceil((sidePx - tilePx) / step) + 1;
}

export interface StageTable {
  readonly encoders: readonly StageResult[];
  /** Fastest first. */
  readonly denoiser: readonly StageResult[];
  /** Whole picture, then ever smaller tiles; empty without an autoencoder. */
  readonly decoder: readonly StageResult[];
}

/**
 * Every way to run every stage of a picture on a device.
 * @param guided two conditions per step (guidance scale other than 1)
 */
export function planStages(model: DetectedModel, spec: PictureSpec, limits: DeviceLimits, guided: boolean): StageTable {
  const encoders = encoderGraphs(model, spec.promptTokens).map(({ id, build }) =>
    planStage('text-encoder', id, build, limits),
  );
  const single = planStage(
    'denoiser',
    guided ? 'one condition at a time' : 'whole',
    () => denoiserGraph(model, spec, 1),
    limits,
    guided ? 2 : 1,
  );
  const denoiser = guided
    ? [planStage('denoiser', 'guidance batch', () => denoiserGraph(model, spec, 2), limits), single]
    : [single];
  const decoder: StageResult[] = [];
  if (model.vae) {
    decoder.push(planStage('decoder', 'whole', () => decoderGraph(model, spec), limits));
    for (const tilePx of TILE_SIDES_PX) {
      if (spec.widthPx <= tilePx && spec.heightPx <= tilePx) continue;
      const tile = { widthPx: Math.min(tilePx, spec.widthPx), heightPx: Math.min(tilePx, spec.heightPx) };
      const runs = tilesAlong(spec.widthPx, tilePx) * tilesAlong(spec.heightPx, tilePx);
      decoder.push(planStage('decoder', `${tilePx} px tiles`, () => decoderGraph(model, tile), limits, runs));
    }
  }
  return { encoders, denoiser, decoder };
}
