/**
 * Checks the contents of a LoRA file against the layers it is for, before any of it reaches a model.
 * Key layout: `<layer>.lora_down.weight` [rank, in, (kh, kw)], `<layer>.lora_up.weight` [out, rank, (1, 1)],
 * `<layer>.alpha` (scalar). Delta = alpha / rank * up · down (Hu et al. 2021; kohya-ss file layout).
 */
import { dequantizeTensor } from '../quant/dequantize';
import { quantType } from '../quant/registry';
import { elementCount, type StoredTensor } from '../quant/tensor';
import { fileError, quoted } from './format_error';
import type { TensorIndex } from './tensor_index';

/** Far above any trained file; a larger factor overflows f16 and is an attack or an accident. */
const MAX_ALPHA = 1e6;
const CHUNK_ROWS_ELEMS = 1 << 20;

const SUFFIXES = { down: '.lora_down.weight', up: '.lora_up.weight', alpha: '.alpha' } as const;

export interface LoraPair {
  readonly layer: string;
  readonly down: StoredTensor;
  readonly up: StoredTensor;
  readonly rank: number;
  /** alpha / rank; 1 without an alpha. */
  readonly scale: number;
}

export interface LoraContents {
  readonly pairs: readonly LoraPair[];
  /** Layers of the file that the model does not have. */
  readonly unknownLayers: readonly string[];
}

/**
 * Checks every pair of factors.
 * @param targets weight shape per layer name: [out, in] or [out, in, kh, kw]
 * @throws AppError 'file/lora-missing-pair', 'file/lora-shape-mismatch', 'file/lora-nonfinite', 'file/lora-no-target',
 *   'file/bad-dtype' for factors that are no floats
 */
export async function checkLora(
  index: TensorIndex,
  targets: ReadonlyMap<string, readonly number[]>,
  signal?: AbortSignal,
): Promise<LoraContents> {
  const layers = new Set<string>();
  for (const name of index.tensors.keys()) {
    const suffix = Object.values(SUFFIXES).find((end) => name.endsWith(end));
    if (suffix !== undefined) layers.add(name.slice(0, -suffix.length));
  }
  const pairs: LoraPair[] = [];
  const unknownLayers: string[] = [];
  for (const layer of layers) {
    const where = `${index.name}, layer ${quoted(layer)}`;
    const down = index.tensors.get(layer + SUFFIXES.down);
    const up = index.tensors.get(layer + SUFFIXES.up);
    if (!down || !up) throw fileError('file/lora-missing-pair', where, `${down ? 'up' : 'down'} factor is missing`);
    const target = targets.get(layer);
    if (!target) {
      unknownLayers.push(layer);
      continue;
    }
    const rank = checkShapes(where, down, up, target);
    await refuseNonFinite(where, down, signal);
    await refuseNonFinite(where, up, signal);
    const alpha = await readAlpha(where, index.tensors.get(layer + SUFFIXES.alpha), rank, signal);
    pairs.push({ layer, down, up, rank, scale: alpha / rank });
  }
  if (pairs.length === 0) {
    throw fileError('file/lora-no-target', index.name, `none of ${layers.size} layers belongs to the loaded model`, {
      remedy: 'Choose a LoRA made for this model family.',
    });
  }
  return { pairs, unknownLayers };
}

/** Rank of a pair whose factors fit the layer. */
function checkShapes(where: string, down: StoredTensor, up: StoredTensor, target: readonly number[]): number {
  for (const factor of [down, up]) {
    if (quantType(factor.type).kind !== 'float') {
      throw fileError('file/bad-dtype', where, `a factor of type ${factor.type}, floats are expected`);
    }
  }
  const [outSize, inSize, kh = 1, kw = 1] = target;
  const [rank = 0, ...downRest] = down.shape;
  const [upOut, upRank, ...upKernel] = up.shape;
  const convolution = target.length === 4;
  const downFits = convolution
    ? sameShape(downRest, [inSize, kh, kw])
    : sameShape(downRest, [inSize]) || sameShape(downRest, [inSize, 1, 1]);
  const upFits = upOut === outSize && upRank === rank && (upKernel.length === 0 || sameShape(upKernel, [1, 1]));
  if (rank === 0 || !downFits || !upFits) {
    const shapes = `down [${down.shape.join(', ')}], up [${up.shape.join(', ')}]`;
    throw fileError('file/lora-shape-mismatch', where, `${shapes} do not fit the layer's [${target.join(', ')}]`);
  }
  return rank;
}

function sameShape(a: readonly (number | undefined)[], b: readonly (number | undefined)[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

async function refuseNonFinite(where: string, factor: StoredTensor, signal: AbortSignal | undefined): Promise<void> {
  const rows = factor.shape[0] ?? 1;
  const step = Math.max(1, Math.floor(CHUNK_ROWS_ELEMS / Math.max(1, elementCount(factor.shape.slice(1)))));
  for (let row = 0; row < rows; row += step) {
    const values = await dequantizeTensor(factor, {
      rowStart: row,
      rowCount: Math.min(step, rows - row),
      ...(signal ? { signal } : {}),
    });
    if (!values.every((value) => Number.isFinite(value))) {
      throw fileError('file/lora-nonfinite', where, 'a factor holds NaN or infinity');
    }
  }
}

async function readAlpha(where: string, tensor: StoredTensor | undefined, rank: number, signal?: AbortSignal) {
  if (!tensor) return rank;
  if (elementCount(tensor.shape) !== 1) {
    throw fileError(
      'file/lora-shape-mismatch',
      where,
      `alpha has shape [${tensor.shape.join(', ')}], a single number is expected`,
    );
  }
  const [alpha = NaN] = await dequantizeTensor(tensor, signal ? { signal } : {});
  if (!(Math.abs(alpha) <= MAX_ALPHA)) {
    throw fileError('file/lora-nonfinite', where, `alpha is ${alpha}, magnitudes up to ${MAX_ALPHA} are allowed`);
  }
  return alpha;
}
