/** The part that onnxruntime-web and onnxruntime-node share: both speak one interface. */
import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { AppError } from '../../base/errors';
import type { OnnxElementType, OnnxSession, OnnxTensor, OnnxTensorInfo, SessionOptions } from './runtime';

type TensorClass = new (type: Tensor.Type, data: Tensor.DataType, dims: readonly number[]) => Tensor;

/** Session options in the library's words. */
export function ortOptions(options: SessionOptions): InferenceSession.SessionOptions {
  return {
    graphOptimizationLevel: options.optimization,
    logSeverityLevel: 4,
    ...(options.prepack ? {} : { extra: { session: { disable_prepacking: '1' } } }),
    ...(options.profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profilePrefix }),
  };
}

const ELEMENT_TYPES: ReadonlySet<string> = new Set<OnnxElementType>([
  'float32',
  'float64',
  'float16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
]);

function tensorInfo(metadata: InferenceSession.ValueMetadata): OnnxTensorInfo {
  if (!metadata.isTensor || !ELEMENT_TYPES.has(metadata.type)) {
    throw new AppError(
      'backend/unsupported-op',
      `onnx: "${metadata.name}" is ${metadata.isTensor ? `of type ${metadata.type}` : 'not a tensor'}; only numeric tensors can go in and out. Export the model differently.`,
      { details: { name: metadata.name } },
    );
  }
  return { name: metadata.name, type: metadata.type as OnnxElementType, shape: metadata.shape };
}

/** Wraps a session of either library. */
export function wrapSession(session: InferenceSession, TensorOf: TensorClass): OnnxSession {
  return {
    inputs: session.inputMetadata.map(tensorInfo),
    outputs: session.outputMetadata.map(tensorInfo),
    async run(feeds) {
      const tensors: Record<string, Tensor> = {};
      for (const [name, { type, shape, data }] of Object.entries(feeds)) {
        tensors[name] = new TensorOf(type, data as Tensor.DataType, shape);
      }
      const results = await session.run(tensors);
      const outputs: Record<string, OnnxTensor> = {};
      for (const [name, value] of Object.entries(results)) {
        outputs[name] = {
          type: value.type as OnnxElementType,
          shape: value.dims,
          data: value.data as OnnxTensor['data'],
        };
      }
      return outputs;
    },
    endProfiling: () => session.endProfiling(),
    release: () => session.release(),
  };
}
