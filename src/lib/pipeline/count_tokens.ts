/** How long a prompt is for a model: tokens of the encoder that reads it whole, and where its next limit lies. */
import type { TextEncoderSlot } from '../models/family';
import { chunkPrompt, tokenLimit } from '../prompt/chunks';
import { chunkT5 } from '../prompt/t5_chunks';
import type { TokenizerSet } from './loaded_model';

/**
 * @param slots  the family's encoders; the first whose hidden states are used decides, CLIP without any
 * @returns tokens without begin and end marks, and the length of the chunk (CLIP) or the encoder's limit
 */
export function countTokens(
  prompt: string,
  slots: readonly TextEncoderSlot[],
  { clip, t5, qwen }: TokenizerSet,
): { count: number; limit: number } {
  const slot = slots.find(({ hidden }) => hidden);
  // One place of T5's is the end mark; the chat text around a prompt takes places of Qwen's.
  if (slot?.tokenizer === 't5' && t5) {
    const { chunks, tokenCount } = chunkT5(prompt, t5);
    return { count: tokenCount - chunks.length, limit: slot.maxTokens - 1 };
  }
  if (slot?.tokenizer === 'qwen' && qwen) {
    const around = qwen.encode((slot.template ?? '').replace('{prompt}', '')).length;
    return { count: qwen.encode(prompt).length, limit: slot.maxTokens - around };
  }
  const { tokenCount } = chunkPrompt(prompt, clip);
  return { count: tokenCount, limit: tokenLimit(tokenCount) };
}
