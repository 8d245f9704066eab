/**
 * Values with pixels and files inside as bytes: what the page and the companion send each other over HTTP.
 *
 *     | JSON bytes u32 LE | part bytes u32 LE | JSON (UTF-8) | parts, one after another |
 *
 * In the JSON, `{ "$part": [offset, length], "as": "clamped" | "blob", "type"? }` stands for each part.
 */
import { AppError } from '../base/errors';

const HEAD_BYTES = 8;

interface PartMark {
  readonly $part: readonly [offset: number, length: number];
  readonly as: 'clamped' | 'blob';
  readonly type?: string;
}

/** @param value plain data; Blobs and clamped arrays become parts, functions and undefined members are left out */
export async function encodeFrame(value: unknown): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let offset = 0;
  const mark = (bytes: Uint8Array, as: PartMark['as'], type?: string): PartMark => {
    const $part = [offset, bytes.byteLength] as const;
    offset += bytes.byteLength;
    parts.push(bytes);
    return { $part, as, ...(type === undefined ? {} : { type }) };
  };
  const pack = async (item: unknown): Promise<unknown> => {
    if (item instanceof Blob) return mark(new Uint8Array(await item.arrayBuffer()), 'blob', item.type);
    if (item instanceof Uint8ClampedArray)
      return mark(new Uint8Array(item.buffer, item.byteOffset, item.byteLength), 'clamped');
    if (Array.isArray(item)) {
      const list: unknown[] = [];
      for (const member of item as readonly unknown[]) list.push(await pack(member));
      return list;
    }
    if (typeof item !== 'object' || item === null) return item;
    const packed: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(item)) packed[key] = await pack(member);
    return packed;
  };
  const json = new TextEncoder().encode(JSON.stringify((await pack(value)) ?? null));
  const frame = new Uint8Array(HEAD_BYTES + json.byteLength + offset);
  const head = new DataView(frame.buffer);
  head.setUint32(0, json.byteLength, true);
  head.setUint32(4, offset, true);
  frame.set(json, HEAD_BYTES);
  let at = HEAD_BYTES + json.byteLength;
  for (const part of parts) {
    frame.set(part, at);
    at += part.byteLength;
  }
  return frame;
}

/** Takes a stream of frames apart, however it is cut. */
export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;

  /** @param maxBytes a frame announced larger than this is refused before it is held */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of a frame that is not whole yet. */
  get pendingBytes(): number {
    return this.#heldBytes;
  }

  /**
   * @returns the values of the frames that are whole now
   * @throws AppError 'network/failed' for bytes that are no frames
   */
  push(chunk: Uint8Array): unknown[] {
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.byteLength;
    const values: unknown[] = [];
    while (this.#heldBytes >= HEAD_BYTES) {
      const head = new DataView(this.#take(HEAD_BYTES).buffer);
      const [jsonBytes, partBytes] = [head.getUint32(0, true), head.getUint32(4, true)];
      const frameBytes = HEAD_BYTES + jsonBytes + partBytes;
      if (frameBytes > this.#maxBytes) {
        throw damaged(`a frame of ${frameBytes} bytes, at most ${this.#maxBytes} are taken`);
      }
      if (frameBytes > this.#heldBytes) break;
      const frame = this.#take(frameBytes);
      this.#drop(frameBytes);
      values.push(decode(frame.subarray(HEAD_BYTES, HEAD_BYTES + jsonBytes), frame.subarray(HEAD_BYTES + jsonBytes)));
    }
    return values;
  }

  /** A copy of the first bytes held. Chunks are joined once per frame, not once per chunk. */
  #take(byteLength: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(byteLength);
    let at = 0;
    for (const chunk of this.#chunks) {
      if (at === byteLength) break;
      const piece = chunk.subarray(0, byteLength - at);
      bytes.set(piece, at);
      at += piece.byteLength;
    }
    return bytes;
  }

  #drop(byteLength: number): void {
    this.#heldBytes -= byteLength;
    let left = byteLength;
    while (left > 0) {
      const [first] = this.#chunks;
      if (!first) return;
      if (first.byteLength > left) {
        this.#chunks[0] = first.subarray(left);
        return;
      }
      left -= first.byteLength;
      this.#chunks.shift();
    }
  }
}

function decode(json: Uint8Array, parts: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json), (key, value: unknown) => {
      if (key === '__proto__') throw damaged('a forbidden name');
      return isMark(value) ? part(value, parts) : value;
    }) as unknown;
  } catch (cause) {
    throw cause instanceof AppError ? cause : damaged('text that is no JSON', cause);
  }
}

function isMark(value: unknown): value is PartMark {
  return typeof value === 'object' && value !== null && '$part' in value;
}

function part({ $part, as, type }: PartMark, parts: Uint8Array): Blob | Uint8ClampedArray {
  const [offset, length] = Array.isArray($part) ? $part : [NaN, NaN];
  const inside = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0;
  if (!inside || offset + length > parts.byteLength) throw damaged('a part outside its frame');
  const bytes = parts.slice(offset, offset + length);
  return as === 'blob'
    ? new Blob([bytes], { type: typeof type === 'string' ? type : '' })
    : new Uint8ClampedArray(bytes.buffer);
}

function damaged(what: string, cause?: unknown): AppError {
  return new AppError('network/failed', `companion: sent ${what}; check that page and companion are of one version.`, {
    cause,
  });
}
