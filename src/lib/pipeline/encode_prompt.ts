/** Text → conditioning: chunks, text encoders, the family's way of joining their outputs. */
import type { DeviceTensor, HostTensor } from '../backends/backend';
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import { buildTextEncoder } from '../models/text';
import type { Conditioning, EncoderOutput, HostArray, TextEncoderSlot } from '../models/family';
import type { TextEncoderId } from '../models/part';
import type { ModelOptionValues } from '../options/model_options';
import { chunkPrompt, type PromptChunk } from '../prompt/chunks';
import type { EmphasisMode } from '../prompt/attention';
import { chunkComfy, parseComfy } from '../prompt/comfy';
import { chunkT5 } from '../prompt/t5_chunks';
import type { EmbeddingSet } from './embeddings';
import type { LoadedModel } from './loaded_model';
import { weighBatch, type WeighedRow } from './weigh_batch';

export interface EncodeOptions {
  readonly clipSkip: number;
  readonly emphasis: EmphasisMode;
  /** Textual inversions by name, read when a prompt uses them. */
  readonly embeddings?: EmbeddingSet | undefined;
  /** `textTokens` sets the length of T5 and Qwen sequences, `textCache` whether encodings are kept. */
  readonly options?: ModelOptionValues | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told when a prompt is longer than an encoder reads. CLIP never is: it reads any number of chunks. */
  readonly onNotice?: ((message: string) => void) | undefined;
}

/** A sequence for an encoder: its chunk, and how many of the ids are no padding. */
interface Sequence {
  readonly chunk: PromptChunk;
  readonly used: number;
}

/** A text of a prompt's schedule, and how often it stands there. */
export interface BatchText {
  readonly text: string;
  readonly count: number;
}

/**
 * Conditioning of several prompts, padded to one length so that they can run as one batch: shorter ones are filled up
 * with empty chunks, as the web UIs' "Pad conds" does. Encoders without padding (`pad: 'none'`) keep their lengths, and
 * so does every prompt in the mode of ComfyUI.
 * @param batches  texts that weigh against each other: `Original` emphasis restores the mean over each batch
 * @returns one conditioning per text, in order
 * @throws AppError 'model/missing-part' when a tokenizer that an encoder needs was not loaded
 */
export async function encodePrompts(
  model: LoadedModel,
  batches: readonly (readonly BatchText[])[],
  options: EncodeOptions,
): Promise<Conditioning[][]> {
  const { family, textEncoders, inputs } = model.detected;
  const all = batches.flat();
  const outputs = all.map((): Partial<Record<TextEncoderId, EncoderOutput>> => ({}));
  const masks = all.map((): Float32Array => new Float32Array(0));
  for (const slot of family.encoders) {
    if (!textEncoders.has(slot.id)) continue;
    const empty = sequencesOf(model, slot, '', options);
    const sequences = all.map(({ text }) => sequencesOf(model, slot, text, options));
    const padded = options.emphasis === 'ComfyUI' ? sequences : padTogether(slot, sequences, empty);
    const encode = (sequence: Sequence) =>
      model.withRoom(`text ${slot.id}`, () => encodeSequence(model, slot, sequence, options));
    const rows: WeighedRow[][] = [];
    for (const [i, list] of padded.entries()) {
      const row: WeighedRow[] = [];
      for (const sequence of list) {
        row.push({ ...sequence, count: all[i]?.count ?? 1, output: await encode(sequence) });
      }
      rows.push(row);
      if (slot.hidden) masks[i] = contextMask(list);
    }
    let at = 0;
    for (const { length } of batches) {
      const batch = rows.slice(at, at + length);
      const weighed = await weighBatch(slot, batch, options.emphasis, async () => {
        const [sequence] = empty;
        return sequence && (await encode(sequence)).hidden?.data;
      });
      for (const [i, chunks] of weighed.entries()) {
        const output = outputs[at + i];
        if (output) output[slot.id] = joinChunks(chunks);
      }
      at += length;
    }
  }
  const conditionings = outputs.map((output, i) => {
    const conditioning = family.conditioning(output, model.detected);
    if (!inputs.includes('contextMask')) return conditioning;
    const data = Float32Array.from(masks[i] ?? []);
    return { ...conditioning, contextMask: { shape: [1, data.length], data } };
  });
  let at = 0;
  return batches.map(({ length }) => conditionings.slice(at, (at += length)));
}

/** 1 for every real token and for one padding token behind them. Source: Chroma's reference inference code. */
function contextMask(list: readonly Sequence[]): Float32Array {
  return Float32Array.from(list.flatMap(({ chunk, used }) => chunk.tokens.map((_, i) => (i <= used ? 1 : 0))));
}

/** The slot with the sequence length that the user chose; CLIP's chunks have their own. */
function sized(slot: TextEncoderSlot, { textTokens = 'model' }: ModelOptionValues = {}): TextEncoderSlot {
  if (textTokens === 'model' || slot.tokenizer === 'clip') return slot;
  const tokens = Number(textTokens);
  return {
    ...slot,
    maxTokens: tokens,
    ...(slot.minTokens === undefined || slot.pad === 'none' ? {} : { minTokens: tokens }),
  };
}

function sequencesOf(model: LoadedModel, ownSlot: TextEncoderSlot, text: string, options: EncodeOptions): Sequence[] {
  const { tokenizers, detected } = model;
  const slot = sized(ownSlot, options.options);
  const { emphasis: mode } = options;
  const missing = () =>
    new AppError(
      'model/missing-part',
      `${detected.label}: needs the vocabulary (tokenizer.json) of ${slot.label}, and none was loaded; add it to the model.`,
      { details: { tokenizer: slot.tokenizer, encoder: slot.id } },
    );
  switch (slot.tokenizer) {
    case 'clip': {
      const table = options.embeddings?.table(tokenizers.clip);
      const padId = typeof slot.pad === 'number' ? slot.pad : undefined;
      if (mode === 'ComfyUI') {
        const placed = { ...(padId === undefined ? {} : { padId }), embeddings: table };
        return chunkComfy(parseComfy(text), tokenizers.clip, placed).map((chunk) => ({
          chunk,
          used: chunk.tokens.indexOf(tokenizers.clip.endId) + 1,
        }));
      }
      const { chunks } = chunkPrompt(text, tokenizers.clip, {
        mode,
        ...(padId === undefined ? {} : { padId }),
        ...(table ? { embeddings: table } : {}),
      });
      return chunks.map((chunk) => ({ chunk, used: chunk.tokens.indexOf(tokenizers.clip.endId) + 1 }));
    }
    case 't5': {
      const { t5 } = tokenizers;
      if (!t5) throw missing();
      const { chunks } = chunkT5(text, t5, { mode, minLength: slot.minTokens ?? 1 });
      return chunks.map((chunk) => {
        tellCut(slot, chunk.tokens.length, options);
        const cut = cutTokens(chunk, slot.maxTokens);
        return { chunk: cut, used: cut.tokens.lastIndexOf(t5.endId) + 1 || cut.tokens.length };
      });
    }
    case 'qwen': {
      const { qwen } = tokenizers;
      if (!qwen) throw missing();
      // A function as replacement: `$&` in a prompt is text, not a pattern.
      const all = qwen.encode((slot.template ?? '{prompt}').replace('{prompt}', () => text));
      tellCut(slot, all.length, options);
      const ids = all.slice(0, slot.maxTokens);
      const tokens = padded(ids, slot.pad === 'none' ? 0 : (slot.minTokens ?? 0), qwen.endId);
      return [{ chunk: { tokens, weights: tokens.map(() => 1), embeddings: [] }, used: ids.length }];
    }
  }
  slot.tokenizer satisfies never;
  return [];
}

function tellCut({ label, maxTokens }: TextEncoderSlot, tokens: number, { onNotice }: EncodeOptions): void {
  if (tokens <= maxTokens) return;
  onNotice?.(
    `${label}: reads ${maxTokens} tokens and the prompt has ${tokens}; the last ${tokens - maxTokens} were left out. Shorten the prompt to have all of it read.`,
  );
}

function cutTokens(chunk: PromptChunk, maxTokens: number): PromptChunk {
  if (chunk.tokens.length <= maxTokens) return chunk;
  const end = chunk.tokens.at(-1) ?? 0;
  return {
    ...chunk,
    tokens: [...chunk.tokens.slice(0, maxTokens - 1), end],
    weights: chunk.weights.slice(0, maxTokens),
  };
}

function padded(tokens: readonly number[], length: number, padId: number): number[] {
  return [...tokens, ...Array.from({ length: Math.max(0, length - tokens.length) }, () => padId)];
}

/** As many sequences for every text, and of one length each. */
function padTogether(slot: TextEncoderSlot, all: readonly Sequence[][], empty: readonly Sequence[]): Sequence[][] {
  if (slot.pad === 'none') return [...all];
  const count = Math.max(...all.map((list) => list.length));
  const [filler] = empty;
  const filled = all.map((list) => [...list]);
  for (const list of filled) while (filler && list.length < count) list.push(filler);
  if (slot.tokenizer === 'clip') return filled;
  const padId = typeof slot.pad === 'number' ? slot.pad : (empty[0]?.chunk.tokens.at(-1) ?? 0);
  for (let k = 0; k < count; k++) {
    const longest = Math.max(...filled.map((list) => list[k]?.chunk.tokens.length ?? 0));
    for (const list of filled) {
      const sequence = list[k];
      if (!sequence || sequence.chunk.tokens.length === longest) continue;
      const tokens = padded(sequence.chunk.tokens, longest, padId);
      const weights = padded(sequence.chunk.weights, longest, 1);
      list[k] = { ...sequence, chunk: { ...sequence.chunk, tokens, weights } };
    }
  }
  return filled;
}

/** Encoder output of a sequence, its weights not applied: prompts that differ in weights alone are encoded once. */
async function encodeSequence(
  model: LoadedModel,
  slot: TextEncoderSlot,
  { chunk, used }: Sequence,
  { clipSkip, embeddings, signal, options: switches }: EncodeOptions,
): Promise<EncoderOutput> {
  throwIfAborted(signal);
  embeddings?.note(chunk);
  const part = model.detected.textEncoders.get(slot.id);
  const placed = chunk.embeddings.map(({ name, offset }) => `${name}@${offset}=${embeddings?.hash(name) ?? ''}`).join();
  const key = [slot.id, clipSkip, chunk.tokens.join(), placed, model.stackState(part)];
  const known = model.encoding(key.join('|'));
  if (known) return known;

  assertKnown(model, slot, chunk);
  const tokens = chunk.tokens.length;
  const injections = slot.tokenizer === 'clip' && chunk.embeddings.length > 0;
  const spec = { batch: 1, tokens, clipSkip, injections, mask: slot.masked === true };
  const program = await model.program(
    `text ${slot.id}`,
    JSON.stringify(spec),
    () => buildTextEncoder(model.detected, slot.id, spec),
    { part },
  );
  const inputs: Record<string, DeviceTensor> = {};
  const upload = (name: string, tensor: HostTensor) => {
    if (program.graph.inputs.has(name)) inputs[name] = model.backend.upload(tensor);
  };
  upload('tokens', { shape: [1, tokens], data: Int32Array.from(chunk.tokens) });
  const end = chunk.tokens.indexOf(model.tokenizers.clip.endId);
  upload('endIndex', { shape: [1], data: Int32Array.of(Math.max(0, end)) });
  upload('mask', { shape: [1, tokens], data: Float32Array.from(chunk.tokens, (_, i) => (i < used ? 1 : 0)) });
  for (const name of program.graph.inputs.keys()) {
    const strength = model.strength(part, name);
    if (strength !== undefined) upload(name, { shape: [1], data: Float32Array.of(strength) });
  }
  if (injections && embeddings) {
    const injectedId = program.graph.inputs.get('injected');
    const width = (injectedId === undefined ? undefined : program.graph.values[injectedId]?.shape[2]) ?? 0;
    const { injected, keep } = embeddings.inject(chunk, slot.id, width);
    upload('injected', injected);
    upload('keep', keep);
  }
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
      ...(hidden ? { hidden } : {}),
      ...(pooled ? { pooled } : {}),
    };
    if (switches?.textCache !== false) model.rememberEncoding(key.join('|'), output);
    return output;
  } finally {
    for (const tensor of Object.values(inputs)) tensor.dispose();
  }
}

/** Ids beyond an encoder's table would read whatever lies behind it. */
function assertKnown({ detected, name }: LoadedModel, slot: TextEncoderSlot, { tokens }: PromptChunk): void {
  const config = detected.textEncoders.get(slot.id)?.config as { readonly vocabulary?: number } | undefined;
  const largest = tokens.reduce((a, b) => Math.max(a, b), 0);
  if (config?.vocabulary === undefined || largest < config.vocabulary) return;
  throw new AppError(
    'tokenizer/vocabulary',
    `${name}: ${slot.label} knows ${config.vocabulary} tokens and the tokenizer gives number ${largest}; add the encoder's own tokenizer.json (CLIP: merges.txt) to the model.`,
    { details: { encoder: slot.id, vocabulary: config.vocabulary, token: largest } },
  );
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
