/** What model files are and what running them takes, from headers alone. Pure. */
import { operatorPath, supportTable, type WeightPath } from '../../lib/backends/webgpu/support';
import { AppError } from '../../lib/base/errors';
import type { TensorIndex } from '../../lib/formats/tensor_index';
import type { OpName } from '../../lib/graph/ops/registry';
import { assembleModel } from '../../lib/models/assemble';
import { describeFile, type FileFacts } from '../../lib/models/describe';
import { detectFile, type DetectedFile } from '../../lib/models/detect';
import type { DetectedModel } from '../../lib/models/family';
import type { HintTable } from '../../lib/models/part';
import { planFit, type FitLimits, type FitMeasure, type FitPlan } from '../../lib/pipeline/fit';
import { decoderGraph, denoiserGraph, encoderGraphs } from '../../lib/pipeline/fit_stages';
import { NETWORK_OF_KIND } from '../../lib/pipeline/network_library';

export interface TypeFacts {
  readonly type: string;
  readonly tensors: number;
  readonly bytes: number;
  /** How WebGPU reads matrices of this type. */
  readonly path: WeightPath;
}

export interface FileReport extends FileFacts {
  readonly file: string;
  readonly tensors: number;
  readonly bytes: number;
  readonly types: readonly TypeFacts[];
}

export interface SizeReport extends Pick<
  FitPlan,
  'verdict' | 'reason' | 'peakBytes' | 'measures' | 'flopsPerPicture' | 'secondsPerPicture'
> {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Stages as chosen for the verdict. */
  readonly stages: readonly {
    readonly stage: string;
    readonly variant: string;
    readonly weightsBytes: number;
    readonly arenaBytes: number;
  }[];
}

export interface ModelReport {
  readonly label: string;
  readonly family: string;
  readonly prediction: string;
  readonly nativePx: readonly [number, number];
  readonly missing: readonly string[];
  /** Operators by component, with how often each occurs. */
  readonly operators: readonly { readonly op: OpName; readonly counts: Readonly<Record<string, number>> }[];
  /** Operators and stored types that WebGPU lacks, with how often they occur. */
  readonly unsupported: readonly { readonly what: string; readonly count: number }[];
  readonly sizes: readonly SizeReport[];
  readonly notes: readonly string[];
}

export interface InspectReport {
  readonly files: readonly FileReport[];
  /** Absent when the files hold no denoiser that the product runs; `notes` then say why. */
  readonly model?: ModelReport;
  readonly notes: readonly string[];
}

export interface InspectOptions {
  readonly limits: FitLimits;
  readonly measuredFlopsPerSecond?: number;
  /** Default: what the engine does today. */
  readonly measures?: readonly FitMeasure[];
  /** Sizes to plan, as parts of the model's own. Default a half, once, twice. */
  readonly factors?: readonly number[];
}

function typesOf(index: TensorIndex): TypeFacts[] {
  const paths = new Map(supportTable().map(({ type, paths: { linear } }) => [type, linear]));
  const found = new Map<string, { type: string; tensors: number; bytes: number; path: WeightPath }>();
  for (const { type, byteLength } of index.tensors.values()) {
    const entry = found.get(type) ?? { type, tensors: 0, bytes: 0, path: paths.get(type) ?? 'refused' };
    found.set(type, { ...entry, tensors: entry.tensors + 1, bytes: entry.bytes + byteLength });
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes);
}

/** Operators of every component's graph at the model's own size, and what keeps a graph from being built. */
function operatorsOf(model: DetectedModel): { operators: ModelReport['operators']; problems: string[] } {
  const spec = { ...nativeSize(model), batch: 1, promptTokens: 128 };
  const components = [
    ...encoderGraphs(model, spec.promptTokens),
    { id: 'denoiser', build: () => denoiserGraph(model, spec, 1) },
    ...(model.vae ? [{ id: 'decoder', build: () => decoderGraph(model, spec) }] : []),
  ];
  const counts = new Map<OpName, Record<string, number>>();
  const problems: string[] = [];
  for (const { id, build } of components) {
    try {
      for (const { op } of build().graph.nodes) {
        const row = counts.get(op) ?? {};
        row[id] = (row[id] ?? 0) + 1;
        counts.set(op, row);
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      problems.push(`${id}: ${error.message}`);
    }
  }
  return { operators: [...counts].map(([op, row]) => ({ op, counts: row })), problems };
}

function nativeSize({ defaults, latent }: DetectedModel): { widthPx: number; heightPx: number } {
  return {
    widthPx: toMultiple(defaults.widthPx, latent.multiple),
    heightPx: toMultiple(defaults.heightPx, latent.multiple),
  };
}

function toMultiple(side: number, multiple: number): number {
  return Math.max(multiple, Math.round(side / multiple) * multiple);
}

function sizeReport(model: DetectedModel, factor: number, options: InspectOptions): SizeReport {
  const native = nativeSize(model);
  const widthPx = toMultiple(native.widthPx * factor, model.latent.multiple);
  const heightPx = toMultiple(native.heightPx * factor, model.latent.multiple);
  const plan = planFit(model, { ...options, widthPx, heightPx });
  const { verdict, reason, peakBytes, measures, flopsPerPicture, secondsPerPicture } = plan;
  return {
    widthPx,
    heightPx,
    verdict,
    reason,
    peakBytes,
    measures,
    flopsPerPicture,
    ...(secondsPerPicture === undefined ? {} : { secondsPerPicture }),
    stages: plan.chosen.map(({ stage, variant, weightsBytes, arenaBytes }) => ({
      stage,
      variant,
      weightsBytes,
      arenaBytes,
    })),
  };
}

function modelReport(model: DetectedModel, files: readonly FileReport[], options: InspectOptions): ModelReport {
  const { operators, problems } = operatorsOf(model);
  const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);
  const lacking = operators.flatMap(({ op, counts }) =>
    operatorPath(op) === 'none' ? [{ what: `operator ${op}`, count: sum(counts) }] : [],
  );
  const refused = files
    .flatMap(({ types }) => types)
    .flatMap(({ type, tensors, path }) => (path === 'refused' ? [{ what: `type ${type}`, count: tensors }] : []));
  const { widthPx, heightPx } = nativeSize(model);
  return {
    label: model.label,
    family: model.family.label,
    prediction: model.prediction.kind,
    nativePx: [widthPx, heightPx],
    missing: model.missing.map(({ label }) => label),
    operators,
    unsupported: [...lacking, ...refused].sort((a, b) => b.count - a.count),
    sizes: (options.factors ?? [0.5, 1, 2]).map((factor) => sizeReport(model, factor, options)),
    notes: problems,
  };
}

/** Inspects files that belong together, or one. What cannot be planned is said in `notes`. */
export function inspectFiles(indexes: readonly TensorIndex[], options: InspectOptions): InspectReport {
  return inspectDetected(
    indexes.map((index) => detectFile(index)),
    {},
    options,
  );
}

/**
 * As `inspectFiles`, for files that were detected already.
 * @param hints numbers from configurations beside them
 */
export function inspectDetected(
  detected: readonly DetectedFile[],
  hints: HintTable,
  options: InspectOptions,
): InspectReport {
  const files = detected.map((file): FileReport => {
    const types = typesOf(file.index);
    return {
      file: file.file,
      ...describeFile(file),
      tensors: file.index.tensors.size,
      bytes: types.reduce((sum, { bytes }) => sum + bytes, 0),
      types,
    };
  });
  const foreign = detected.some((file) => file.foreign !== undefined);
  if (!foreign && !detected.some(({ parts }) => parts.some(({ role }) => role === 'denoiser'))) {
    return { files, notes: [unplanned(detected)] };
  }
  try {
    return { files, model: modelReport(assembleModel(detected, hints), files, options), notes: [] };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { files, notes: [error.message] };
  }
}

/** A network that models use; an autoencoder is one as well as a part of a model. */
function isUsedBeside({ kind }: DetectedFile): boolean {
  const network = NETWORK_OF_KIND[kind];
  return network !== undefined && network !== 'vae';
}

/** Why nothing is planned for files without a denoiser. */
function unplanned(detected: readonly DetectedFile[]): string {
  if (detected.every(isUsedBeside)) {
    return 'Memory is planned for whole models: this is used beside one, and counted with it.';
  }
  return 'No U-Net or transformer is here. Memory is planned for whole models: name the files of one together.';
}
