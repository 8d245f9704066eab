/** ONNX models that users bring: upscalers, preprocessors. Names, types and shapes come from the model itself. */
import { throwIfAborted } from '../../base/abort';
import { AppError } from '../../base/errors';
import { elementCount } from '../../base/shape';
import { disposedError } from '../check_inputs';
import { externalLocations } from './external_locations';
import { yieldToEvents } from './host_tensors';
import type { OnnxRuntime, OnnxSession, OnnxTensor, OnnxTensorInfo, SessionOptions } from './runtime';
import { openSession, runSession } from './session';

export interface OnnxModelFiles {
  /** File name, for messages. */
  readonly name: string;
  readonly model: Uint8Array;
  /** Bytes of each external file, by the location that the model names. */
  readonly externalData?: ReadonlyMap<string, Uint8Array>;
}

export interface OnnxModelOptions {
  /** Default `all`: nobody has fused these graphs yet. */
  readonly optimization?: SessionOptions['optimization'];
  /** Default true. */
  readonly prepack?: boolean;
}

export interface OnnxUserModel {
  readonly inputs: readonly OnnxTensorInfo[];
  readonly outputs: readonly OnnxTensorInfo[];
  /**
   * Runs once; outputs are copies that the caller owns.
   * @throws AppError 'graph/shape' for inputs that do not fit, 'job/cancelled', 'backend/…'
   */
  run(
    feeds: Readonly<Record<string, OnnxTensor>>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Record<string, OnnxTensor>>;
  dispose(): Promise<void>;
}

function shapeText(shape: readonly (number | string)[]): string {
  return `[${shape.join(', ')}]`;
}

function checkFeed(name: string, info: OnnxTensorInfo, tensor: OnnxTensor | undefined): OnnxTensor {
  const fits =
    tensor?.type === info.type &&
    tensor.shape.length === info.shape.length &&
    tensor.shape.every((size, axis) => typeof info.shape[axis] === 'string' || size === info.shape[axis]) &&
    elementCount(tensor.shape) === tensor.data.length;
  if (fits) return tensor;
  const found = tensor ? `${tensor.type} ${shapeText(tensor.shape)} with ${tensor.data.length} elements` : 'nothing';
  throw new AppError(
    'graph/shape',
    `${name}: input "${info.name}" must be ${info.type} ${shapeText(info.shape)}, got ${found}.`,
    { details: { model: name, input: info.name, expected: info.shape, found: tensor?.shape ?? null } },
  );
}

/** Only the files the model names are handed over, and all of them must be there. */
function matchExternal({ name, model, externalData }: OnnxModelFiles) {
  return [...externalLocations(name, model)].map((path) => {
    const data = externalData?.get(path);
    if (data) return { path, data };
    throw new AppError(
      'file/missing-shard',
      `${name}: the model keeps weights in "${path}", which was not given; choose that file together with the model.`,
      { details: { name, location: path } },
    );
  });
}

/**
 * Opens a model file.
 * @throws AppError 'file/bad-protobuf', 'file/missing-shard', 'backend/unsupported-op', 'backend/out-of-memory',
 *   'backend/compile'
 */
export async function openOnnxModel(
  runtime: OnnxRuntime,
  files: OnnxModelFiles,
  { optimization = 'all', prepack = true }: OnnxModelOptions = {},
): Promise<OnnxUserModel> {
  const { name, model } = files;
  const opened = await openSession(runtime, name, model, matchExternal(files), { optimization, prepack });
  let session: OnnxSession | undefined = opened;
  let last: Promise<unknown> = Promise.resolve();
  const runOnce = async (feeds: Readonly<Record<string, OnnxTensor>>, signal: AbortSignal | undefined) => {
    throwIfAborted(signal);
    if (!session) throw disposedError(`model ${name}`);
    const checked: Record<string, OnnxTensor> = {};
    for (const info of session.inputs) {
      checked[info.name] = checkFeed(name, info, Object.hasOwn(feeds, info.name) ? feeds[info.name] : undefined);
    }
    const outputs = await runSession(session, name, checked);
    await yieldToEvents();
    throwIfAborted(signal);
    return outputs;
  };
  return {
    inputs: opened.inputs,
    outputs: opened.outputs,
    run(feeds, { signal } = {}) {
      const result = last.then(() => runOnce(feeds, signal));
      last = result.catch(() => undefined);
      return result;
    },
    async dispose() {
      if (!session) return;
      session = undefined;
      await last;
      await opened.release();
    },
  };
}
