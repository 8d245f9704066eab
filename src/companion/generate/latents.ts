/** Latents from a file and into one. */
import type { HostTensor } from '../../lib/backends/backend';
import { AppError } from '../../lib/base/errors';
import { openTensorIndex } from '../../lib/formats/open_tensor_index';
import { writeSafetensors } from '../../lib/formats/safetensors_write';
import { dequantizeTensor } from '../../lib/quant/dequantize';
import { openFileSource } from '../node_file_source';
import { writeWhole } from '../node_files';

/** The first tensor of a safetensors file, or the one called `latents` or `noise`. */
export async function readLatents(path: string): Promise<HostTensor> {
  const source = await openFileSource(path);
  try {
    const { tensors } = await openTensorIndex(source);
    const tensor = tensors.get('latents') ?? tensors.get('noise') ?? [...tensors.values()][0];
    if (!tensor) throw new AppError('file/no-tensors', `${path}: holds no tensor; save the noise as [batch, C, h, w].`);
    return { shape: tensor.shape, data: await dequantizeTensor(tensor) };
  } finally {
    await source.close();
  }
}

export async function writeLatents(path: string, { shape, data }: HostTensor): Promise<void> {
  await writeWhole(path, writeSafetensors([{ name: 'latents', shape, data: Float32Array.from(data) }]));
}
