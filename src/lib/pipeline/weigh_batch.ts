/** What a prompt's weights do to the encodings of a batch of texts, encoder by encoder. */
import type { EncoderOutput, TextEncoderSlot } from '../models/family';
import type { EmphasisMode } from '../prompt/attention';
import type { PromptChunk } from '../prompt/chunks';
import { applyComfyWeights, applyEmphasis } from '../prompt/emphasis';

/** A sequence with its encoding, weights not yet applied. */
export interface WeighedRow {
  readonly chunk: PromptChunk;
  /** How often its text stands in the batch. */
  readonly count: number;
  readonly output: EncoderOutput;
}

/**
 * Applies the weights of a batch. CLIP's chunks are weighed chunk by chunk over the whole batch, T5's one by one:
 * so do the web UIs.
 */
export async function weighBatch(
  slot: TextEncoderSlot,
  batch: readonly (readonly WeighedRow[])[],
  mode: EmphasisMode,
  encodeEmpty: () => Promise<Float32Array | undefined>,
): Promise<EncoderOutput[][]> {
  const weighted = batch.some((rows) => rows.some(({ chunk }) => chunk.weights.some((weight) => weight !== 1)));
  const unweighted = batch.map((rows) => rows.map(({ output }) => output));
  if (!weighted) return unweighted;
  const withHidden = (output: EncoderOutput, data: Float32Array | undefined): EncoderOutput =>
    output.hidden && data ? { ...output, hidden: { shape: output.hidden.shape, data } } : output;
  const rowOf = ({ output, chunk, count }: WeighedRow) => ({
    hidden: output.hidden?.data ?? new Float32Array(0),
    weights: chunk.weights,
    count,
  });
  if (mode === 'ComfyUI') {
    const empty = (await encodeEmpty()) ?? new Float32Array(0);
    return batch.map((rows) => rows.map((row) => withHidden(row.output, applyComfyWeights(rowOf(row), empty))));
  }
  if (slot.tokenizer !== 'clip') {
    return batch.map((rows) => rows.map((row) => withHidden(row.output, applyEmphasis([rowOf(row)], mode)[0])));
  }
  const longest = Math.max(...batch.map((rows) => rows.length));
  for (let k = 0; k < longest; k++) {
    const column = batch.flatMap((rows, i) => {
      const row = rows[k];
      return row ? [{ i, row }] : [];
    });
    const scaled = applyEmphasis(
      column.map(({ row }) => rowOf(row)),
      mode,
    );
    for (const [n, { i, row }] of column.entries()) {
      const outputs = unweighted[i];
      if (outputs) outputs[k] = withHidden(row.output, scaled[n]);
    }
  }
  return unweighted;
}
