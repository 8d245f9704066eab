/** Textual inversion files: learned token vectors. Forms: A1111 (`emb_params`, `string_to_param`), SDXL (`clip_l`, `clip_g`), diffusers (token as key). */
import { AppError } from '../base/errors';
import type { TensorIndex } from '../formats/tensor_index';
import { dequantizeTensor } from '../quant/dequantize';
import type { StoredTensor } from '../quant/tensor';
import type { FamilyId, HostArray } from './family';
import type { TextEncoderId } from './part';

export interface TextualInversion {
  /** Trigger text that the file itself names, if any; else the file name serves. */
  readonly token?: string;
  /** [vectors, width] per encoder. */
  readonly vectors: Readonly<Partial<Record<TextEncoderId, HostArray>>>;
}

interface Found {
  readonly encoder: TextEncoderId;
  readonly tensor: StoredTensor;
  readonly token?: string;
}

/** Vectors of 1024 belong to OpenCLIP H, all others of a single-encoder file to CLIP-L. */
function byWidth(tensor: StoredTensor): TextEncoderId {
  return tensor.shape.at(-1) === 1024 ? 'openclip-h' : 'clip-l';
}

function findVectors(index: TensorIndex): Found[] {
  const { tensors } = index;
  const l = tensors.get('clip_l');
  const g = tensors.get('clip_g');
  if (l || g) {
    return [
      ...(l ? [{ encoder: 'clip-l' as const, tensor: l }] : []),
      ...(g ? [{ encoder: 'openclip-bigg' as const, tensor: g }] : []),
    ];
  }
  const named = tensors.get('emb_params') ?? tensors.get('string_to_param.*');
  if (named) return [{ encoder: byWidth(named), tensor: named }];
  const [only, ...others] = [...tensors];
  if (!only || others.length > 0) return [];
  const [token, tensor] = only;
  const looksLikeToken = !token.includes('.weight') && tensor.shape.length <= 2;
  return looksLikeToken ? [{ encoder: byWidth(tensor), tensor, token }] : [];
}

/** Family that a file's vectors are for, or undefined when the file holds no embedding. */
export function embeddingFamily(index: TensorIndex): FamilyId | undefined {
  const found = findVectors(index);
  if (found.length === 0) return undefined;
  if (found.some(({ encoder }) => encoder === 'openclip-bigg')) return 'sdxl';
  return found[0]?.encoder === 'openclip-h' ? 'sd2' : 'sd1';
}

/**
 * Reads the vectors of an embedding file.
 * @throws AppError 'model/unrecognised' when the file holds none, 'model/wrong-shape' for vectors that are no rows
 */
export async function readTextualInversion(index: TensorIndex, signal?: AbortSignal): Promise<TextualInversion> {
  const found = findVectors(index);
  if (found.length === 0) {
    throw new AppError(
      'model/unrecognised',
      `${index.name}: an embedding needs "emb_params", "clip_l" and "clip_g", or one tensor named by its token, got ${index.tensors.size} tensors; choose another file.`,
      { details: { file: index.name } },
    );
  }
  const vectors: Partial<Record<TextEncoderId, HostArray>> = {};
  for (const { encoder, tensor } of found) {
    const width = tensor.shape.at(-1) ?? 0;
    const data = await dequantizeTensor(tensor, signal ? { signal } : {});
    if (width === 0 || tensor.shape.length > 2 || !data.every((value) => Number.isFinite(value))) {
      throw new AppError(
        'model/wrong-shape',
        `${index.name}: "${tensor.name}" must be finite rows of token vectors, got [${tensor.shape.join(', ')}]; get the file again.`,
        { details: { file: index.name, tensor: tensor.name, shape: tensor.shape } },
      );
    }
    vectors[encoder] = { shape: [data.length / width, width], data };
  }
  const token = found[0]?.token;
  return { ...(token === undefined ? {} : { token }), vectors };
}

/**
 * The `keep` and `injected` inputs of a text encoder built with `injections`.
 * @param placements which vectors stand at which position of which row; they must fit the row
 */
export function injectionInputs(
  spec: { batch: number; tokens: number; width: number },
  placements: readonly { readonly row: number; readonly position: number; readonly vectors: HostArray }[],
): { keep: HostArray; injected: HostArray } {
  const { batch, tokens, width } = spec;
  const keep = new Float32Array(batch * tokens).fill(1);
  const injected = new Float32Array(batch * tokens * width);
  for (const { row, position, vectors } of placements) {
    const [count = 0, found = 0] = vectors.shape;
    if (found !== width || row >= batch || position + count > tokens) {
      throw new AppError(
        'model/wrong-shape',
        `embedding: ${count} vectors of width ${found} must fit ${tokens} tokens of width ${width} from position ${position}; the file is for another base model.`,
        { details: { count, width: found, expected: width, position } },
      );
    }
    const start = row * tokens + position;
    keep.fill(0, start, start + count);
    injected.set(vectors.data, start * width);
  }
  return {
    keep: { shape: [batch, tokens, 1], data: keep },
    injected: { shape: [batch, tokens, width], data: injected },
  };
}
