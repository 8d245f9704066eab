/** Which tokenizers a model runs with: those beside its weights, those in GGUF headers, then those that the app ships. */
import type { ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import type { TensorIndex } from '../formats/tensor_index';
import type { DetectedModel } from '../models/family';
import {
  isVocabularyFile,
  tokenizerOfFile,
  tokenizerOfGguf,
  type FoundTokenizers,
  type TokenizerKind,
} from '../tokenizers/vocabularies';
import type { TokenizerSet } from './loaded_model';

/** Tokenizers that the app ships, read when asked for. CLIP's is always there. */
export type ShippedTokenizers = (kinds: readonly TokenizerKind[]) => Promise<TokenizerSet>;

/** Larger than any published tokenizer.json. */
const MAX_VOCABULARY_BYTES = 64 * 2 ** 20;

/**
 * @param files  what lies beside the weights; those that are no vocabularies are passed over
 * @throws AppError 'tokenizer/vocabulary' for a damaged one, 'network/failed' where a shipped one cannot be fetched
 */
export async function modelTokenizers(
  detected: DetectedModel,
  { files, indexes }: { readonly files: readonly ByteSource[]; readonly indexes: readonly TensorIndex[] },
  shipped: ShippedTokenizers,
): Promise<TokenizerSet> {
  const needed = new Set<TokenizerKind>(['clip']);
  for (const slot of detected.family.encoders) if (detected.textEncoders.has(slot.id)) needed.add(slot.tokenizer);
  let own: FoundTokenizers = {};
  for (const { metadata } of indexes) {
    if (metadata.has('tokenizer.ggml.tokens')) own = { ...own, ...tokenizerOfGguf(metadata) };
  }
  for (const file of files) {
    if (isVocabularyFile(file.name)) own = { ...own, ...tokenizerOfFile(file.name, await readText(file)) };
  }
  const missing = [...needed].filter((kind) => own[kind] === undefined);
  return { ...(await shipped(missing)), ...own };
}

async function readText(file: ByteSource): Promise<string> {
  if (file.sizeBytes > MAX_VOCABULARY_BYTES) {
    throw new AppError(
      'tokenizer/vocabulary',
      `${file.name}: a vocabulary has at most ${MAX_VOCABULARY_BYTES} bytes, got ${file.sizeBytes}; choose the text encoder's own.`,
      { details: { file: file.name, sizeBytes: file.sizeBytes } },
    );
  }
  return new TextDecoder().decode(await file.read(0, file.sizeBytes));
}
