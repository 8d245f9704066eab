/** Frames: what goes in comes out, however the stream is cut; what is no frame is refused. */
import { expect, it } from 'vitest';
import { encodeFrame, FrameReader } from '../../../src/lib/rpc/frame';
import { AppError } from '../../../src/lib/base/errors';

const value = {
  text: 'ä🐱',
  list: [1, null, true],
  image: { widthPx: 1, heightPx: 1, rgba: new Uint8ClampedArray([1, 2, 3, 255]) },
  file: new Blob(['picture'], { type: 'image/png' }),
};

it('carries pixels and files through any cut of the stream', async () => {
  const frame = await encodeFrame(value);
  const stream = new Uint8Array([...frame, ...(await encodeFrame('second'))]);
  for (const size of [1, 7, 100, stream.length]) {
    const reader = new FrameReader(10_000);
    const out: unknown[] = [];
    for (let at = 0; at < stream.length; at += size) out.push(...reader.push(stream.subarray(at, at + size)));
    const [first, second] = out as [typeof value, string];
    expect(first).toMatchObject({ text: value.text, list: value.list, image: value.image });
    expect(await first.file.text()).toBe('picture');
    expect(first.file.type).toBe('image/png');
    expect(second).toBe('second');
    expect(reader.pendingBytes).toBe(0);
  }
});

it('refuses frames too large to hold, broken text, and parts outside', async () => {
  const push = (bytes: Uint8Array) => new FrameReader(1000).push(bytes);
  expect(() => push(new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0]))).toThrow(AppError);
  expect(() => push(new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 123]))).toThrow(AppError);
  const outside = new TextEncoder().encode('{"$part":[0,9],"as":"clamped"}');
  expect(() => push(new Uint8Array([outside.length, 0, 0, 0, 0, 0, 0, 0, ...outside]))).toThrow(AppError);
  const forbidden = new TextEncoder().encode('{"__proto__":{"a":1}}');
  expect(() => push(new Uint8Array([forbidden.length, 0, 0, 0, 0, 0, 0, 0, ...forbidden]))).toThrow(AppError);
});
