/** The bytes of the protobuf writer, checked against the encoding guide and an independent reader. */
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/lib/base/byte_source';
import { ProtoReader } from '../../../../src/lib/formats/protobuf';
import { ProtoWriter } from '../../../../src/lib/backends/onnx/proto_writer';

describe('ProtoWriter', () => {
  it('writes the examples of the encoding guide', () => {
    expect([...new ProtoWriter().int(1, 150).finish()]).toEqual([0x08, 0x96, 0x01]);
    expect([...new ProtoWriter().string(2, 'testing').finish()]).toEqual([0x12, 7, 116, 101, 115, 116, 105, 110, 103]);
    const nested = new ProtoWriter().message(3, new ProtoWriter().int(1, 150)).finish();
    expect([...nested]).toEqual([0x1a, 3, 0x08, 0x96, 0x01]);
    expect([...new ProtoWriter().float(2, 1).finish()]).toEqual([0x15, 0, 0, 0x80, 0x3f]);
  });

  it('writes negative integers in ten bytes', () => {
    expect([...new ProtoWriter().int(1, -1).finish()]).toEqual([0x08, ...new Array<number>(9).fill(0xff), 1]);
    expect([...new ProtoWriter().int(1, -2).finish()].slice(1, 3)).toEqual([0xfe, 0xff]);
  });

  it('is read back by another reader, large numbers and large payloads included', async () => {
    const numbers = [0, 1, 127, 128, 16383, 16384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, -(2 ** 40)];
    const writer = new ProtoWriter();
    for (const [i, value] of numbers.entries()) writer.int(i + 1, value);
    writer.bytes(100, new Uint8Array(100_000).fill(7)).string(2047, 'é');
    const bytes = writer.finish().slice();
    const fields = [];
    for await (const field of new ProtoReader(memorySource('m', bytes)).fields(0, bytes.length)) fields.push(field);
    expect(fields.slice(0, -2).map((f) => [f.field, BigInt.asIntN(64, f.value)])).toEqual(
      numbers.map((value, i) => [i + 1, BigInt(value)]),
    );
    const [payload, last] = fields.slice(-2);
    expect(payload).toMatchObject({ field: 100, wire: 2 });
    expect(payload!.end - payload!.begin).toBe(100_000);
    expect(last).toMatchObject({ field: 2047 });
    expect(new TextDecoder().decode(bytes.subarray(last!.begin, last!.end))).toBe('é');
  });
});
