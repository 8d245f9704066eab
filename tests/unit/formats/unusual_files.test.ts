/** Files that real programs write now and then, and files that are wrong in ways the golden set does not have. */
import { strToU8, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { memorySource, type ByteSource } from '../../../src/lib/base/byte_source';
import { ggufHeader } from '../../../src/lib/formats/gguf_write';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { writeSafetensors } from '../../../src/lib/formats/safetensors_write';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import { QUANT_TYPES, quantType } from '../../../src/lib/quant/registry';
import { onnxSample, source, torchPickle, torchSample } from './sample_files';

const global = (module: string, name: string) => [0x63, ...strToU8(`${module}\n${name}\n`)];
const UNTYPED = global('torch.storage', 'UntypedStorage');
const tensorOf = async (pickle: Uint8Array) => (await openTensorIndex(source(torchSample(0, pickle)))).tensors.get('w');

describe('torch checkpoints', () => {
  it.each([
    ['float32', 'F32', 16],
    ['uint16', 'U16', 8],
    ['uint32', 'U32', 16],
    ['float8_e4m3fnuz', 'F8_E4M3FNUZ', 4],
  ] as const)('with an untyped storage and the element type %s', async (dtype, type, bytes) => {
    const more = global('torch', dtype);
    const pickle = torchPickle({ storage: UNTYPED, count: 16, builder: '_rebuild_tensor_v3', more });
    expect(await tensorOf(pickle)).toMatchObject({ type, shape: [2, 2], byteLength: bytes });
  });

  it('of complex numbers are measured by eight bytes each', async () => {
    const pickle = torchPickle({ storage: global('torch', 'ComplexFloatStorage'), count: 2 });
    await expect(tensorOf(pickle)).rejects.toMatchObject({ code: 'file/out-of-bounds' });
  });

  it('whose storage is a view of a larger one start where the view starts', async () => {
    const numbers = new Uint8Array(Float32Array.of(9, 9, 1, 2, 3, 4).buffer);
    const file = zipSync({ 'm/data.pkl': torchPickle({ count: 6, viewStart: 2 }), 'm/data/0': numbers }, { level: 0 });
    const tensor = (await openTensorIndex(source(file))).tensors.get('w');
    expect(tensor && [...(await dequantizeTensor(tensor))]).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ['an element type outside the list', global('torch', 'quint8')],
    ['a module instead of an element type', global('torch', 'nn')],
  ])('refuses %s when it is named', async (_what, more) => {
    const pickle = torchPickle({ storage: UNTYPED, count: 16, builder: '_rebuild_tensor_v3', more });
    await expect(tensorOf(pickle)).rejects.toMatchObject({ code: 'file/unsafe-pickle' });
  });

  it.each([0, 6] as const)('behind a network (deflate %i) are known from directory and pickle alone', async (level) => {
    const numbers = new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer);
    const others: [string, Uint8Array][] = Array.from({ length: 200 }, (_, i) => [
      `archive/data/${i + 1}`,
      new Uint8Array(8192).fill(i),
    ]);
    const files = { 'archive/data.pkl': torchPickle(), 'archive/data/0': numbers, ...Object.fromEntries(others) };
    const near = source(zipSync(files, { level }), 'far.pt');
    const reads: [number, number][] = [];
    const far: ByteSource = {
      ...near,
      distant: true,
      read: (offset, length) => {
        reads.push([offset, length]);
        return near.read(offset, length);
      },
    };
    const { tensors } = await openTensorIndex(far);
    expect([...tensors.keys()]).toEqual([...(await openTensorIndex(near)).tensors.keys()]);
    expect(reads.length).toBeLessThan(16);
    const tensor = tensors.get('w');
    expect(tensor && [...(await dequantizeTensor(tensor))]).toEqual([1, 2, 3, 4]);
  });

  it('of the tar format before torch 0.2 are refused by their own reader', async () => {
    const tar = new Uint8Array(1024);
    tar.set(strToU8('sys_info'));
    tar.set(strToU8('ustar'), 257);
    await expect(openTensorIndex(source(tar, 'old.pt'))).rejects.toMatchObject({ code: 'file/bad-magic' });
  });
});

describe('sharded files', () => {
  const shard = memorySource('a.safetensors', writeSafetensors([{ name: 'w', shape: [2], data: new Float32Array(2) }]));
  const read = (index: string) =>
    openTensorIndex({
      main: source(strToU8(index), 'model.safetensors.index.json'),
      openSibling: (name) => Promise.resolve(name === shard.name ? shard : undefined),
    });
  const withSize = (size: string) => `{"metadata":{"total_size":${size}},"weight_map":{"w":"a.safetensors"}}\r\n`;

  it.each(['8', '8.0'])('with a sum of %s bytes', async (size) => {
    expect((await read(withSize(size))).metadata.get('total_size')).toBe(8);
  });

  it.each([
    [withSize('8.5'), 'file/bad-entry'],
    [withSize('9.0'), 'file/size-mismatch'],
    ['{"weight_map":[]}', 'file/bad-entry'],
    ['{"weight_map":{"w":""}}', 'file/path-traversal-name'],
    ['{"weight_map":{"w":"."}}', 'file/path-traversal-name'],
    ['{"weight_map":{"w":"C:a.safetensors"}}', 'file/path-traversal-name'],
    [`\ufeff${withSize('8')}`, 'file/json-garbage'],
  ])('refuses %s', async (index, code) => {
    await expect(read(index)).rejects.toMatchObject({ code });
  });
});

describe('GGUF', () => {
  it.each([[[5]], [[-2, -3]], [[]], [[1, 1, 1, 1, 1, 1, 1, 1, 6]]])('refuses the original shape %j', async (shape) => {
    const { bytes } = ggufHeader(
      [{ name: 'w', type: 'F32', shape: [6] }],
      new Map([['comfy.gguf.orig_shape.w', shape]]),
    );
    const file = new Uint8Array(bytes.length + 32);
    file.set(bytes);
    await expect(openTensorIndex(source(file))).rejects.toMatchObject({ code: 'file/bad-shape' });
  });

  const blockTypes = QUANT_TYPES.filter((type) => 'ggmlType' in type && type.blockElems > 1);
  it.each(blockTypes.map(({ id }) => id))(
    'whose rows are no whole number of %s blocks are refused with tensor, shape and block',
    async (id) => {
      const { blockElems } = quantType(id);
      const { bytes, ranges } = ggufHeader(
        [{ name: 'a.weight', type: id, shape: [blockElems, 2 * blockElems] }],
        new Map(),
      );
      // The header claims rows of one and a half blocks; there would be bytes enough.
      const inner = Buffer.from(bytes).indexOf('a.weight') + 'a.weight'.length + 4;
      new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(inner, BigInt(1.5 * blockElems), true);
      const file = source(Buffer.concat([bytes, Buffer.alloc(ranges[0]?.end ?? 0)]), 'rows.gguf');
      const error: unknown = await openTensorIndex(file).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'file/bad-shape', details: { tensor: 'a.weight', type: id, blockElems } });
      const shape = `[${blockElems}, ${1.5 * blockElems}]`;
      expect((error as Error).message).toContain(`tensor "a.weight": shape ${shape}: rows of ${1.5 * blockElems}`);
      expect((error as Error).message).toContain(`${id} block of ${blockElems}`);
    },
  );
});

describe('ONNX', () => {
  it('with fields of a later version of the format reads the ones it knows', async () => {
    const later = [...[0x78, 1], ...[0xfa, 0x7f, 2, 1, 2]];
    const index = await openTensorIndex(source(Uint8Array.from([...onnxSample(), ...later])));
    expect([...index.tensors.keys()]).toEqual(['w']);
  });
});
