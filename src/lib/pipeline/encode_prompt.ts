/** Text → conditioning: chunks, text encoders, the family's way of joining their outputs. */
import type { DeviceTensor, HostTensor } from '../backends/backend';
import { throwIfAborted } from '../base/abort';
import { buildTextEncoder } from '../models/text';
import type { Conditioning, EncoderOutput, HostArray, TextEncoderSlot } from '../models/family';
import type { TextEncoderId } from '../models/part';
import { chunkPrompt, type PromptChunk } from '../prompt/chunks';
import type { EmphasisMode } from '../prompt/attention';
import { applyEmphasis } from '../prompt/emphasis';
import type { LoadedModel } from './loaded_model';

export interface EncodeOptions {
  readonly clipSkip: number;
  readonly emphasis: EmphasisMode;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Conditioning of several prompts, padded to one length so that they can run as one batch: shorter ones are filled up
 * with empty chunks, as the web UIs' "Pad conds" does.
 * @returns one conditioning per text, in order
 */
export async function encodePrompts(
  model: LoadedModel,
  texts: readonly string[],
  options: EncodeOptions,
): Promise<Conditioning[]> {
  const { family, textEncoders } = model.detected;
  const outputs = texts.map((): Partial<Record<TextEncoderId, EncoderOutput>> => ({}));
  for (const slot of family.encoders) {
    if (!textEncoders.has(slot.id)) continue;
    const chunked = texts.map((text) => chunksOf(model, slot, text, options));
    const longest = Math.max(...chunked.map((chunks) => chunks.length));
    const empty = chunksOf(model, slot, '', options)[0];
    for (const [i, chunks] of chunked.entries()) {
      const padded = [...chunks];
      while (empty && padded.length < longest) padded.push(empty);
      const encoded: EncoderOutput[] = [];
      for (const chunk of padded) encoded.push(await encodeChunk(model, slot, chunk, options));
      const output = outputs[i];
      if (output) output[slot.id] = joinChunks(encoded);
    }
  }
  return outputs.map((output) => family.conditioning(output, model.detected));
}

function chunksOf(
  model: LoadedModel,
  slot: TextEncoderSlot,
  text: string,
  { emphasis }: EncodeOptions,
): readonly PromptChunk[] {
  const padId = typeof slot.pad === 'number' ? slot.pad : undefined;
  const options = { mode: emphasis, ...(padId === undefined ? {} : { padId }) };
  return chunkPrompt(text, model.tokenizers.clip, options).chunks;
}

async function encodeChunk(
  model: LoadedModel,
  slot: TextEncoderSlot,
  chunk: PromptChunk,
  { clipSkip, emphasis, signal }: EncodeOptions,
): Promise<EncoderOutput> {
  throwIfAborted(signal);
  const key = [slot.id, clipSkip, emphasis, chunk.tokens.join(), chunk.weights.join()].join('|');
  const known = model.encoding(key);
  if (known) return known;

  const tokens = chunk.tokens.length;
  const spec = { batch: 1, tokens, clipSkip };
  const program = await model.program(`text ${slot.id}`, JSON.stringify(spec), () =>
    buildTextEncoder(model.detected, slot.id, spec),
  );
  const inputs: Record<string, DeviceTensor> = {};
  const upload = (name: string, tensor: HostTensor) => {
    if (program.graph.inputs.has(name)) inputs[name] = model.backend.upload(tensor);
  };
  upload('tokens', { shape: [1, tokens], data: Int32Array.from(chunk.tokens) });
  const end = chunk.tokens.indexOf(model.tokenizers.clip.endId);
  upload('endIndex', { shape: [1], data: Int32Array.of(Math.max(0, end)) });
  try {
    const outputs = await program.run(inputs, signal ? { signal } : {});
    const read = async (name: string): Promise<HostArray | undefined> => {
      const tensor = outputs[name];
      if (!tensor) return undefined;
      const host = await model.backend.download(tensor);
      tensor.dispose();
      return { shape: host.shape, data: Float32Array.from(host.data) };
    };
    const hidden = await read('hidden');
    const pooled = await read('pooled');
    const output: EncoderOutput = {
      ...(hidden ? { hidden: { ...hidden, data: applyEmphasis(hidden.data, chunk.weights, emphasis) } } : {}),
      ...(pooled ? { pooled } : {}),
    };
    model.rememberEncoding(key, output);
    return output;
  } finally {
    for (const tensor of Object.values(inputs)) tensor.dispose();
  }
}

/** Hidden states one after another; the pooled vector is the first chunk's, as in A1111. */
function joinChunks(chunks: readonly EncoderOutput[]): EncoderOutput {
  const [first] = chunks;
  if (!first || chunks.length === 1) return first ?? {};
  const parts = chunks.flatMap((chunk) => (chunk.hidden ? [chunk.hidden] : []));
  const width = parts[0]?.shape[2] ?? 0;
  const tokens = parts.reduce((sum, part) => sum + (part.shape[1] ?? 0), 0);
  const data = new Float32Array(tokens * width);
  let offset = 0;
  for (const part of parts) {
    data.set(part.data, offset);
    offset += part.data.length;
  }
  return { ...first, ...(parts.length > 0 ? { hidden: { shape: [1, tokens, width], data } } : {}) };
}
