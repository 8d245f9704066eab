import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memorySource, type ByteSource } from '../../../src/lib/base/byte_source';
import { AppError } from '../../../src/lib/base/errors';
import { readAhead } from '../../../src/lib/base/read_ahead';

const MIB = 2 ** 20;
const bytes = Uint8Array.from({ length: 6 * MIB + 12_345 }, (_, i) => (i * 2_654_435_761) >>> 24);

/** The bytes, and what was asked of the medium. */
function counted(failing = 0): { source: ByteSource; reads: [offset: number, length: number][] } {
  const inner = memorySource('file', bytes);
  const reads: [number, number][] = [];
  let left = failing;
  const read: ByteSource['read'] = (offset, length) => {
    reads.push([offset, length]);
    if (left-- > 0) return Promise.reject(new AppError('file/unreadable', 'file: gone; choose it again.'));
    return inner.read(offset, length);
  };
  return { source: { ...inner, contentId: 'x', read }, reads };
}

describe('readAhead', () => {
  it('gives the bytes of any ranges in any order, one by one and at once', async () => {
    const range = fc
      .tuple(fc.nat(bytes.length), fc.oneof(fc.nat(2000), fc.nat(2 * MIB)))
      .map(([offset, length]) => [offset, Math.min(length, bytes.length - offset)] as const);
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 12 }), fc.boolean(), async (ranges, atOnce) => {
        const source = readAhead(counted().source);
        const check = async ([offset, length]: readonly [number, number]) => {
          const found = await source.read(offset, length);
          expect(Buffer.compare(found, bytes.subarray(offset, offset + length))).toBe(0);
        };
        if (atOnce) await Promise.all(ranges.map(check));
        else for (const one of ranges) await check(one);
      }),
      { numRuns: 40 },
    );
  });

  it('asks the medium once for small neighbours, also when they come together', async () => {
    const { source, reads } = counted();
    const ahead = readAhead(source);
    await Promise.all(Array.from({ length: 100 }, (_, i) => ahead.read(1000 * i, 1000)));
    for (let i = 0; i < 100; i++) await ahead.read(1000 * i, 1000);
    expect(reads).toEqual([[0, MIB]]);
    expect(ahead).toMatchObject({ name: 'file', sizeBytes: bytes.length, contentId: 'x' });
  });

  it('lets large reads through as they are, and reads no further than the end', async () => {
    const { source, reads } = counted();
    const ahead = readAhead(source);
    await ahead.read(100, 3 * MIB);
    await ahead.read(bytes.length - 10, 10);
    expect(reads).toEqual([
      [100, 3 * MIB],
      [6 * MIB, 12_345],
    ]);
    await expect(ahead.read(bytes.length - 10, 11)).rejects.toMatchObject({ code: 'file/out-of-bounds' });
  });

  it('keeps four windows and gives copies', async () => {
    const { source, reads } = counted();
    const ahead = readAhead(source);
    for (const window of [0, 1, 2, 3, 0, 4, 0, 1]) (await ahead.read(window * MIB, 8)).fill(0);
    expect(reads.map(([offset]) => offset / MIB)).toEqual([0, 1, 2, 3, 4, 1]);
    expect(await ahead.read(0, 8)).toEqual(bytes.slice(0, 8));
  });

  it('tells a failure and asks again afterwards', async () => {
    const { source, reads } = counted(1);
    const ahead = readAhead(source);
    await expect(ahead.read(0, 8)).rejects.toMatchObject({ code: 'file/unreadable' });
    expect(await ahead.read(0, 8)).toEqual(bytes.slice(0, 8));
    expect(reads).toHaveLength(2);
  });
});
