/** Small valid files made by the product's own writers and by hand, as starting points for unit and fuzz tests. */
import { strToU8, zipSync } from 'fflate';
import { memorySource, type ByteSource } from '../../../src/lib/base/byte_source';
import { ggufHeader } from '../../../src/lib/formats/gguf_write';
import { writeSafetensors } from '../../../src/lib/formats/safetensors_write';
import { quantize } from '../../../src/lib/quant/quantize';

export function source(bytes: Uint8Array, name = 'sample'): ByteSource {
  return memorySource(name, Uint8Array.from(bytes));
}

export function safetensorsSample(): Uint8Array {
  return writeSafetensors(
    [
      { name: 'a.weight', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
      { name: 'b.weight', shape: [4], type: 'F16', data: Uint8Array.of(0, 0x3c, 0, 0x40, 0, 0x42, 0, 0x44) },
      { name: 'empty', shape: [0, 2], data: new Float32Array(0) },
    ],
    new Map([['format', 'pt']]),
  );
}

export function ggufSample(): Uint8Array {
  const values = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i));
  const packed = quantize('Q8_0', values);
  const header = ggufHeader(
    [
      { name: 'conv.weight', type: 'Q8_0', shape: [1, 256] },
      { name: 'bias', type: 'F32', shape: [2] },
    ],
    new Map<string, string | number | readonly number[]>([
      ['general.architecture', 'sd1'],
      ['answer', 42],
      ['comfy.gguf.orig_shape.conv.weight', [8, 8, 2, 2]],
    ]),
  );
  const file = new Uint8Array(header.bytes.length + (header.ranges.at(-1)?.end ?? 0));
  file.set(header.bytes);
  file.set(packed, header.bytes.length);
  return file;
}

const text = (value: string) => [0x58, value.length, 0, 0, 0, ...strToU8(value)];
const global = (module: string, name: string) => [0x63, ...strToU8(`${module}\n${name}\n`)];

export interface PickledTensor {
  /** Opcodes of the storage's class; default `torch.FloatStorage`. */
  readonly storage?: readonly number[];
  /** Elements of the storage. */
  readonly count?: number;
  /** Name in `torch._utils`, default `_rebuild_tensor_v2`. */
  readonly builder?: string;
  /** Opcodes of what follows the backward hooks. */
  readonly more?: readonly number[];
  /** Element of the storage where a view of the format before 1.6 starts. */
  readonly viewStart?: number;
}

/** data.pkl of a dict with one tensor [2, 2] under the key "w", in storage "0". */
export function torchPickle({ storage, count = 4, builder, more = [], viewStart }: PickledTensor = {}): Uint8Array {
  const view = viewStart === undefined ? [] : [...text('view'), 0x4b, viewStart, 0x4b, count, 0x87];
  return Uint8Array.from([
    ...[0x80, 2, 0x7d],
    ...text('w'),
    ...global('torch._utils', builder ?? '_rebuild_tensor_v2'),
    0x28,
    ...[0x28, ...text('storage'), ...(storage ?? global('torch', 'FloatStorage')), ...text('0'), ...text('cpu')],
    ...[0x4b, count, ...view, 0x74, 0x51],
    ...[0x4b, 0, 0x4b, 2, 0x4b, 2, 0x86, 0x4b, 2, 0x4b, 1, 0x86, 0x89],
    ...[...global('collections', 'OrderedDict'), 0x29, 0x52, ...more],
    ...[0x74, 0x52, 0x73, 0x2e],
  ]);
}

/** A torch zip of `torchPickle`; `level` 0 stores like torch, more deflates. */
export function torchSample(level: 0 | 6 = 0, pickle = torchPickle()): Uint8Array {
  const storage = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  return zipSync({ 'm/data.pkl': pickle, 'm/data/0': storage, 'm/byteorder': strToU8('little') }, { level });
}

/** An ONNX model with one initialiser [2] of floats. */
export function onnxSample(): Uint8Array {
  const bytes = (field: number, value: Uint8Array | number[]) => [(field << 3) | 2, value.length, ...value];
  const raw = new Uint8Array(Float32Array.of(0.5, -2).buffer);
  const tensor = [0x08, 2, 0x10, 1, ...bytes(8, strToU8('w')), ...bytes(9, raw)];
  return Uint8Array.from([0x08, 9, ...bytes(7, bytes(5, tensor))]);
}
