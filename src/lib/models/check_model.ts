/** Whether a model's files hold every tensor its graphs need, in the right shapes: known before anything is computed. */
import { AppError } from '../base/errors';
import type { DetectedModel, EncoderOutput, TextEncoderSlot } from './family';
import { zeros } from './host_array';
import type { BuiltGraph, ModelPart, TextEncoderId } from './part';
import { quantType } from '../quant/registry';
import { buildTextEncoder } from './text';
import { buildVaeDecoder, buildVaeEncoder } from './vae';

/** Any length will do: weights do not depend on it. */
const TOKENS = 77;

/**
 * Builds every graph of the model once, from headers alone.
 * @throws AppError 'model/missing-tensors' or 'model/wrong-shape' with every tensor concerned in `details.missing` and
 * `details.misshapen`, 'model/wrong-shape' for text encoders of another model, 'quant/no-decoder' for stored types that
 * nothing reads; whatever else the builders refuse
 */
export function checkModel(model: DetectedModel): void {
  assertReadable(model);
  const { multiple, stride } = model.latent;
  const cells = (px: number) => (Math.ceil(px / multiple) * multiple) / stride;
  const size = { batch: 1, height: cells(model.defaults.heightPx), width: cells(model.defaults.widthPx) };
  const sides = model.vae?.config as { readonly encoder?: unknown; readonly decoder?: unknown } | undefined;
  let denoiser: BuiltGraph | undefined;
  const builds: (() => unknown)[] = [
    () => (denoiser = model.family.buildDenoiser(model, { ...size, tokens: TOKENS })),
    ...[...model.textEncoders.keys()].map((id) => () => buildTextEncoder(model, id, { batch: 1, tokens: TOKENS })),
    ...(sides?.decoder === undefined ? [] : [() => buildVaeDecoder(model, size)]),
    ...(sides?.encoder === undefined ? [] : [() => buildVaeEncoder(model, size)]),
  ];
  const problems: AppError[] = [];
  for (const build of builds) {
    try {
      build();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'graph/shape') throw unfit(model, error);
      if (error.code !== 'model/missing-tensors' && error.code !== 'model/wrong-shape') throw error;
      problems.push(error);
    }
  }
  const [first] = problems;
  if (!first) {
    if (denoiser && model.missing.every(({ role }) => role !== 'text-encoder')) assertConditioning(model, denoiser);
    return;
  }
  const all = (key: string) =>
    problems.flatMap(({ details }) => (details[key] as readonly unknown[] | undefined) ?? []);
  throw new AppError(first.code, `${model.label}: ${problems.map((problem) => problem.message).join(' ')}`, {
    details: { model: model.label, missing: all('missing'), misshapen: all('misshapen') },
  });
}

/** Types without a kernel are decoded while loading; those without a decoder end here, before anything is computed. */
function assertReadable(model: DetectedModel): void {
  const parts = [model.denoiser, ...model.textEncoders.values(), ...(model.vae ? [model.vae] : [])];
  for (const { file, weights } of parts) {
    const unread = [...weights.values()].filter(({ tensor }) => !('dequantize' in quantType(tensor.type)));
    const [first] = unread;
    if (!first) continue;
    const { name, type } = first.tensor;
    throw new AppError(
      'quant/no-decoder',
      `${file}: ${unread.length} tensors are stored as ${type} (first: ${name}), which cannot be decoded; get the model in another type, such as Q8_0 or F16.`,
      { details: { file, type, tensors: unread.map(({ tensor }) => tensor.name) } },
    );
  }
}

/** What a text encoder gives, as zeros: only the widths count. */
function emptyOutput({ architecture, config }: ModelPart, slot: TextEncoderSlot | undefined): EncoderOutput {
  const { width, projection = 0 } = config as { readonly width: number; readonly projection?: number };
  const states = typeof slot?.qwen?.states === 'object' ? slot.qwen.states.length : 1;
  const pooled = slot?.clip?.project && projection > 0 ? projection : width;
  return {
    hidden: zeros([1, TOKENS, width * states]),
    ...(architecture === 'clip' ? { pooled: zeros([1, pooled]) } : {}),
  };
}

/** @throws AppError 'model/wrong-shape' when the text encoders were made for another denoiser */
function assertConditioning(model: DetectedModel, { graph }: BuiltGraph): void {
  const { family, textEncoders, denoiser, label } = model;
  const slot = (id: TextEncoderId) => family.encoders.find((one) => one.id === id);
  const outputs = Object.fromEntries([...textEncoders].map(([id, part]) => [id, emptyOutput(part, slot(id))]));
  for (const [name, { shape }] of Object.entries(family.conditioning(outputs, model))) {
    const found = shape.at(-1);
    const wanted = graph.values[graph.inputs.get(name) ?? -1]?.shape.at(-1);
    if (wanted === undefined || found === wanted) continue;
    const files = [...new Set([...textEncoders.values()].map((part) => part.file))].join(', ');
    throw new AppError(
      'model/wrong-shape',
      `${label}: parts of different models: the text encoders (${files}) give vectors of ${found} for "${name}", the denoiser (${denoiser.file}) takes ${wanted}; choose encoders that were made for it.`,
      { details: { input: name, expected: wanted, found, encoders: files, denoiser: denoiser.file } },
    );
  }
}

/** Sizes are read off the tensors; when one of those is gone, the rest contradict each other. */
function unfit(model: DetectedModel, cause: AppError): AppError {
  return new AppError(
    'model/wrong-shape',
    `${model.label}: its tensors do not fit together (${cause.message.replace(/\.$/, '')}); the file is incomplete, damaged or of an unknown kind. Get it again or choose another.`,
    { details: { model: model.label, ...cause.details }, cause },
  );
}
