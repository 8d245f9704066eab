/** Plain numbers, one element per block: IEEE floats, bfloat16, integers, booleans. */
import { f16Table } from './half';
import { defineType, type Dequantize } from './type_def';

/**
 * A typed-array view when the bytes happen to be aligned. Data in files may start at any byte, and a typed array may
 * not: the copy is the price of that. All supported hosts are little-endian, like the files.
 */
function aligned(bytes: Uint8Array, byteOffset: number, byteLength: number, width: number): ArrayBufferLike {
  return (bytes.byteOffset + byteOffset) % width === 0
    ? bytes.buffer
    : bytes.slice(byteOffset, byteOffset + byteLength).buffer;
}

type NumberArray = Float64Array | Float32Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array;
interface NumberArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): NumberArray;
}

function plain(View: NumberArrayConstructor): Dequantize {
  const width = View.BYTES_PER_ELEMENT;
  return (bytes, count, out, outOffset = 0, byteOffset = 0) => {
    const buffer = aligned(bytes, byteOffset, count * width, width);
    out.set(new View(buffer, buffer === bytes.buffer ? bytes.byteOffset + byteOffset : 0, count), outOffset);
  };
}

const decodeU8: Dequantize = (bytes, count, out, outOffset = 0, byteOffset = 0) => {
  out.set(bytes.subarray(byteOffset, byteOffset + count), outOffset);
};

const decodeBool: Dequantize = (bytes, count, out, outOffset = 0, byteOffset = 0) => {
  for (let i = 0; i < count; i++) out[outOffset + i] = bytes[byteOffset + i] ? 1 : 0;
};

/** 64-bit integers go through bigint; Number() rounds to f64 and the store to f32, as numpy's astype does. */
function wide(read: (view: DataView, offset: number) => bigint): Dequantize {
  return (bytes, count, out, outOffset = 0, byteOffset = 0) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + byteOffset, count * 8);
    for (let i = 0; i < count; i++) out[outOffset + i] = bigToF32(read(view, i * 8));
  };
}

/** Nearest f32 of a 64-bit integer with one rounding: f64 first would round twice for magnitudes above 2^53. */
function bigToF32(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  if (magnitude <= 9007199254740991n) return Math.fround(Number(value));
  // Sticky bit: keeps "not exactly half" visible after the low bits are cut.
  const shift = BigInt(magnitude.toString(2).length - 50);
  const cut = magnitude >> shift;
  const sticky = cut << shift === magnitude ? cut : cut | 1n;
  const rounded = Math.fround(Number(sticky)) * 2 ** Number(shift);
  return value < 0n ? -rounded : rounded;
}

const decodeF16: Dequantize = (bytes, count, out, outOffset = 0, byteOffset = 0) => {
  const table = f16Table();
  for (let i = 0, b = byteOffset; i < count; i++, b += 2) {
    out[outOffset + i] = table[(bytes[b] ?? 0) | ((bytes[b + 1] ?? 0) << 8)] ?? 0;
  }
};

const decodeBf16: Dequantize = (bytes, count, out, outOffset = 0, byteOffset = 0) => {
  const words = new Uint32Array(out.buffer, out.byteOffset + outOffset * 4, count);
  for (let i = 0, b = byteOffset; i < count; i++, b += 2) {
    words[i] = ((bytes[b] ?? 0) << 16) | ((bytes[b + 1] ?? 0) << 24);
  }
};

const word = (width: 2 | 4 | 8) => [{ offset: 0, width, count: 1 }] as const;

export const plainTypes = [
  defineType({
    id: 'F64',
    label: '64-bit float',
    kind: 'float',
    blockElems: 1,
    blockBytes: 8,
    bitsPerWeight: 64,
    ggmlType: 28,
    safetensorsDtype: 'F64',
    words: word(8),
    dequantize: plain(Float64Array),
  }),
  defineType({
    id: 'F32',
    label: '32-bit float',
    kind: 'float',
    blockElems: 1,
    blockBytes: 4,
    bitsPerWeight: 32,
    ggmlType: 0,
    safetensorsDtype: 'F32',
    words: word(4),
    dequantize: plain(Float32Array),
  }),
  defineType({
    id: 'F16',
    label: '16-bit float',
    kind: 'float',
    blockElems: 1,
    blockBytes: 2,
    bitsPerWeight: 16,
    ggmlType: 1,
    safetensorsDtype: 'F16',
    words: word(2),
    dequantize: decodeF16,
  }),
  defineType({
    id: 'BF16',
    label: 'bfloat16',
    kind: 'float',
    blockElems: 1,
    blockBytes: 2,
    bitsPerWeight: 16,
    ggmlType: 30,
    safetensorsDtype: 'BF16',
    words: word(2),
    dequantize: decodeBf16,
  }),
  defineType({
    id: 'I8',
    label: 'signed 8-bit integer',
    kind: 'int',
    blockElems: 1,
    blockBytes: 1,
    bitsPerWeight: 8,
    ggmlType: 24,
    safetensorsDtype: 'I8',
    dequantize: plain(Int8Array),
  }),
  defineType({
    id: 'U8',
    label: 'unsigned 8-bit integer',
    kind: 'int',
    blockElems: 1,
    blockBytes: 1,
    bitsPerWeight: 8,
    safetensorsDtype: 'U8',
    dequantize: decodeU8,
  }),
  defineType({
    id: 'I16',
    label: 'signed 16-bit integer',
    kind: 'int',
    blockElems: 1,
    blockBytes: 2,
    bitsPerWeight: 16,
    ggmlType: 25,
    safetensorsDtype: 'I16',
    words: word(2),
    dequantize: plain(Int16Array),
  }),
  defineType({
    id: 'U16',
    label: 'unsigned 16-bit integer',
    kind: 'int',
    blockElems: 1,
    blockBytes: 2,
    bitsPerWeight: 16,
    safetensorsDtype: 'U16',
    words: word(2),
    dequantize: plain(Uint16Array),
  }),
  defineType({
    id: 'I32',
    label: 'signed 32-bit integer',
    kind: 'int',
    blockElems: 1,
    blockBytes: 4,
    bitsPerWeight: 32,
    ggmlType: 26,
    safetensorsDtype: 'I32',
    words: word(4),
    dequantize: plain(Int32Array),
  }),
  defineType({
    id: 'U32',
    label: 'unsigned 32-bit integer',
    kind: 'int',
    blockElems: 1,
    blockBytes: 4,
    bitsPerWeight: 32,
    safetensorsDtype: 'U32',
    words: word(4),
    dequantize: plain(Uint32Array),
  }),
  defineType({
    id: 'I64',
    label: 'signed 64-bit integer',
    kind: 'int',
    blockElems: 1,
    blockBytes: 8,
    bitsPerWeight: 64,
    ggmlType: 27,
    safetensorsDtype: 'I64',
    words: word(8),
    dequantize: wide((view, offset) => view.getBigInt64(offset, true)),
  }),
  defineType({
    id: 'U64',
    label: 'unsigned 64-bit integer',
    kind: 'int',
    blockElems: 1,
    blockBytes: 8,
    bitsPerWeight: 64,
    safetensorsDtype: 'U64',
    words: word(8),
    dequantize: wide((view, offset) => view.getBigUint64(offset, true)),
  }),
  defineType({
    id: 'BOOL',
    label: 'boolean, one byte',
    kind: 'bool',
    blockElems: 1,
    blockBytes: 1,
    bitsPerWeight: 8,
    safetensorsDtype: 'BOOL',
    dequantize: decodeBool,
  }),
] as const;

/** Known by name and size only: their element order or meaning is not something this product computes with. */
export const opaqueTypes = [
  defineType({
    id: 'C64',
    label: 'complex, two 32-bit floats',
    kind: 'opaque',
    blockElems: 1,
    blockBytes: 8,
    bitsPerWeight: 64,
    safetensorsDtype: 'C64',
    words: [{ offset: 0, width: 4, count: 2 }],
  }),
  defineType({
    id: 'F4',
    label: '4-bit float E2M1',
    kind: 'opaque',
    blockElems: 2,
    blockBytes: 1,
    bitsPerWeight: 4,
    safetensorsDtype: 'F4',
  }),
  defineType({
    id: 'U4',
    label: 'unsigned 4-bit integer',
    kind: 'opaque',
    blockElems: 2,
    blockBytes: 1,
    bitsPerWeight: 4,
  }),
  defineType({
    id: 'I4',
    label: 'signed 4-bit integer',
    kind: 'opaque',
    blockElems: 2,
    blockBytes: 1,
    bitsPerWeight: 4,
  }),
  defineType({
    id: 'F6_E2M3',
    label: '6-bit float E2M3',
    kind: 'opaque',
    blockElems: 4,
    blockBytes: 3,
    bitsPerWeight: 6,
    safetensorsDtype: 'F6_E2M3',
  }),
  defineType({
    id: 'F6_E3M2',
    label: '6-bit float E3M2',
    kind: 'opaque',
    blockElems: 4,
    blockBytes: 3,
    bitsPerWeight: 6,
    safetensorsDtype: 'F6_E3M2',
  }),
] as const;
