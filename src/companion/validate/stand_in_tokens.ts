/**
 * Tokens for models whose vocabulary is shorter than the published one (cut or toy models without their own tokenizer
 * file): numbers beyond its end are folded back, so that everything behind the words can be tried all the same.
 */
import type { TextEncoderSlot } from '../../lib/models/family';
import { LoadedModel, type TokenizerSet } from '../../lib/pipeline/loaded_model';
import type { Tokenizer } from '../../lib/tokenizers/tokenizer';

/** Entries of the shortest table that a tokenizer serves; undefined when the model has none of that kind. */
function vocabulary({ detected }: LoadedModel, kind: TextEncoderSlot['tokenizer']): number | undefined {
  const sizes = detected.family.encoders.flatMap((slot) => {
    const config = detected.textEncoders.get(slot.id)?.config as { readonly vocabulary?: number } | undefined;
    return slot.tokenizer === kind && config?.vocabulary !== undefined ? [config.vocabulary] : [];
  });
  return sizes.length > 0 ? Math.min(...sizes) : undefined;
}

/** The last two ids mark begin and end, as in CLIP's own table. */
function folded<T extends Tokenizer>(tokenizer: T, size: number): T {
  const words = size - 2;
  return {
    ...tokenizer,
    size,
    endId: tokenizer.endId < size ? tokenizer.endId : size - 1,
    encode: (text: string) => tokenizer.encode(text).map((id) => (id < size ? id : id % words)),
  };
}

/**
 * The model with such tokens and what to say of it, or the model as it is. A stand-in shares the model's weights and
 * programs with nobody: dispose of it instead.
 */
export function withKnownTokens(model: LoadedModel): { readonly model: LoadedModel; readonly warning?: string } {
  const { tokenizers, detected, backend, id, name, hash } = model;
  const sizes = { clip: vocabulary(model, 'clip'), t5: vocabulary(model, 't5'), qwen: vocabulary(model, 'qwen') };
  const short = (kind: keyof typeof sizes) => {
    const [size, own] = [sizes[kind], tokenizers[kind]];
    return size !== undefined && size > 2 && own !== undefined && size < own.size ? size : undefined;
  };
  const [clip, t5, qwen] = [short('clip'), short('t5'), short('qwen')];
  if (clip === undefined && t5 === undefined && qwen === undefined) return { model };
  const set: TokenizerSet = {
    ...tokenizers,
    ...(clip === undefined ? {} : { clip: { ...folded(tokenizers.clip, clip), beginId: clip - 2 } }),
    ...(t5 !== undefined && tokenizers.t5 ? { t5: folded(tokenizers.t5, t5) } : {}),
    ...(qwen !== undefined && tokenizers.qwen ? { qwen: folded(tokenizers.qwen, qwen) } : {}),
  };
  const known = Math.min(...[clip, t5, qwen].filter((size) => size !== undefined));
  return {
    model: new LoadedModel({ detected, backend, tokenizers: set, id, name, hash }),
    warning: `Its text encoder knows ${known} tokens, fewer than the usual vocabulary, and no tokenizer lies beside it: words were replaced by others, the picture says nothing about the prompt.`,
  };
}
