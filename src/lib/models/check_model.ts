/** Whether a model's files hold every tensor its graphs need, in the right shapes: known before anything is computed. */
import { AppError } from '../base/errors';
import type { DetectedModel } from './family';
import { buildTextEncoder } from './text';
import { buildVaeDecoder, buildVaeEncoder } from './vae';

/** Any length will do: weights do not depend on it. */
const TOKENS = 77;

/**
 * Builds every graph of the model once, from headers alone.
 * @throws AppError 'model/missing-tensors' or 'model/wrong-shape' with every tensor concerned in `details.missing` and
 * `details.misshapen`; whatever else the builders refuse
 */
export function checkModel(model: DetectedModel): void {
  const { multiple, stride } = model.latent;
  const cells = (px: number) => (Math.ceil(px / multiple) * multiple) / stride;
  const size = { batch: 1, height: cells(model.defaults.heightPx), width: cells(model.defaults.widthPx) };
  const sides = model.vae?.config as { readonly encoder?: unknown; readonly decoder?: unknown } | undefined;
  const builds: (() => unknown)[] = [
    () => model.family.buildDenoiser(model, { ...size, tokens: TOKENS }),
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
  if (!first) return;
  const all = (key: string) =>
    problems.flatMap(({ details }) => (details[key] as readonly unknown[] | undefined) ?? []);
  throw new AppError(first.code, `${model.label}: ${problems.map((problem) => problem.message).join(' ')}`, {
    details: { model: model.label, missing: all('missing'), misshapen: all('misshapen') },
  });
}

/** Sizes are read off the tensors; when one of those is gone, the rest contradict each other. */
function unfit(model: DetectedModel, cause: AppError): AppError {
  return new AppError(
    'model/wrong-shape',
    `${model.label}: its tensors do not fit together (${cause.message.replace(/\.$/, '')}); the file is incomplete, damaged or of an unknown kind. Get it again or choose another.`,
    { details: { model: model.label, ...cause.details }, cause },
  );
}
