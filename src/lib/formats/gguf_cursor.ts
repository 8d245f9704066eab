/** Reads the typed values of a GGUF header from its first bytes, in either byte order. */
import { fileError, utf8 } from './format_error';
import type { MetadataValue } from './tensor_index';

const MAX_STRING_BYTES = 1024 * 1024;
const MAX_ARRAY_ELEMENTS = 10_000_000;
const MAX_ARRAY_DEPTH = 2;
const STRING_TYPE = 8;
const ARRAY_TYPE = 9;

/** Thrown when the bytes in memory end before the value does, although the file goes on. */
export class NeedMoreBytes {
  constructor(readonly end: number) {}
}

interface Scalar {
  readonly width: number;
  read(view: DataView, at: number, littleEndian: boolean): number | bigint;
}

/** Value types by number; 7 (bool), 8 (string) and 9 (array) are read apart. */
const SCALARS: Readonly<Record<number, Scalar>> = {
  0: { width: 1, read: (view, at) => view.getUint8(at) },
  1: { width: 1, read: (view, at) => view.getInt8(at) },
  2: { width: 2, read: (view, at, little) => view.getUint16(at, little) },
  3: { width: 2, read: (view, at, little) => view.getInt16(at, little) },
  4: { width: 4, read: (view, at, little) => view.getUint32(at, little) },
  5: { width: 4, read: (view, at, little) => view.getInt32(at, little) },
  6: { width: 4, read: (view, at, little) => view.getFloat32(at, little) },
  10: { width: 8, read: (view, at, little) => view.getBigUint64(at, little) },
  11: { width: 8, read: (view, at, little) => view.getBigInt64(at, little) },
  12: { width: 8, read: (view, at, little) => view.getFloat64(at, little) },
};
const BOOL_TYPE = 7;

export class GgufCursor {
  position = 0;
  littleEndian = true;
  private readonly view: DataView;
  private arrayElements = 0;

  constructor(
    private readonly where: string,
    private readonly bytes: Uint8Array<ArrayBuffer>,
    private readonly fileBytes: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Position of the next `length` bytes, which are in memory. */
  private take(length: number, what: string): number {
    const at = this.position;
    const end = at + length;
    if (end > this.fileBytes) throw fileError('file/truncated-header', this.where, `the file ends inside ${what}`);
    if (end > this.bytes.length) throw new NeedMoreBytes(end);
    this.position = end;
    return at;
  }

  u32(what: string): number {
    return this.view.getUint32(this.take(4, what), this.littleEndian);
  }

  u64(what: string): bigint {
    return this.view.getBigUint64(this.take(8, what), this.littleEndian);
  }

  /**
   * Length-prefixed UTF-8. Vocabularies have hundreds of thousands of strings: lengths are read without bigint.
   * @throws AppError 'file/string-length-overflow', 'file/bad-utf8'
   */
  string(what: string, maxBytes: number): string {
    const lengthAt = this.take(8, what);
    const low = this.view.getUint32(lengthAt + (this.littleEndian ? 0 : 4), this.littleEndian);
    const high = this.view.getUint32(lengthAt + (this.littleEndian ? 4 : 0), this.littleEndian);
    const length = high * 2 ** 32 + low;
    const left = this.fileBytes - this.position;
    if (length > maxBytes || length > left) {
      throw fileError(
        'file/string-length-overflow',
        this.where,
        `${what} has ${length} bytes; at most ${maxBytes} are read and ${left} are left in the file`,
      );
    }
    const at = this.take(length, what);
    return this.shortAscii(at, length) ?? utf8(this.where, what, this.bytes.subarray(at, at + length));
  }

  /** Text of a few plain bytes; undefined when it is long or not ASCII. A decoder call costs more than a short loop. */
  private shortAscii(at: number, length: number): string | undefined {
    if (length > 32) return undefined;
    let text = '';
    for (let i = at; i < at + length; i++) {
      const byte = this.bytes[i] ?? 0;
      if (byte >= 128) return undefined;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** A metadata value of a given type number. */
  value(key: string, type: number, depth = 0): MetadataValue {
    const scalar = SCALARS[type];
    if (scalar) return scalar.read(this.view, this.take(scalar.width, `key ${key}`), this.littleEndian);
    if (type === BOOL_TYPE) return this.bool(key);
    if (type === STRING_TYPE) return this.string(`the value of ${key}`, MAX_STRING_BYTES);
    if (type === ARRAY_TYPE) return this.array(key, depth + 1);
    throw fileError('file/bad-kv-type', this.where, `key ${JSON.stringify(key)} has the unknown value type ${type}`);
  }

  private bool(key: string): boolean {
    const byte = this.view.getUint8(this.take(1, `key ${key}`));
    if (byte > 1) throw fileError('file/bad-bool', this.where, `key ${JSON.stringify(key)} has a boolean of ${byte}`);
    return byte === 1;
  }

  private array(key: string, depth: number): readonly MetadataValue[] {
    if (depth > MAX_ARRAY_DEPTH) {
      throw fileError('file/deep-nesting', this.where, `key ${JSON.stringify(key)} has arrays more than two deep`);
    }
    const type = this.u32(`the array type of ${key}`);
    if (!(type in SCALARS) && ![BOOL_TYPE, STRING_TYPE, ARRAY_TYPE].includes(type)) {
      throw fileError('file/bad-kv-type', this.where, `key ${JSON.stringify(key)} is an array of unknown type ${type}`);
    }
    const count = this.u64(`the array length of ${key}`);
    const width = SCALARS[type]?.width ?? (type === STRING_TYPE ? 8 : type === ARRAY_TYPE ? 12 : 1);
    const left = this.fileBytes - this.position;
    // Counted over the whole header too: many arrays just below the limit would fill the memory as well.
    if (count > MAX_ARRAY_ELEMENTS - this.arrayElements || count * BigInt(width) > left) {
      throw fileError(
        'file/count-overflow',
        this.where,
        `key ${JSON.stringify(key)} has an array of ${count}; at most ${MAX_ARRAY_ELEMENTS} are read, ${left} bytes are left`,
      );
    }
    this.arrayElements += Number(count);
    const items: MetadataValue[] = [];
    if (type === STRING_TYPE) {
      const what = `a value of ${key}`;
      for (let i = 0; i < count; i++) items.push(this.string(what, MAX_STRING_BYTES));
    } else {
      for (let i = 0; i < count; i++) items.push(this.value(key, type, depth));
    }
    return items;
  }
}
