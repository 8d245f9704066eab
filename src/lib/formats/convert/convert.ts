/** Quantizes or re-packs a model: which container a type goes into, and the conversion itself. */
import type { QuantTypeId } from '../../quant/registry';
import type { TensorIndex } from '../tensor_index';
import type { Conversion } from './conversion';
import { ggufConversion } from './gguf';
import { planTensor } from './plan';
import { safetensorsConversion } from './safetensors';

/** Types by the names that users give them, and the container for each. */
export const CONVERSIONS = {
  q8_0: { type: 'Q8_0', containers: ['gguf'] },
  q4_0: { type: 'Q4_0', containers: ['gguf'] },
  q4_k: { type: 'Q4_K', containers: ['gguf'] },
  nf4: { type: 'NF4', containers: ['safetensors'] },
  f16: { type: 'F16', containers: ['gguf', 'safetensors'] },
} as const satisfies Readonly<
  Record<string, { readonly type: QuantTypeId; readonly containers: readonly ('gguf' | 'safetensors')[] }>
>;

export type ConversionName = keyof typeof CONVERSIONS;

/**
 * @param architecture goes into a GGUF's metadata where the input names none
 * @throws AppError 'argument/invalid'
 */
export function convertIndex(
  index: TensorIndex,
  name: ConversionName,
  container: 'gguf' | 'safetensors',
  architecture: string,
): Conversion {
  const plans = [...index.tensors.values()].map((tensor) => planTensor(tensor, CONVERSIONS[name].type));
  if (container === 'safetensors') return safetensorsConversion(index, plans);
  const known = index.metadata.get('general.architecture');
  return ggufConversion(index, plans, typeof known === 'string' ? known : architecture);
}
