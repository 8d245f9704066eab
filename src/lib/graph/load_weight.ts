/** Weights as the network sees them, in f32: the loader of every backend that computes with plain floats. */
import { AppError } from '../base/errors';
import { elementCount, formatShape, type Shape } from '../base/shape';
import { dequantizeTensor } from '../quant/dequantize';
import type { NamedWeight, WeightMap } from './weights';
import { weightShape } from './weights';

/** The weight of a name. @throws AppError 'graph/unknown-weight' */
export function namedWeight(weights: WeightMap, name: string): NamedWeight {
  const weight = weights.get(name);
  if (weight) return weight;
  throw new AppError(
    'graph/unknown-weight',
    `weights: the graph asks for "${name}", the map has no such weight; build the graph and the map from one file.`,
    { details: { name } },
  );
}

/**
 * Values of a weight in row-major order of the shape that the network wants, range of rows and transposition applied.
 * @param expected same element count as the stored view; axes of size 1 may differ (1x1 convolutions kept as matrices)
 * @throws AppError 'model/wrong-shape', and whatever `dequantizeTensor` throws
 */
export async function loadWeight(named: NamedWeight, expected: Shape, signal?: AbortSignal): Promise<Float32Array> {
  const { tensor, rows, transposed } = named;
  const found = weightShape(named);
  if (elementCount(found) !== elementCount(expected)) {
    throw new AppError(
      'model/wrong-shape',
      `weights: "${tensor.name}" must be ${formatShape(expected)}, got ${formatShape(found)}; the file is of another family or damaged.`,
      { details: { name: tensor.name, expected, found } },
    );
  }
  const data = await dequantizeTensor(tensor, {
    ...(rows ? { rowStart: rows.start, rowCount: rows.count } : {}),
    ...(signal ? { signal } : {}),
  });
  if (!transposed) return data;
  const [n = 0, k = 0] = found;
  if (found.length !== 2) {
    throw new AppError(
      'model/wrong-shape',
      `weights: "${tensor.name}" is marked transposed and must have 2 axes, got ${formatShape(found)}; the name map of the family is wrong.`,
      { details: { name: tensor.name, found } },
    );
  }
  return transposeMatrix(data, k, n);
}

/** `[rows, columns]` → `[columns, rows]`. */
function transposeMatrix(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c] ?? 0;
  }
  return out;
}
