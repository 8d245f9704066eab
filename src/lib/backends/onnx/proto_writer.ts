/**
 * Protocol-buffer wire format, the part ONNX needs: varints, fixed 32-bit floats, length-delimited fields.
 * Knows nothing of ONNX. Source: protobuf.dev, "Encoding".
 */
const WIRE_VARINT = 0;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;
const TWO_32 = 4294967296;

const utf8 = new TextEncoder();

/** One message under construction; fields appear in the order of the calls. */
export class ProtoWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length + extra, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  /** A 64-bit varint, as two unsigned halves: 7 bits a byte, lowest first. */
  #varint(low: number, high: number): void {
    this.#reserve(10);
    while (high > 0 || low > 127) {
      this.#bytes[this.#length++] = (low & 127) | 128;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.#length++] = low;
  }

  #tag(field: number, wireType: number): void {
    this.#varint(((field << 3) | wireType) >>> 0, 0);
  }

  /** An int32 or int64 field; `value` is a safe integer. Negative numbers take ten bytes (two's complement). */
  int(field: number, value: number): this {
    this.#tag(field, WIRE_VARINT);
    const high = Math.floor(value / TWO_32);
    this.#varint((value - high * TWO_32) >>> 0, high >>> 0);
    return this;
  }

  float(field: number, value: number): this {
    this.#tag(field, WIRE_FIXED32);
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
    return this;
  }

  bytes(field: number, data: Uint8Array): this {
    this.#tag(field, WIRE_BYTES);
    this.#varint(data.length >>> 0, Math.floor(data.length / TWO_32));
    this.#reserve(data.length);
    this.#bytes.set(data, this.#length);
    this.#length += data.length;
    return this;
  }

  string(field: number, text: string): this {
    return this.bytes(field, utf8.encode(text));
  }

  message(field: number, message: ProtoWriter): this {
    return this.bytes(field, message.finish());
  }

  /** The bytes written so far, as a view that later writes may invalidate. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
