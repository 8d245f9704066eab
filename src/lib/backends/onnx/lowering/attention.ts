/**
 * Scaled dot-product attention as `MultiHeadAttention`. Native builds stream it when there is no bias; WASM stores
 * the scores of every node, so long queries are cut into slices there and the arena is reused.
 */
import { float, int, ints, ONNX_TYPE } from '../onnx_proto';
import { sliced } from './layout';
import type { Emitter, Lowering, TensorName } from './lowering';

/** Replaces minus infinity, on which the kernel gives NaN; the lowest finite f32 has the same share after softmax: 0. */
const LOWEST = -3.4028234663852886e38;
const SCORE_BYTES = 4;

/** Repeats each key/value head for its group of query heads. */
function repeatHeads(emitter: Emitter, x: TensorName, shape: readonly number[], kvHeads: number, repeat: number) {
  const [n = 0, t = 0, width = 0] = shape;
  const d = width / kvHeads;
  const split = emitter.reshape(x, shape, [n, t, kvHeads, 1, d]);
  const repeated = emitter.add('Expand', [split, emitter.ints([n, t, kvHeads, repeat, d])]);
  return emitter.add('Reshape', [repeated, emitter.ints([n, t, width * repeat])]);
}

/** Bias [1, 1, length, Tk] that hides keys after token start + row behind the value `hidden`. */
function causalBias(emitter: Emitter, start: number, length: number, tk: number, hidden: number): TensorName {
  const mask = new Float32Array(length * tk);
  for (let row = 0; row < length; row++) {
    mask.fill(hidden, row * tk + Math.min(start + row + 1, tk), (row + 1) * tk);
  }
  return emitter.floats(mask, [1, 1, length, tk]);
}

interface Bias {
  readonly tensor: TensorName;
  /** [N|1, Tq|1, heads|1, 1]: 0 for rows whose every score is minus infinity, which give zeros as in PyTorch. */
  readonly alive?: TensorName;
}

export const attention: Lowering<'attention'> = (emitter, { inputs, attrs }) => {
  const [qId, kId, vId, biasId] = inputs;
  const { heads, kvHeads, scale, causal } = attrs;
  const [n = 0, tq = 0, width = 0] = emitter.value(qId).shape;
  const kvShape = emitter.value(kId).shape;
  const tk = kvShape[1] ?? 0;
  const q = emitter.tensor(qId);
  let k = emitter.tensor(kId);
  let v = emitter.tensor(vId);
  if (kvHeads !== heads) {
    k = repeatHeads(emitter, k, kvShape, kvHeads, heads / kvHeads);
    v = repeatHeads(emitter, v, kvShape, kvHeads, heads / kvHeads);
  }

  const biasOf = (start: number, length: number): Bias | undefined => {
    // Row i of a causal mask always sees token 0.
    if (biasId === undefined) return causal ? { tensor: causalBias(emitter, start, length, tk, LOWEST) } : undefined;
    const [bn = 0, bh = 0, bq = 0] = emitter.value(biasId).shape;
    let bias = emitter.tensor(biasId);
    if (bq === tq && length !== tq) bias = sliced(emitter, bias, 2, start, length);
    if (causal) bias = emitter.add('Add', [bias, causalBias(emitter, start, length, tk, -Infinity)]);
    const best = emitter.add('ReduceMax', [bias, emitter.ints([-1])], { keepdims: int(1) });
    const seen = emitter.add('Greater', [best, emitter.scalar(-Infinity)]);
    const alive = emitter.add('Transpose', [emitter.add('Cast', [seen], { to: int(ONNX_TYPE.f32) })], {
      perm: ints([0, 2, 1, 3]),
    });
    const tensor = emitter.add('Clip', [bias, emitter.scalar(LOWEST)]);
    // The kernel broadcasts images and heads, not rows.
    if (causal || bq === length) return { tensor, alive };
    return { tensor: emitter.add('Expand', [tensor, emitter.ints([bn, bh, length, tk])]), alive };
  };
  const attend = (start: number, length: number): TensorName => {
    const part = length === tq ? q : sliced(emitter, q, 1, start, length);
    const bias = biasOf(start, length);
    const args = [part, k, v, ...(bias ? ['', '', bias.tensor] : [])];
    const y = emitter.addContrib('MultiHeadAttention', args, { num_heads: int(heads), scale: float(scale) });
    if (bias?.alive === undefined) return y;
    const [flat, split] = [
      [n, length, width],
      [n, length, heads, width / heads],
    ] as const;
    return emitter.reshape(emitter.add('Mul', [emitter.reshape(y, flat, split), bias.alive]), split, flat);
  };

  const rowBytes = n * heads * tk * SCORE_BYTES;
  const slices = Math.min(tq, Math.max(1, Math.ceil((tq * rowBytes) / emitter.options.maxScoreBytes)));
  if (slices === 1) return attend(0, tq);
  const length = Math.ceil(tq / slices);
  const parts: TensorName[] = [];
  for (let start = 0; start < tq; start += length) parts.push(attend(start, Math.min(length, tq - start)));
  return emitter.add('Concat', parts, { axis: int(1) });
};
