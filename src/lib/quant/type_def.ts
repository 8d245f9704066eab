/** What one row of the table of stored number formats says. Knows nothing of files or devices. */

/** A run of 16-, 32- or 64-bit words inside a block; big-endian files need it to swap bytes. */
export interface BlockWords {
  /** Byte offset of the first word in the block. */
  readonly offset: number;
  readonly width: 2 | 4 | 8;
  readonly count: number;
}

/**
 * Decodes packed numbers into f32.
 * @param bytes packed blocks; the first block starts at byte `byteOffset`
 * @param count elements to decode; for types with blocks a multiple of `blockElems`, except the last block of the
 *   bitsandbytes types, which may be half used
 * @param out receives `count` values from `outOffset` on
 */
export type Dequantize = (
  bytes: Uint8Array,
  count: number,
  out: Float32Array,
  outOffset?: number,
  byteOffset?: number,
) => void;

export type QuantKind =
  /** IEEE and IEEE-like floats, one element per block. */
  | 'float'
  | 'int'
  | 'bool'
  /** Blocks with their own scales (GGML). */
  | 'block'
  /** Codes whose scales live in companion tensors (bitsandbytes, LLM.int8). */
  | 'companion'
  /** Known by name and size, kept as bytes, never decoded. */
  | 'opaque';

export interface QuantTypeDef {
  /** Name in this product; equal to the name in the files where there is one. */
  readonly id: string;
  readonly label: string;
  readonly kind: QuantKind;
  readonly blockElems: number;
  readonly blockBytes: number;
  /** Stored bits per weight, companions included where they have a usual size. */
  readonly bitsPerWeight: number;
  /** Type number in GGUF. */
  readonly ggmlType?: number;
  /** Name in a safetensors header. */
  readonly safetensorsDtype?: string;
  /** Multi-byte words of one block. Absent: the block is plain bytes. */
  readonly words?: readonly BlockWords[];
  /** Absent for opaque types: they are refused by name. Types of kind `companion` give codes without scales. */
  readonly dequantize?: Dequantize;
}

/** Checks a table row at compile time and keeps its literal types. */
export function defineType<const T extends QuantTypeDef>(def: T): T {
  return def;
}
