/** Values of a tensor in pieces of bounded size, and the error statistics of what was written for them. */
import { dequantizeTensor } from '../../quant/dequantize';
import { elementCount, type StoredTensor } from '../../quant/tensor';

const CHUNK_ELEMENTS = 1 << 20;

/**
 * Reads a tensor as f32 pieces whose lengths are multiples of `multiple`, except the last.
 * Rows are joined first, because a block may run across rows.
 */
export async function* valueChunks(
  tensor: StoredTensor,
  multiple: number,
  signal: AbortSignal,
): AsyncGenerator<Float32Array> {
  const rows = tensor.shape[0] ?? 1;
  const rowElems = elementCount(tensor.shape.slice(1));
  const step = Math.max(1, Math.floor(CHUNK_ELEMENTS / Math.max(1, rowElems)));
  let rest = new Float32Array(0);
  for (let row = 0; row < rows; row += step) {
    const rowCount = Math.min(step, rows - row);
    const values =
      tensor.shape.length === 0
        ? await dequantizeTensor(tensor, { signal })
        : await dequantizeTensor(tensor, { rowStart: row, rowCount, signal });
    const joined = new Float32Array(rest.length + values.length);
    joined.set(rest);
    joined.set(values, rest.length);
    const whole = row + rowCount < rows ? Math.floor(joined.length / multiple) * multiple : joined.length;
    if (whole > 0) yield joined.subarray(0, whole);
    rest = joined.slice(whole);
  }
}

/** Error of what was written against what was read. */
export class ErrorStatistics {
  private error = 0;
  private power = 0;
  maxAbs = 0;

  add(original: Float32Array, written: Float32Array): void {
    for (let i = 0; i < original.length; i++) {
      const value = original[i] ?? 0;
      const difference = (written[i] ?? 0) - value;
      this.error += difference * difference;
      this.power += value * value;
      this.maxAbs = Math.max(this.maxAbs, Math.abs(difference));
    }
  }

  /** sum((a - b)^2) / sum(b^2); 0 for an exact copy of zeros. */
  get nmse(): number {
    return this.error === 0 ? 0 : this.error / this.power;
  }
}
