/** safetensors writer: header for streaming, or a small file whole. Layout as the reference writes it. */
import { AppError } from '../base/errors';
import { packedBytes, quantType, type QuantTypeId } from '../quant/registry';
import { elementCount } from '../quant/tensor';

export interface PlannedTensor {
  readonly name: string;
  readonly type: QuantTypeId;
  /** Torch order. */
  readonly shape: readonly number[];
}

export interface WriteHeader {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of each tensor from the end of the header on, in the order given; the data follow in this order. */
  readonly ranges: readonly { readonly begin: number; readonly end: number }[];
}

/**
 * Header of a file whose tensor data will be written one after the other.
 * @param metadata text values only; the container allows no others
 * @throws AppError 'argument/invalid' for types the container has no name for, or a name given twice
 */
export function safetensorsHeader(
  tensors: readonly PlannedTensor[],
  metadata: ReadonlyMap<string, string> = new Map(),
): WriteHeader {
  const entries = new Map<string, unknown>();
  if (metadata.size > 0) entries.set('__metadata__', Object.fromEntries(metadata));
  const ranges: { begin: number; end: number }[] = [];
  let at = 0;
  for (const tensor of tensors) {
    const dtype = quantType(tensor.type).safetensorsDtype;
    if (dtype === undefined || entries.has(tensor.name) || tensor.name === '__metadata__') {
      const reason = dtype === undefined ? `safetensors has no name for type ${tensor.type}` : 'the name is taken';
      throw new AppError('argument/invalid', `safetensorsHeader: tensor "${tensor.name}": ${reason}.`, {
        details: { name: tensor.name, type: tensor.type },
      });
    }
    const end = at + packedBytes(quantType(tensor.type), elementCount(tensor.shape));
    entries.set(tensor.name, { dtype, shape: tensor.shape, data_offsets: [at, end] });
    ranges.push({ begin: at, end });
    at = end;
  }
  const json = `{${[...entries].map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`;
  const text = new TextEncoder().encode(json);
  // Spaces up to a multiple of 8, so that the data of aligned types start aligned.
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return { bytes, ranges };
}

export interface WritableTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** f32 values, or packed bytes of `type`. */
  readonly data: Float32Array | Uint8Array;
  /** Type of packed bytes; F32 when absent. */
  readonly type?: QuantTypeId;
}

/**
 * A small safetensors file in memory (latents, LoRA).
 * @throws AppError 'argument/invalid' when data and shape disagree
 */
export function writeSafetensors(
  tensors: readonly WritableTensor[],
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array<ArrayBuffer> {
  const planned = tensors.map(({ name, shape, type }) => ({ name, shape, type: type ?? 'F32' }) as const);
  const header = safetensorsHeader(planned, metadata);
  const file = new Uint8Array(header.bytes.length + (header.ranges.at(-1)?.end ?? 0));
  file.set(header.bytes);
  tensors.forEach((tensor, i) => {
    const { data } = tensor;
    const range = header.ranges[i];
    if (range?.end !== (range?.begin ?? 0) + data.byteLength) {
      throw new AppError(
        'argument/invalid',
        `writeSafetensors: tensor "${tensor.name}" of shape [${tensor.shape.join(', ')}] does not take ${data.byteLength} bytes.`,
        { details: { name: tensor.name, shape: tensor.shape, bytes: data.byteLength } },
      );
    }
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), header.bytes.length + range.begin);
  });
  return file;
}
