/**
 * Reads protobuf fields by ranges, so that a 2 GB ONNX file costs a few reads. Knows the wire format only.
 * Format: protobuf encoding guide: tag = field << 3 | wire type; 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes.
 */
import type { ByteSource } from '../base/byte_source';
import { fileError } from './format_error';

const WINDOW_BYTES = 64 * 1024;

export interface ProtoField {
  readonly field: number;
  readonly wire: 0 | 1 | 2 | 5;
  /** Value of a varint, as unsigned 64 bits. */
  readonly value: bigint;
  /** Bytes of the value in the file: begin to end. */
  readonly begin: number;
  readonly end: number;
}

/** A window that slides over a source; jumps cost one read. */
export class ProtoReader {
  private window = new Uint8Array(0);
  private windowStart = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly signal?: AbortSignal,
  ) {}

  bad(what: string, at: number) {
    return fileError('file/bad-protobuf', this.source.name, `${what} at byte ${at}`);
  }

  /** Makes bytes at..at+length available in the window, as far as the file goes. */
  private async fill(at: number, length: number): Promise<void> {
    const inside = at >= this.windowStart && at + length <= this.windowStart + this.window.length;
    if (inside) return;
    const size = Math.min(Math.max(length, WINDOW_BYTES), this.source.sizeBytes - at);
    this.window = await this.source.read(at, size, this.signal);
    this.windowStart = at;
  }

  async bytes(begin: number, end: number): Promise<Uint8Array> {
    await this.fill(begin, end - begin);
    return this.window.subarray(begin - this.windowStart, end - this.windowStart);
  }

  /** A varint at a position: value and the position after it. */
  async varint(at: number, limit: number): Promise<{ value: bigint; end: number }> {
    await this.fill(at, Math.min(10, limit - at));
    let value = 0n;
    for (let i = 0; i < 10 && at + i < limit; i++) {
      const byte = this.window[at + i - this.windowStart] ?? 0;
      value |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return { value: BigInt.asUintN(64, value), end: at + i + 1 };
    }
    throw this.bad('a number without end', at);
  }

  /**
   * Visits the fields of a message that lies at begin..end.
   * @throws AppError 'file/bad-protobuf' for fields that leave the message or unknown wire types
   */
  async *fields(begin: number, end: number): AsyncGenerator<ProtoField> {
    for (let at = begin; at < end;) {
      const tag = await this.varint(at, end);
      const field = Number(tag.value >> 3n);
      const wire = Number(tag.value & 7n);
      if (field === 0) throw this.bad('field number 0', at);
      if (wire === 0) {
        const number = await this.varint(tag.end, end);
        yield { field, wire, value: number.value, begin: tag.end, end: number.end };
        at = number.end;
        continue;
      }
      let from = tag.end;
      let length = 4n;
      if (wire === 2) ({ value: length, end: from } = await this.varint(tag.end, end));
      else if (wire === 1) length = 8n;
      else if (wire !== 5) throw this.bad(`unknown wire type ${wire}`, at);
      if (BigInt(from) + length > BigInt(end)) throw this.bad('a field leaves its message', at);
      at = from + Number(length);
      yield { field, wire: wire === 2 ? 2 : wire === 1 ? 1 : 5, value: 0n, begin: from, end: at };
    }
  }
}
