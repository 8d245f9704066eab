/**
 * Valid files of every shape a writer may give them, built here by hand and read back: each container's freedoms (byte
 * order, alignment, number and text encodings, order, spacing, compression) are drawn at random, seeded.
 */
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/lib/formats/crc32';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { readPickle } from '../../../src/lib/formats/pickle_reader';
import { PickleDict, PickleList, PickleTuple, type PickleValue } from '../../../src/lib/formats/pickle_values';
import type { MetadataValue } from '../../../src/lib/formats/tensor_index';
import { readRaw } from '../../../src/lib/quant/dequantize';
import { source, torchPickle } from './sample_files';

const CHECK = { seed: 8128, numRuns: 150 };
const product = (shape: readonly number[]) => shape.reduce((all, size) => all * size, 1);
/** Bytes that differ from place to place. */
const filling = (length: number, seed: number) => Buffer.from(Array.from({ length }, (_, i) => (i * 31 + seed) & 255));

describe('GGUF', () => {
  const SCALARS = {
    0: fc.nat(255),
    1: fc.integer({ min: -128, max: 127 }),
    2: fc.nat(65_535),
    3: fc.integer({ min: -32_768, max: 32_767 }),
    4: fc.nat(2 ** 32 - 1),
    5: fc.integer(),
    6: fc.float({ noNaN: true }),
    7: fc.boolean(),
    8: fc.string({ unit: 'binary', maxLength: 40 }),
    10: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    11: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    12: fc.double({ noNaN: true }),
  } as const;
  type Typed = readonly [type: number, value: MetadataValue, items?: number];
  const scalar: fc.Arbitrary<Typed> = fc.oneof(
    ...Object.entries(SCALARS).map(([type, value]) =>
      (value as fc.Arbitrary<MetadataValue>).map((one): Typed => [Number(type), one]),
    ),
  );
  const list: fc.Arbitrary<Typed> = fc.oneof(
    ...Object.entries(SCALARS).map(([type, value]) =>
      fc.array(value as fc.Arbitrary<MetadataValue>, { maxLength: 5 }).map((all): Typed => [9, all, Number(type)]),
    ),
  );

  class Writer {
    readonly parts: Buffer[] = [];
    constructor(readonly little: boolean) {}
    number(width: number, value: bigint): void {
      const bytes = Buffer.alloc(width);
      let rest = BigInt.asUintN(8 * width, value);
      for (let i = 0; i < width; i++, rest >>= 8n) bytes[this.little ? i : width - 1 - i] = Number(rest & 255n);
      this.parts.push(bytes);
    }
    u32 = (value: number) => this.number(4, BigInt(value));
    u64 = (value: number) => this.number(8, BigInt(value));
    text(value: string): void {
      const bytes = Buffer.from(value);
      this.u64(bytes.length);
      this.parts.push(bytes);
    }
    float(width: 4 | 8, value: number): void {
      const bytes = Buffer.alloc(width);
      if (width === 4) bytes.writeFloatLE(value);
      else bytes.writeDoubleLE(value);
      this.parts.push(this.little ? bytes : bytes.reverse());
    }
    value(type: number, value: MetadataValue, items = 0): void {
      const widths: Record<number, number> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 7: 1, 10: 8, 11: 8 };
      if (type === 9) {
        this.u32(items);
        this.u64((value as readonly MetadataValue[]).length);
        for (const item of value as readonly MetadataValue[]) this.value(items, item);
      } else if (type === 8) this.text(value as string);
      else if (type === 6) this.float(4, value as number);
      else if (type === 12) this.float(8, value as number);
      else this.number(widths[type] ?? 0, BigInt(value as number));
    }
  }

  const TYPES = [
    { id: 'F32', number: 0, elems: 1, bytes: 4 },
    { id: 'F16', number: 1, elems: 1, bytes: 2 },
    { id: 'Q4_0', number: 2, elems: 32, bytes: 18 },
    { id: 'Q8_0', number: 8, elems: 32, bytes: 34 },
    { id: 'Q6_K', number: 14, elems: 256, bytes: 210 },
    { id: 'I8', number: 24, elems: 1, bytes: 1 },
    { id: 'BF16', number: 30, elems: 1, bytes: 2 },
  ] as const;
  const tensor = fc.record({
    name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
    type: fc.constantFrom(...TYPES),
    /** Outermost first; the rows are multiples of the block. */
    outer: fc.array(fc.nat(3), { maxLength: 3 }),
    rows: fc.integer({ min: 1, max: 3 }),
  });
  const file = fc.record({
    layout: fc.constantFrom([2, true], [3, true], [3, false]) as fc.Arbitrary<readonly [number, boolean]>,
    alignment: fc.option(fc.constantFrom(1, 4, 8, 64, 4096), { nil: undefined }),
    alignFirst: fc.boolean(),
    pairs: fc.uniqueArray(fc.tuple(fc.string({ minLength: 1, maxLength: 20 }), fc.oneof(scalar, list)), {
      selector: ([key]) => key,
      maxLength: 8,
    }),
    tensors: fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 5 }),
    trailing: fc.nat(40),
  });

  it('of any version, byte order, alignment and metadata', async () => {
    await fc.assert(
      fc.asyncProperty(file, async ({ layout, alignment, alignFirst, pairs, tensors, trailing }) => {
        const [version, little] = layout;
        const align = alignment ?? 32;
        const own: [string, Typed][] = alignment === undefined ? [] : [['general.alignment', [4, alignment]]];
        const all = (alignFirst ? [...own, ...pairs] : [...pairs, ...own]).filter(([key]) => key !== '__proto__');
        const kept = tensors.filter(({ name }) => name !== '__proto__');
        const head = new Writer(little);
        head.parts.push(Buffer.from('GGUF'));
        head.u32(version);
        head.u64(kept.length);
        head.u64(all.length);
        for (const [key, [type, value, items]] of all) {
          head.text(key);
          head.u32(type);
          head.value(type, value, items);
        }
        const data: Buffer[] = [];
        let at = 0;
        for (const [i, { name, type, outer, rows }] of kept.entries()) {
          const shape = [...outer, rows * type.elems];
          head.text(name);
          head.u32(shape.length);
          for (const size of shape.toReversed()) head.u64(size);
          head.u32(type.number);
          head.u64(at);
          const bytes = filling((product(shape) / type.elems) * type.bytes, i);
          const padding = Buffer.alloc((align - (bytes.length % align)) % align);
          data.push(bytes, padding);
          at += bytes.length + padding.length;
        }
        const header = Buffer.concat(head.parts);
        const pad = Buffer.alloc((align - (header.length % align)) % align);
        const index = await openTensorIndex(source(Buffer.concat([header, pad, ...data, Buffer.alloc(trailing)])));
        expect([...index.metadata]).toEqual(all.map(([key, [, value]]) => [key, value]));
        expect(index.container).toMatchObject({ version, byteOrder: little ? 'little' : 'big', alignment: align });
        for (const [i, { name, type, outer, rows }] of kept.entries()) {
          const found = index.tensors.get(name);
          expect(found).toMatchObject({ type: type.id, shape: [...outer, rows * type.elems] });
          expect(found && (await found.source.read(found.byteOffset, found.byteLength))).toEqual(
            Uint8Array.from(data[2 * i] ?? []),
          );
        }
      }),
      CHECK,
    );
  });
});

describe('safetensors', () => {
  const WIDTHS = { F32: 4, F16: 2, BF16: 2, I64: 8, U8: 1, BOOL: 1, F8_E4M3: 1, F64: 8 } as const;
  const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 });
  const file = fc.record({
    tensors: fc.uniqueArray(
      fc.record({
        name: fc.string({ unit: 'grapheme', maxLength: 30 }),
        dtype: fc.constantFrom(...(Object.keys(WIDTHS) as (keyof typeof WIDTHS)[])),
        shape: fc.array(fc.nat(4), { maxLength: 5 }),
        order: fc.nat(),
        fields: fc.shuffledSubarray(['dtype', 'shape', 'data_offsets'] as const, { minLength: 3 }),
        escaped: fc.boolean(),
      }),
      { selector: ({ name }) => name, maxLength: 8 },
    ),
    metadata: fc.option(
      fc.dictionary(fc.string({ maxLength: 10 }), fc.string({ unit: 'binary', maxLength: 20 }), { maxKeys: 4 }),
      { nil: undefined },
    ),
    space,
    trailing: space,
  });
  const escapeAll = (text: string) =>
    `"${[...Array(text.length).keys()].map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`;

  it('with names, fields, order and spaces as JSON allows them', async () => {
    await fc.assert(
      fc.asyncProperty(file, async ({ tensors, metadata, space: s, trailing }) => {
        const kept = tensors.filter(({ name }) => name !== '__proto__' && name !== '__metadata__');
        const texts = Object.entries(metadata ?? {}).filter(([key]) => key !== '__proto__');
        let at = 0;
        const placed = kept.map(({ dtype, shape, ...rest }) => {
          const begin = at;
          at += product(shape) * WIDTHS[dtype];
          return { dtype, shape, ...rest, data_offsets: [begin, at] };
        });
        // The header's order is not the data's.
        const members = placed
          .toSorted((a, b) => a.order - b.order)
          .map((one) => {
            const name = one.escaped ? escapeAll(one.name) : JSON.stringify(one.name);
            const body = one.fields.map((field) => `${s}"${field}"${s}:${s}${JSON.stringify(one[field])}`);
            return `${s}${name}${s}:${s}{${body.join(`${s},`)}${s}}`;
          });
        if (metadata) members.push(`"__metadata__":${JSON.stringify(Object.fromEntries(texts))}`);
        const header = Buffer.from(`{${members.join(',')}${s}}${trailing}`);
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(BigInt(header.length));
        const data = filling(at, 3);
        const index = await openTensorIndex(source(Buffer.concat([length, header, data]), 'x.safetensors'));
        expect(new Map(index.metadata)).toEqual(new Map(texts));
        expect(index.tensors.size).toBe(placed.length);
        for (const { name, dtype, shape, data_offsets } of placed) {
          const found = index.tensors.get(name);
          expect(found).toMatchObject({ type: dtype, shape });
          expect(found && (await readRaw(found))).toEqual(Uint8Array.from(data.subarray(...data_offsets)));
        }
      }),
      CHECK,
    );
  });
});

describe('pickles', () => {
  type Plain = null | boolean | number | bigint | string | Plain[] | { tuple: Plain[] } | { dict: [string, Plain][] };
  const { plain } = fc.letrec<{ plain: Plain }>((tie) => ({
    plain: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, false),
      fc.integer(),
      fc.nat(255),
      fc.double({ noNaN: true }),
      fc
        .bigInt({ min: -(2n ** 100n), max: 2n ** 100n })
        .map((value) => (abs(value) < 2n ** 53n ? Number(value) : value)),
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.array(tie('plain'), { maxLength: 5 }),
      fc.array(tie('plain'), { maxLength: 5 }).map((tuple) => ({ tuple })),
      fc
        .uniqueArray(fc.tuple(fc.string({ maxLength: 6 }), tie('plain')), { selector: ([key]) => key, maxLength: 4 })
        .map((dict) => ({ dict })),
    ),
  }));
  const abs = (value: bigint) => (value < 0n ? -value : value);

  /** Writes with the opcodes of a protocol, and puts some values into the memo. */
  function pickled(value: Plain, protocol: number): Buffer {
    const parts: (number[] | Buffer)[] = protocol >= 2 ? [[0x80, protocol]] : [];
    let slots = 0;
    const ascii = (text: string) => Buffer.from(text, 'latin1');
    const remember = () => {
      if (protocol >= 4) parts.push([0x94]);
      else if (protocol >= 1) parts.push([0x71, slots & 255]);
      else parts.push(ascii(`p${slots}\n`));
      slots++;
    };
    const integer = (one: bigint) => {
      if (protocol === 0) return void parts.push(ascii(`L${one}L\n`));
      if (one >= 0n && one < 256n) return void parts.push([0x4b, Number(one)]);
      if (one >= 0n && one < 65_536n) return void parts.push([0x4d, Number(one) & 255, Number(one) >> 8]);
      if (one >= -(2n ** 31n) && one < 2n ** 31n) {
        const bytes = Buffer.alloc(5, 0x4a);
        bytes.writeInt32LE(Number(one), 1);
        return void parts.push(bytes);
      }
      if (protocol === 1) return void parts.push(ascii(`I${one}\n`));
      const width = Math.floor(abs(one).toString(2).length / 8) + 1;
      let rest = BigInt.asUintN(8 * width, one);
      const bytes = Array.from({ length: width }, () => {
        const byte = Number(rest & 255n);
        rest >>= 8n;
        return byte;
      });
      parts.push([0x8a, width, ...bytes]);
    };
    const text = (one: string) => {
      const bytes = Buffer.from(one);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      if (protocol >= 4) parts.push([0x8c, bytes.length], bytes);
      else parts.push([0x58], length, bytes);
      remember();
    };
    const write = (one: Plain): void => {
      if (one === null) parts.push([0x4e]);
      else if (typeof one === 'boolean')
        parts.push(protocol >= 2 ? [one ? 0x88 : 0x89] : ascii(one ? 'I01\n' : 'I00\n'));
      else if (typeof one === 'string') text(one);
      else if (typeof one === 'bigint') integer(one);
      else if (typeof one === 'number') {
        if (Number.isSafeInteger(one) && !Object.is(one, -0)) return integer(BigInt(one));
        const bytes = Buffer.alloc(9, 0x47);
        bytes.writeDoubleBE(one, 1);
        parts.push(bytes);
      } else if (Array.isArray(one)) {
        if (protocol === 0) {
          parts.push(ascii('(l'));
          remember();
          for (const item of one) {
            write(item);
            parts.push(ascii('a'));
          }
        } else {
          parts.push([0x5d]);
          remember();
          parts.push([0x28]);
          one.forEach(write);
          parts.push([0x65]);
        }
      } else if ('tuple' in one) {
        const short = protocol >= 2 && one.tuple.length > 0 && one.tuple.length < 4;
        if (!short) parts.push([0x28]);
        one.tuple.forEach(write);
        parts.push(short ? [0x84 + one.tuple.length] : [0x74]);
        remember();
      } else {
        const whole = protocol === 0;
        parts.push(whole ? [0x28] : [0x7d, 0x28]);
        for (const [key, item] of one.dict) {
          text(key);
          write(item);
        }
        parts.push(whole ? [0x64] : [0x75]);
        remember();
      }
    };
    write(value);
    parts.push([0x2e]);
    return Buffer.concat(parts.map((part) => Buffer.from(part)));
  }

  function asPlain(value: PickleValue): Plain {
    if (value instanceof PickleList) return value.items.map(asPlain);
    if (value instanceof PickleTuple) return { tuple: value.items.map(asPlain) };
    if (value instanceof PickleDict)
      return {
        dict: [...value.entries].map(([key, one]) => [
          typeof key === 'string' ? key : JSON.stringify(key),
          asPlain(one),
        ]),
      };
    return value as Plain;
  }

  it.each([0, 1, 2, 3, 4, 5])('of protocol %i', (protocol) => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(asPlain(readPickle(pickled(value, protocol), 0, 'p').value)).toEqual(value);
      }),
      CHECK,
    );
  });
});

describe('torch archives', () => {
  interface Packing {
    readonly deflated: boolean;
    readonly zip64: boolean;
    readonly descriptor: boolean;
    readonly padding: number;
    readonly comment: string;
  }
  const u16 = (value: number) => [value & 255, (value >> 8) & 255];
  const u32 = (value: number) => [...u16(value & 0xffff), ...u16(Math.floor(value / 65_536))];
  const u64 = (value: number) => [...u32(value), ...u32(0)];

  /** A zip archive with the freedoms of its format. */
  function packed(files: Readonly<Record<string, Uint8Array>>, how: Packing): Buffer {
    const parts: Buffer[] = [];
    const directory: Buffer[] = [];
    let at = 0;
    for (const [name, bytes] of Object.entries(files)) {
      const data = how.deflated ? deflateRawSync(bytes) : Buffer.from(bytes);
      const label = Buffer.from(name);
      const checksum = u32(crc32(bytes));
      const flags = u16(how.descriptor ? 8 : 0);
      const method = u16(how.deflated ? 8 : 0);
      const extra = [...'FB'].map((c) => c.charCodeAt(0)).concat(u16(how.padding), Array<number>(how.padding).fill(0));
      const known = how.descriptor
        ? [...u32(0), ...u32(0), ...u32(0)]
        : [...checksum, ...u32(data.length), ...u32(bytes.length)];
      const local = [0x50, 0x4b, 3, 4, ...u16(20), ...flags, ...method, ...u32(0), ...known];
      const after = how.descriptor ? [0x50, 0x4b, 7, 8, ...checksum, ...u32(data.length), ...u32(bytes.length)] : [];
      const entry = Buffer.concat([
        Buffer.from([...local, ...u16(label.length), ...u16(extra.length)]),
        label,
        Buffer.from(extra),
        data,
        Buffer.from(after),
      ]);
      const big = how.zip64 ? [...u16(1), ...u16(24), ...u64(bytes.length), ...u64(data.length), ...u64(at)] : [];
      const sizes = how.zip64 ? [...u32(0xffffffff), ...u32(0xffffffff)] : [...u32(data.length), ...u32(bytes.length)];
      directory.push(
        Buffer.from([0x50, 0x4b, 1, 2, ...u16(45), ...u16(45), ...flags, ...method, ...u32(0), ...checksum, ...sizes]),
        Buffer.from([...u16(label.length), ...u16(big.length), ...u16(0), ...u16(0), ...u16(0), ...u32(0)]),
        Buffer.from(u32(how.zip64 ? 0xffffffff : at)),
        label,
        Buffer.from(big),
      );
      parts.push(entry);
      at += entry.length;
    }
    const listed = Buffer.concat(directory);
    const count = Object.keys(files).length;
    const record = [0x50, 0x4b, 6, 6, ...u64(44), ...u16(45), ...u16(45), ...u32(0), ...u32(0), ...u64(count)];
    const locator = [0x50, 0x4b, 6, 7, ...u32(0), ...u64(at + listed.length), ...u32(1)];
    const wide = how.zip64 ? [...record, ...u64(count), ...u64(listed.length), ...u64(at), ...locator] : [];
    const place = how.zip64 ? [...u32(0xffffffff), ...u32(0xffffffff)] : [...u32(listed.length), ...u32(at)];
    const counts = how.zip64 ? [...u16(0xffff), ...u16(0xffff)] : [...u16(count), ...u16(count)];
    const comment = Buffer.from(how.comment);
    const end = [0x50, 0x4b, 5, 6, ...u16(0), ...u16(0), ...counts, ...place, ...u16(comment.length)];
    return Buffer.concat([...parts, listed, Buffer.from(wide), Buffer.from(end), comment]);
  }

  const how = fc.record({
    deflated: fc.boolean(),
    zip64: fc.boolean(),
    descriptor: fc.boolean(),
    padding: fc.nat(63),
    comment: fc.string({ maxLength: 20 }),
  });
  it('stored or deflated, with zip64, data descriptors, padding and comments, under any folder', async () => {
    await fc.assert(
      fc.asyncProperty(how, fc.constantFrom('archive/', 'my model/', '模型/', ''), async (packing, folder) => {
        const files = {
          [`${folder}data.pkl`]: torchPickle(),
          [`${folder}.format_version`]: Buffer.from('1'),
          [`${folder}data/0`]: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer),
          [`${folder}version`]: Buffer.from('3\n'),
          [`${folder}.data/serialization_id`]: Buffer.from('123'),
        };
        const index = await openTensorIndex(source(packed(files, packing), 'x.pt'));
        const w = index.tensors.get('w');
        expect(w).toMatchObject({ type: 'F32', shape: [2, 2] });
        expect(w && (await readRaw(w))).toEqual(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
      }),
      CHECK,
    );
  });
});
