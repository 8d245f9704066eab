/** GGUF version 3 writer: the header; tensor data follow in the order given, each padded to the alignment. */
import { AppError } from '../base/errors';
import { packedBytes, quantType } from '../quant/registry';
import { elementCount } from '../quant/tensor';
import type { PlannedTensor, WriteHeader } from './safetensors_write';

const ALIGNMENT = 32;
const TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, f64: 12 } as const;

/** Values a writer can store: text, booleans, u32 or f64 numbers, and lists of i32. */
export type GgufWriteValue = string | boolean | number | readonly number[];

/** Shape record of the ComfyUI-GGUF converter for tensors stored as rows of 256. */
export function origShapeKey(tensorName: string): string {
  return `comfy.gguf.orig_shape.${tensorName}`;
}

/** Zero bytes to write after `byteLength` bytes of data. */
export function ggufPadding(byteLength: number): number {
  return (ALIGNMENT - (byteLength % ALIGNMENT)) % ALIGNMENT;
}

/**
 * Header of a GGUF file, padded up to the start of the data.
 * @param tensors shapes in torch order as stored (rows a whole number of blocks)
 * @throws AppError 'argument/invalid' for types without a GGUF number, broken rows, more than 4 dimensions
 */
export function ggufHeader(
  tensors: readonly PlannedTensor[],
  metadata: ReadonlyMap<string, GgufWriteValue>,
): WriteHeader {
  const writer = new ByteWriter();
  writer.raw(new TextEncoder().encode('GGUF'));
  writer.u32(3);
  writer.u64(tensors.length);
  writer.u64(metadata.size);
  for (const [key, value] of metadata) {
    writer.string(key);
    writeValue(writer, value);
  }
  const ranges: { begin: number; end: number }[] = [];
  let at = 0;
  for (const tensor of tensors) {
    const type = quantType(tensor.type);
    const broken = (tensor.shape.at(-1) ?? 1) % type.blockElems !== 0;
    if (type.ggmlType === undefined || broken || tensor.shape.length > 4) {
      throw new AppError(
        'argument/invalid',
        `ggufHeader: tensor "${tensor.name}" of shape [${tensor.shape.join(', ')}] cannot be stored as ${tensor.type}.`,
        { details: { name: tensor.name, type: tensor.type, shape: tensor.shape } },
      );
    }
    writer.string(tensor.name);
    writer.u32(tensor.shape.length);
    for (const dimension of [...tensor.shape].reverse()) writer.u64(dimension);
    writer.u32(type.ggmlType);
    writer.u64(at);
    const end = at + packedBytes(type, elementCount(tensor.shape));
    ranges.push({ begin: at, end });
    at = end + ggufPadding(end);
  }
  writer.raw(new Uint8Array(ggufPadding(writer.length)));
  return { bytes: writer.result(), ranges };
}

function writeValue(writer: ByteWriter, value: GgufWriteValue): void {
  if (typeof value === 'string') {
    writer.u32(TYPE.string);
    writer.string(value);
  } else if (typeof value === 'boolean') {
    writer.u32(TYPE.bool);
    writer.raw(Uint8Array.of(value ? 1 : 0));
  } else if (typeof value === 'number') {
    const whole = Number.isInteger(value) && value >= 0 && value < 2 ** 32;
    writer.u32(whole ? TYPE.u32 : TYPE.f64);
    if (whole) writer.u32(value);
    else writer.f64(value);
  } else {
    writer.u32(TYPE.array);
    writer.u32(TYPE.i32);
    writer.u64(value.length);
    for (const item of value) writer.u32(item >>> 0);
  }
}

class ByteWriter {
  private readonly parts: Uint8Array[] = [];
  length = 0;

  raw(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }

  private number(width: 4 | 8, set: (view: DataView) => void): void {
    const bytes = new Uint8Array(width);
    set(new DataView(bytes.buffer));
    this.raw(bytes);
  }

  u32(value: number): void {
    this.number(4, (view) => view.setUint32(0, value, true));
  }

  u64(value: number): void {
    this.number(8, (view) => view.setBigUint64(0, BigInt(value), true));
  }

  f64(value: number): void {
    this.number(8, (view) => view.setFloat64(0, value, true));
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.raw(bytes);
  }

  result(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}
