import { describe, expect, it } from 'vitest';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { dequantizeTensor, readRaw } from '../../../src/lib/quant/dequantize';
import { ggufSample, onnxSample, safetensorsSample, source, torchSample } from './sample_files';

describe('readers on files of our own making', () => {
  it('reads back a written safetensors file', async () => {
    const index = await openTensorIndex(source(safetensorsSample()));
    expect(index.format).toBe('safetensors');
    expect([...index.metadata]).toEqual([['format', 'pt']]);
    const a = index.tensors.get('a.weight')!;
    expect(a.shape).toEqual([2, 3]);
    expect([...(await dequantizeTensor(a))]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...(await dequantizeTensor(a, { rowStart: 1 }))]).toEqual([4, 5, 6]);
    expect([...(await dequantizeTensor(index.tensors.get('b.weight')!))]).toEqual([1, 2, 3, 4]);
    expect(await dequantizeTensor(index.tensors.get('empty')!)).toHaveLength(0);
  });

  it('reads back a written GGUF file and applies the original shape', async () => {
    const index = await openTensorIndex(source(ggufSample()));
    const conv = index.tensors.get('conv.weight')!;
    expect(conv).toMatchObject({ type: 'Q8_0', shape: [8, 8, 2, 2] });
    expect(index.metadata.get('answer')).toBe(42);
    const values = await dequantizeTensor(conv);
    values.forEach((value, i) => expect(Math.abs(value - Math.sin(i))).toBeLessThan(0.005));
    expect([...(await dequantizeTensor(conv, { rowStart: 3, rowCount: 2 }))]).toEqual([...values.slice(96, 160)]);
  });

  it.each([0, 6] as const)('reads a torch archive at deflate level %i', async (level) => {
    const index = await openTensorIndex(source(torchSample(level)));
    expect(index.format).toBe('pickle');
    expect([...(await dequantizeTensor(index.tensors.get('w')!))]).toEqual([1, 2, 3, 4]);
    expect(await readRaw(index.tensors.get('w')!, { byteStart: 4, byteLength: 4 })).toEqual(
      new Uint8Array(Float32Array.of(2).buffer),
    );
  });

  it('reads initialisers of an ONNX model', async () => {
    const index = await openTensorIndex(source(onnxSample()));
    expect(index.format).toBe('onnx');
    expect([...(await dequantizeTensor(index.tensors.get('w')!))]).toEqual([0.5, -2]);
  });

  it('tells an unknown file by name', async () => {
    await expect(openTensorIndex(source(Uint8Array.of(1, 2, 3), 'notes.txt'))).rejects.toMatchObject({
      code: 'file/unknown-format',
    });
  });

  it('stops when the signal has fired', async () => {
    const index = await openTensorIndex(source(safetensorsSample()));
    const signal = AbortSignal.abort();
    await expect(dequantizeTensor(index.tensors.get('a.weight')!, { signal })).rejects.toMatchObject({
      code: 'job/cancelled',
    });
  });
});
