/** A stored tensor as a host tensor: integers stay integers, everything else becomes f32. */
import type { HostTensor } from '../../../src/lib/backends/backend';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import type { StoredTensor } from '../../../src/lib/quant/tensor';

export async function loadTensor(tensor: StoredTensor): Promise<HostTensor> {
  if (tensor.type === 'I32') {
    const bytes = await tensor.source.read(tensor.byteOffset, tensor.byteLength);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const data = Int32Array.from({ length: bytes.byteLength / 4 }, (_, i) => view.getInt32(4 * i, true));
    return { shape: tensor.shape, data };
  }
  return { shape: tensor.shape, data: await dequantizeTensor(tensor) };
}
