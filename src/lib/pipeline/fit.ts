/**
 * Does a model fit a device, before anything is loaded: planned bytes of every stage, what can be done when they are
 * too many, and an estimate of the time. Pure; numbers come from graphs and headers.
 */
import { AppError } from '../base/errors';
import type { DetectedModel } from '../models/family';
import type { ModelPart } from '../models/part';
import { quantType, type QuantTypeId } from '../quant/registry';
import {
  isPlanned,
  planStages,
  type DeviceLimits,
  type StagePlan,
  type StageResult,
  type StageTable,
} from './fit_stages';

export interface FitLimits extends DeviceLimits {
  /** Device memory that the page may use. */
  readonly budgetBytes: number;
  /** Memory of the machine that runs the companion; absent: large enough. */
  readonly companionBytes?: number;
}

export interface FitRequest {
  /** Pixels; multiples of the model's `latent.multiple`. Default: the model's own size. */
  readonly widthPx?: number;
  readonly heightPx?: number;
  /** Pictures at once. Default 1. */
  readonly batch?: number;
  readonly limits: FitLimits;
  /** Default: the model's. */
  readonly steps?: number;
  /** Other than 1: every step runs two conditions. Default: the model's. */
  readonly cfgScale?: number;
  /** Text tokens where the family does not fix them. Default 128. */
  readonly promptTokens?: number;
  /** What the verdict may count on. Default: everything that the engine does on WebGPU. */
  readonly measures?: readonly FitMeasure[];
  /** What the device really reaches, from a measurement; needed for `secondsPerPicture`. */
  readonly measuredFlopsPerSecond?: number;
}

export type FitVerdict = 'fits' | 'fits with tiling and sequential loading' | 'companion' | 'no';

export const FIT_MEASURES = ['split guidance', 'tiled decoding', 'sequential loading', 'streamed weights'] as const;

/** What can be done when memory is short. */
export type FitMeasure = (typeof FIT_MEASURES)[number];

/** How weights are kept: all at once, one stage at a time, or block by block. */
export type Residency = 'resident' | 'sequential' | 'streaming';

export interface FitPlan {
  readonly verdict: FitVerdict;
  /** One sentence with the numbers that decide. */
  readonly reason: string;
  /** Peak bytes by residency, each with the fastest variants that the device's limits allow. */
  readonly peakBytes: Readonly<Record<Residency, number | undefined>>;
  /** The variant chosen for each stage. */
  readonly chosen: readonly StagePlan[];
  readonly stages: StageTable;
  /** What the verdict asks of the engine. */
  readonly measures: readonly FitMeasure[];
  /** FLOPs of one picture with the chosen variants. */
  readonly flopsPerPicture: number;
  readonly secondsPerPicture?: number;
  readonly notes: readonly string[];
}

const MIB = 2 ** 20;
const mib = (bytes: number): string => `${Math.ceil(bytes / MIB)} MiB`;

/** Stored types of a model that nothing can decode, with the number of tensors. */
export function undecodableTypes(parts: Iterable<ModelPart>): ReadonlyMap<QuantTypeId, number> {
  const found = new Map<QuantTypeId, number>();
  for (const part of parts) {
    for (const { tensor } of part.weights.values()) {
      if ('dequantize' in quantType(tensor.type)) continue;
      found.set(tensor.type, (found.get(tensor.type) ?? 0) + 1);
    }
  }
  return found;
}

type Total = (stages: readonly StagePlan[]) => number;

const largest = (stages: readonly StagePlan[], bytes: (stage: StagePlan) => number): number =>
  Math.max(0, ...stages.map(bytes));

/** Arenas of stages follow each other in the same memory; weights stay or go. */
const TOTALS: Readonly<Record<Residency, Total>> = {
  resident: (stages) => stages.reduce((sum, s) => sum + s.weightsBytes, 0) + largest(stages, (s) => s.arenaBytes),
  sequential: (stages) => largest(stages, (s) => s.peakBytes),
  streaming: (stages) => largest(stages, (s) => s.streamedWeightsBytes + s.arenaBytes),
};

/** Encoders with every combination of a denoiser and a decoder variant, preferred combinations first. */
function combinations({ encoders, denoiser, decoder }: StageTable): StagePlan[][] {
  const fixed = encoders.filter(isPlanned);
  const decoders: (StagePlan | undefined)[] = decoder.length === 0 ? [undefined] : decoder.filter(isPlanned);
  return decoders.flatMap((last) =>
    denoiser.filter(isPlanned).map((middle) => [...fixed, middle, ...(last ? [last] : [])]),
  );
}

function refusalOf(results: readonly StageResult[]): AppError | undefined {
  if (results.some(isPlanned)) return undefined;
  const [first] = results;
  return first && !isPlanned(first) ? first.refusal : undefined;
}

function flopsOf(stages: readonly StagePlan[], request: { steps: number; guided: boolean; batch: number }): number {
  return stages.reduce((sum, { stage, flops, runs }) => {
    if (stage === 'text-encoder') return sum + (flops * (request.guided ? 2 : 1)) / request.batch;
    return sum + (stage === 'denoiser' ? (flops * runs * request.steps) / request.batch : flops * runs);
  }, 0);
}

function checkSize(model: DetectedModel, sides: readonly number[]): void {
  const { multiple } = model.latent;
  const wrong = sides.find((side) => !Number.isSafeInteger(side) || side < multiple || side % multiple !== 0);
  if (wrong === undefined) return;
  throw new AppError(
    'argument/invalid',
    `planFit: picture sides must be multiples of ${multiple} pixels, got ${wrong}; choose another size.`,
    { details: { multiple, found: wrong } },
  );
}

/**
 * Plans a model on a device.
 * @throws AppError 'argument/invalid' for sizes that the model cannot make
 */
export function planFit(model: DetectedModel, request: FitRequest): FitPlan {
  const { limits, batch = 1, promptTokens = 128, measuredFlopsPerSecond } = request;
  const widthPx = request.widthPx ?? model.defaults.widthPx;
  const heightPx = request.heightPx ?? model.defaults.heightPx;
  checkSize(model, [widthPx, heightPx]);
  const guided = (request.cfgScale ?? model.defaults.cfgScale) !== 1;
  const stages = planStages(model, { widthPx, heightPx, batch, promptTokens }, limits, guided);
  const notes = model.missing.map(({ label }) => `${label} is not in the file; its memory is not counted.`);
  const base = { stages, notes };
  const parts = [model.denoiser, ...model.textEncoders.values(), ...(model.vae ? [model.vae] : [])];
  const bad = undecodableTypes(parts);
  if (bad.size > 0) {
    const list = [...bad].map(([type, count]) => `${count} of ${type}`).join(', ');
    return { ...base, ...NOTHING, verdict: 'no', reason: `Tensors in types that nothing decodes: ${list}.` };
  }
  const refusals = [...stages.encoders.map((one) => [one]), stages.denoiser, stages.decoder].flatMap(
    (results) => refusalOf(results) ?? [],
  );
  const [refusal] = refusals;
  if (refusal) {
    const memory = refusals.every((error) => error.code === 'backend/out-of-memory');
    return { ...base, ...NOTHING, verdict: memory ? 'companion' : 'no', reason: refusal.message };
  }

  const all = combinations(stages);
  const able = request.measures ?? FIT_MEASURES;
  const every = waysToRun(all, stages);
  const ways = every.filter(({ measures }) => measures.every((measure) => able.includes(measure)));
  const best = ways.find(({ bytes }) => bytes <= limits.budgetBytes);
  const hoped = every.find(({ bytes }) => bytes <= limits.budgetBytes);
  const least = (ways.length > 0 ? ways : every).reduce((a, b) => (b.bytes < a.bytes ? b : a));
  const { chosen } = best ?? least;
  const flopsPerPicture = flopsOf(chosen, { steps: request.steps ?? model.defaults.steps, guided, batch });
  const smallest = (total: Total): number => Math.min(...all.map(total));
  return {
    ...base,
    ...verdictOf({ best, least, hoped, limits, refusal: ways.length > 0 ? undefined : firstRefusal(stages) }),
    peakBytes: {
      resident: TOTALS.resident(all[0] ?? []),
      sequential: smallest(TOTALS.sequential),
      streaming: smallest(TOTALS.streaming),
    },
    chosen,
    measures: best?.measures ?? [],
    flopsPerPicture,
    ...(measuredFlopsPerSecond ? { secondsPerPicture: flopsPerPicture / measuredFlopsPerSecond } : {}),
  };
}

const NOTHING = {
  peakBytes: { resident: undefined, sequential: undefined, streaming: undefined },
  chosen: [],
  measures: [],
  flopsPerPicture: 0,
} as const;

interface Way {
  readonly chosen: readonly StagePlan[];
  readonly bytes: number;
  readonly measures: readonly FitMeasure[];
}

/** Every combination with everything resident, then stage by stage, then with weights passing through; preferred ones first. */
function waysToRun(all: readonly (readonly StagePlan[])[], stages: StageTable): Way[] {
  return (['resident', 'sequential', 'streaming'] as const).flatMap((residency) =>
    all.map((chosen) => ({
      chosen,
      bytes: TOTALS[residency](chosen),
      measures: measuresOf(residency, chosen, stages),
    })),
  );
}

function measuresOf(residency: Residency, chosen: readonly StagePlan[], stages: StageTable): readonly FitMeasure[] {
  const has = (stage: string, variant: RegExp) => chosen.some((s) => s.stage === stage && variant.test(s.variant));
  return [
    ...(stages.denoiser.length > 1 && has('denoiser', /one condition/) ? (['split guidance'] as const) : []),
    ...(has('decoder', /tiles/) ? (['tiled decoding'] as const) : []),
    ...(residency === 'resident' ? [] : (['sequential loading'] as const)),
    ...(residency === 'streaming' ? (['streamed weights'] as const) : []),
  ];
}

function needText({ bytes, chosen }: Way, { budgetBytes }: FitLimits): string {
  const top = chosen.reduce<StagePlan | undefined>((a, b) => (a && a.peakBytes >= b.peakBytes ? a : b), undefined);
  const where = top
    ? `, most in the ${top.stage} (weights ${mib(top.weightsBytes)}, intermediates ${mib(top.arenaBytes)})`
    : '';
  return `${mib(bytes)} of ${mib(budgetBytes)}${where}`;
}

function firstRefusal({ denoiser, decoder }: StageTable): AppError | undefined {
  const refused = [...denoiser, ...decoder].find((result) => !isPlanned(result));
  return refused && !isPlanned(refused) ? refused.refusal : undefined;
}

function verdictOf(found: {
  /** The first way that fits and may be used. */
  readonly best: Way | undefined;
  /** The way with the fewest bytes among those that may be used. */
  readonly least: Way;
  /** The first way that would fit with every measure. */
  readonly hoped: Way | undefined;
  readonly limits: FitLimits;
  /** Set when no way may be used at all: what the device's limits refuse. */
  readonly refusal: AppError | undefined;
}): Pick<FitPlan, 'verdict' | 'reason'> {
  const { best, least, hoped, limits, refusal } = found;
  if (best) {
    const { measures } = best;
    const eased = measures.some((measure) => measure !== 'split guidance');
    const using = measures.length > 0 ? `, with ${measures.join(', ')}` : '';
    return {
      verdict: eased ? 'fits with tiling and sequential loading' : 'fits',
      reason: `Needs ${needText(best, limits)}${using}.`,
    };
  }
  const { companionBytes = Infinity } = limits;
  const remedy = hoped ? ` It would need ${mib(hoped.bytes)} with ${hoped.measures.join(', ')}.` : '';
  return {
    verdict: least.bytes <= companionBytes ? 'companion' : 'no',
    reason: `${refusal?.message ?? `Needs at least ${needText(least, limits)}.`}${remedy}`,
  };
}
