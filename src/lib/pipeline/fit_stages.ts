/** The stages of a generation as graphs with their planned memory: what the fit verdict and the cost tables add up. */
import type { MemoryPlan } from '../backends/backend';
import { planWebgpu } from '../backends/webgpu/backend';
import { KERNEL_VARIANTS } from '../backends/webgpu/variants';
import { defaultTuning, type Tuning } from '../backends/webgpu/tuning';
import { AppError } from '../base/errors';
import { graphCost } from '../graph/cost';
import { guidanceRows } from '../graph/passes/guidance_rows';
import type { DetectedModel, TextEncoderSlot } from '../models/family';
import type { BuiltGraph } from '../models/part';
import { buildTextEncoder } from '../models/text';
import { buildVaeDecoder } from '../models/vae';
import { tiledVae, tilesOf, TILE_SIDES_PX, type TiledVae } from './tiled_vae';

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
  /** Weights on the device when as many as possible pass through, group by group, two held at a time. */
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
      streamedWeightsBytes: planWebgpu(graph, weights, limits, USUAL_TUNING, { weightsBudgetBytes: 0 }).weightsBytes,
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

/** The decoder in tiles: its halves keep their weights both, their arenas follow each other. */
function planTiledDecoder(
  model: DetectedModel,
  { widthPx, heightPx }: PictureSpec,
  tilePx: number,
  limits: DeviceLimits,
): StageResult {
  const { stride } = model.latent;
  const size = { height: heightPx / stride, width: widthPx / stride, circular: false };
  const variant = `${tilePx} px tiles`;
  let vae: TiledVae;
  try {
    vae = tiledVae(model, 'decoder', size, tilePx);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { stage: 'decoder', variant, refusal: error };
  }
  const { tile, whole, tileMoments } = vae;
  const plans = [tile, ...(tileMoments ? [tileMoments] : []), whole].map((built) =>
    planStage('decoder', variant, () => built, limits),
  );
  const planned = plans.filter(isPlanned);
  const [one] = planned;
  const rest = planned.at(-1);
  const refused = plans.find((plan) => !isPlanned(plan));
  if (refused || !one || !rest) return refused ?? planStage('decoder', variant, () => tile, limits);
  const runs = tilesOf(vae, size).length;
  const arenaBytes = Math.max(...planned.map((plan) => plan.arenaBytes));
  const weightsBytes = one.weightsBytes + rest.weightsBytes;
  return {
    ...one,
    weightsBytes,
    arenaBytes,
    naiveArenaBytes: Math.max(...planned.map((plan) => plan.naiveArenaBytes)),
    peakBytes: weightsBytes + arenaBytes,
    streamedWeightsBytes: one.streamedWeightsBytes + rest.streamedWeightsBytes,
    // Every tile runs once for its picture and once for the statistics.
    flops: one.flops + rest.flops / runs + (tileMoments ? one.flops : 0),
    runs,
  };
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
      decoder.push(planTiledDecoder(model, spec, tilePx, limits));
    }
  }
  return { encoders, denoiser, decoder };
}
