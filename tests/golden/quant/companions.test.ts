/** bitsandbytes 4-bit and int8, scaled fp8, and GGUF convolutions: through the real readers to f32 values. */
import { describe, expect, it } from 'vitest';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { absmaxOf, dequantizeTensor } from '../../../src/lib/quant/dequantize';
import { openFileSource } from '../../../src/companion/node_file_source';
import { firstDifference, quantCases, quantPath, skipWhenEmpty, someRows } from './golden_cases';
import { floats, readArrays } from './safetensors_arrays';
import { expectWithin } from '../within';

interface CompanionCase {
  readonly name: string;
  readonly kind: string;
  readonly file: string;
  readonly expected_file: string;
  readonly params?: { readonly quant?: string; readonly shape?: readonly number[] };
  readonly tolerance: { readonly dequant?: string; readonly dequant_relative?: number };
}

interface ConvCase {
  readonly name: string;
  readonly kind: string;
  readonly type: string;
  readonly file: string;
  readonly gguf_file: string;
  readonly gguf_tensor: string;
  readonly weight_shape_oihw: readonly number[];
  readonly expected: { readonly dequant: string };
}

async function open(file: string) {
  const source = await openFileSource(quantPath(file));
  return { index: await openTensorIndex(source), close: () => source.close() };
}

describe('bitsandbytes 4-bit', () => {
  const cases = quantCases<CompanionCase>(['bnb4']);
  skipWhenEmpty(cases);
  for (const c of cases) {
    it(c.name, async () => {
      const { index, close } = await open(c.file);
      const expected = readArrays(quantPath(c.expected_file));
      const packed = [...index.tensors.values()].filter((t) => t.companions);
      expect(packed).toHaveLength(1);
      for (const weight of packed) {
        expect(weight.type).toBe(c.params?.quant?.toUpperCase());
        expect(weight.shape).toEqual(c.params?.shape);
        expect(firstDifference(await absmaxOf(weight), floats(expected, 'absmax'))).toBeUndefined();
        const values = await dequantizeTensor(weight);
        expect(firstDifference(values, floats(expected, 'dequant_f32'))).toBeUndefined();
        const [rows = 1, columns = 1] = weight.shape;
        const { rowStart, rowCount } = someRows(rows);
        const part = await dequantizeTensor(weight, { rowStart, rowCount });
        const want = values.slice(rowStart * columns, (rowStart + rowCount) * columns);
        expect(firstDifference(part, want)).toBeUndefined();
      }
      await close();
    });
  }
});

describe('bitsandbytes int8 rows', () => {
  const cases = quantCases<CompanionCase>(['bnb8']);
  skipWhenEmpty(cases);
  for (const c of cases) {
    it(c.name, async () => {
      const { index, close } = await open(c.file);
      const expected = floats(readArrays(quantPath(c.expected_file)), 'dequant_f32');
      const weight = [...index.tensors.values()].find((t) => t.type === 'LLM_INT8');
      expect(weight).toBeDefined();
      const values = weight ? await dequantizeTensor(weight) : [];
      expect(values.length).toBe(expected.length);
      const relative = expected.map((want, i) => Math.abs((values[i] ?? NaN) - want) / (Math.abs(want) || 1));
      expectWithin(
        relative.reduce((worst, error) => Math.max(worst, error), 0),
        c.tolerance.dequant_relative ?? 0,
      );
      expect([...index.tensors.keys()].filter((name) => /SCB|weight_format/.test(name))).toEqual([]);
      await close();
    });
  }
});

describe('fp8 with scales', () => {
  const cases = quantCases<CompanionCase>(['fp8']);
  skipWhenEmpty(cases);
  for (const c of cases) {
    it(c.name, async () => {
      const { index, close } = await open(c.file);
      const expected = readArrays(quantPath(c.expected_file));
      expect([...index.tensors.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const name of expected.keys()) {
        const tensor = index.tensors.get(name);
        const values = tensor ? await dequantizeTensor(tensor) : [];
        expect(firstDifference(values, floats(expected, name)), name).toBeUndefined();
      }
      await close();
    });
  }
});

describe('convolutions in GGUF', () => {
  const cases = quantCases<ConvCase>(['conv2d']);
  skipWhenEmpty(cases);
  for (const c of cases) {
    it(c.name, async () => {
      const { index, close } = await open(c.gguf_file);
      const tensor = index.tensors.get(c.gguf_tensor);
      expect(tensor?.type).toBe(c.type);
      expect(tensor?.shape).toEqual(c.weight_shape_oihw);
      const expected = floats(readArrays(quantPath(c.file)), c.expected.dequant);
      expect(firstDifference(tensor ? await dequantizeTensor(tensor) : [], expected)).toBeUndefined();
      // A range of output channels cuts through blocks of 256.
      const channel = c.weight_shape_oihw.slice(1).reduce((a, b) => a * b, 1);
      const { rowStart, rowCount } = someRows(c.weight_shape_oihw[0] ?? 0);
      const part = tensor ? await dequantizeTensor(tensor, { rowStart, rowCount }) : [];
      const want = expected.slice(rowStart * channel, (rowStart + rowCount) * channel);
      expect(firstDifference(part, want)).toBeUndefined();
      await close();
    });
  }
});
