/** ONNX files chosen in the page: known networks by their tensors' names, their data found beside them, others not guessed. */
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { readSelection } from '../../../workers/models/selection';
import { onnxWithData } from '../../tools/onnx_initializers';
import { onnxSample } from '../formats/sample_files';

const identity = ({ name }: { readonly name: string }) => name;
const file = (name: string, bytes: Uint8Array) => memorySource(name, Uint8Array.from(bytes));
/** The smallest SRVGG: one convolution, its slopes, and a last one for pictures of twice the size. */
const SHAPES = { 'body.0.weight': [8, 3, 3, 3], 'body.0.bias': [8], 'body.1.weight': [8] } as const;
const LAST = { 'body.2.weight': [12, 8, 3, 3], 'body.2.bias': [12] } as const;
const { model, data } = onnxWithData(
  Object.entries({ ...SHAPES, ...LAST }).map(([name, shape]) => ({
    name,
    shape,
    data: new Uint8Array(4 * shape.reduce((all: number, size) => all * size, 1)),
  })),
  'net.onnx_data',
);

describe('readSelection of ONNX files', () => {
  it('joins a known network with its data', async () => {
    const chosen = [file('net.onnx', model), file('net.onnx_data', data)];
    const { proposals, ignored } = await readSelection(chosen, identity);
    expect(proposals.map(({ report }) => [report.kind, report.problem])).toEqual([['upscaler', undefined]]);
    expect(proposals[0]?.sources.map(({ name }) => name)).toEqual(['net.onnx', 'net.onnx_data']);
    expect(ignored).toEqual([]);
  });

  it('names the data file that is missing', async () => {
    await expect(readSelection([file('net.onnx', model)], identity)).rejects.toMatchObject({
      code: 'file/missing-shard',
      details: { missing: 'net.onnx_data' },
    });
  });

  it('promises nothing of a network that it does not know', async () => {
    const { proposals } = await readSelection([file('other.onnx', onnxSample())], identity);
    expect(proposals[0]?.report.kind).toBe('unknown');
    expect(proposals[0]?.report.problem).toMatch(/other\.onnx/);
  });
});
