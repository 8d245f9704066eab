/** Decides, tensor by tensor, what a converted file holds. Pure: names, types and shapes in, plan out. */
import type { PlannedTensor } from '../safetensors_write';
import { quantType, type QuantTypeId } from '../../quant/registry';
import { elementCount, type StoredTensor } from '../../quant/tensor';

export interface TensorPlan {
  readonly tensor: StoredTensor;
  /** As written: rows of 256 where the shape does not fit the blocks. */
  readonly stored: PlannedTensor;
  /** Whether the true shape goes into the metadata. */
  readonly reshaped: boolean;
}

/** Below this size a tensor's scales would cost more than they save; ComfyUI-GGUF keeps such tensors in F32 too. */
const SMALL_ELEMENTS = 1024;
/** Convolutions are stored flat as rows of this length when their own rows do not fit (ComfyUI-GGUF `shape_fix`). */
const FLAT_ROW = 256;
const FLAT_MIN_ELEMENTS = 512;

/**
 * Layers whose error spreads over the whole picture: inputs, outputs, time and text entrances, norms, embeddings
 * (Stable Diffusion, SD3, Flux and CLIP names), and the autoencoder, whose convolutions lose visibly.
 */
const KEEP_PRECISE =
  /(^|\.)(time_embed|time_embedding|label_emb|conv_in|conv_out|img_in|txt_in|time_in|vector_in|guidance_in|final_layer|pos_embed|x_embedder|t_embedder|y_embedder|context_embedder|first_stage_model|vae|token_embedding|position_embedding|positional_embedding|shared|decoder|encoder\.(conv|down|mid))(\.|$)|input_blocks\.0\.0\.|(^|\.)out\.\d\.|norm/;

/**
 * Plans one tensor.
 * @param type wanted type; floats only change, other tensors keep theirs
 */
export function planTensor(tensor: StoredTensor, type: QuantTypeId): TensorPlan {
  const { name, shape } = tensor;
  const same = (target: QuantTypeId): TensorPlan => ({
    tensor,
    stored: { name, type: target, shape },
    reshaped: false,
  });
  const elements = elementCount(shape);
  const kind = quantType(tensor.type).kind;
  if (kind === 'int' || kind === 'bool' || kind === 'opaque') return same(tensor.type);
  if (shape.length < 2 || elements <= SMALL_ELEMENTS)
    return same(tensor.type === 'F16' || tensor.type === 'BF16' ? tensor.type : 'F32');
  if (type === 'F16' || KEEP_PRECISE.test(name)) return same('F16');
  const { blockElems } = quantType(type);
  if ((shape.at(-1) ?? 1) % blockElems === 0 && shape.length <= 2) return same(type);
  const flat = elements >= FLAT_MIN_ELEMENTS && elements % FLAT_ROW === 0 && FLAT_ROW % blockElems === 0;
  if (!flat) return type === 'NF4' ? same(type) : same('F16');
  if (type === 'NF4') return same(type);
  return { tensor, stored: { name, type, shape: [elements / FLAT_ROW, FLAT_ROW] }, reshaped: true };
}
