/** Every valid file is read completely: names, types, shapes, places, metadata, checksums of bytes and of values. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { checkLora } from '../../../src/lib/formats/lora_check';
import type { MetadataValue, TensorIndex } from '../../../src/lib/formats/tensor_index';
import { dequantizeTensor, readRaw } from '../../../src/lib/quant/dequantize';
import { quantType } from '../../../src/lib/quant/registry';
import type { StoredTensor } from '../../../src/lib/quant/tensor';
import {
  diskFiles,
  filesFolder,
  FORMATS,
  loadIndex,
  openAs,
  sha256,
  type ExpectedTensor,
  type ValidCase,
} from './file_cases';
import { expectWithin } from '../within';

const TORCH_DTYPES: Readonly<Record<string, string>> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  float64: 'F64',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
};

/** Golden metadata: 64-bit integers as decimal text, NaN and infinity as null. */
function plain(value: MetadataValue): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  return Array.isArray(value) ? (value as readonly MetadataValue[]).map(plain) : value;
}

function expectMetadata(index: TensorIndex, expected: ValidCase['expected']['metadata']): void {
  if (expected === undefined) return;
  const want: [string, unknown][] = Array.isArray(expected)
    ? expected.map((entry: { key: string; value: unknown }) => [entry.key, entry.value])
    : Object.entries(expected ?? {});
  // Some cases give the alignment only as a field of its own, which is compared there.
  const listed = new Set(want.map(([key]) => key));
  const got = [...index.metadata]
    .filter(([key]) => key !== 'general.alignment' || listed.has(key))
    .map(([key, value]) => [key, plain(value)]);
  expect(got).toEqual(want);
}

async function expectTensor(tensor: StoredTensor | undefined, want: ExpectedTensor, index: TensorIndex): Promise<void> {
  expect(tensor, want.name).toBeDefined();
  if (!tensor) return;
  expect(tensor.type).toBe(TORCH_DTYPES[want.dtype] ?? want.dtype);
  // The reader applies the recorded original shape; the golden list has the stored one.
  const original = index.metadata.get(`comfy.gguf.orig_shape.${want.name}`);
  expect(tensor.shape).toEqual(original ?? want.shape);
  if (want.byte_range) expect([tensor.byteOffset, tensor.byteOffset + tensor.byteLength]).toEqual(want.byte_range);
  if (want.file !== undefined) expect(tensor.source.name).toBe(want.file);
  if (typeof want.sha256_raw === 'string') {
    expect(sha256(await tensor.source.read(tensor.byteOffset, tensor.byteLength))).toBe(want.sha256_raw);
  }
  await readRaw(tensor);
  if (typeof want.sha256_f32 === 'string') expect(sha256(await dequantizeTensor(tensor))).toBe(want.sha256_f32);
  else if (!quantType(tensor.type).dequantize) await expect(dequantizeTensor(tensor)).rejects.toBeInstanceOf(AppError);
}

async function expectDeltas(index: TensorIndex, expected: ValidCase['expected']): Promise<void> {
  const { pairs } = await checkLora(index, new Map(Object.entries(expected.targets ?? {})));
  for (const [layer, want] of Object.entries(expected.delta ?? {})) {
    const pair = pairs.find((p) => p.layer === layer);
    expect(pair, layer).toBeDefined();
    if (!pair) continue;
    const [down, up] = [await dequantizeTensor(pair.down), await dequantizeTensor(pair.up)];
    const columns = down.length / pair.rank;
    const delta = Array.from({ length: (up.length / pair.rank) * columns }, (_, e) => {
      let sum = 0;
      for (let r = 0; r < pair.rank; r++) {
        sum += (up[Math.floor(e / columns) * pair.rank + r] ?? 0) * (down[r * columns + (e % columns)] ?? 0);
      }
      return sum * pair.scale;
    });
    const frobenius = Math.hypot(...delta);
    expectWithin(Math.abs(frobenius - want.frobenius), 1e-5 * want.frobenius);
    want.first8.forEach((value, i) => {
      expectWithin(Math.abs((delta[i] ?? NaN) - value), 1e-5 * Math.abs(value));
    });
  }
}

describe('valid files', () => {
  if (!filesFolder) it.skip('no files group in the golden folder');
  for (const c of loadIndex().valid.filter((v) => FORMATS.includes(v.format))) {
    it(c.name, async () => {
      const index = await openAs(c.format, diskFiles(join(filesFolder ?? '', c.file)));
      const { expected } = c;
      if (c.format === 'safetensors' || c.format === 'gguf') expectMetadata(index, expected.metadata);
      if (expected.total_size !== undefined) {
        expect(index.metadata.get('total_size')).toBe(expected.total_size ?? undefined);
      }
      for (const [field, value] of [
        ['dataStart', expected.data_start],
        ['version', expected.version],
        ['byteOrder', expected.byte_order],
        ['alignment', expected.alignment],
      ] as const) {
        if (value !== undefined) expect(index.container?.[field], field).toBe(value);
      }
      if (expected.tensors) {
        expect([...index.tensors.keys()].sort()).toEqual(expected.tensors.map((t) => t.name).sort());
        for (const want of expected.tensors) await expectTensor(index.tensors.get(want.name), want, index);
      }
      if (c.format === 'lora') await expectDeltas(index, expected);
    });
  }
});
