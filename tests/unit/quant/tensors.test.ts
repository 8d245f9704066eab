import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { dequantizeTensor, readRaw } from '../../../src/lib/quant/dequantize';
import { f16ToF32, f32ToBf16, f32ToF16, bf16ToF32 } from '../../../src/lib/quant/half';
import { quantize } from '../../../src/lib/quant/quantize';
import { quantizeNf4 } from '../../../src/lib/quant/quantize_nf4';
import {
  isQuantTypeId,
  packedBytes,
  QUANT_TYPES,
  quantType,
  quantTypeOfSafetensors,
} from '../../../src/lib/quant/registry';
import type { StoredTensor } from '../../../src/lib/quant/tensor';

function tensor(type: StoredTensor['type'], shape: readonly number[], bytes: Uint8Array): StoredTensor {
  const source = memorySource('t', Uint8Array.from(bytes));
  return { name: 't', type, shape, source, byteOffset: 0, byteLength: bytes.length };
}

describe('table of types', () => {
  it('has each name and number once', () => {
    expect(new Set(QUANT_TYPES.map((t) => t.id)).size).toBe(QUANT_TYPES.length);
    const numbers = QUANT_TYPES.flatMap((t) => ('ggmlType' in t ? [t.ggmlType] : []));
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('does not find names that every object has', () => {
    expect(quantTypeOfSafetensors('constructor')).toBeUndefined();
    expect(isQuantTypeId('__proto__')).toBe(false);
  });

  it('keeps the words of a block inside the block', () => {
    for (const type of QUANT_TYPES) {
      for (const run of quantType(type.id).words ?? []) {
        expect(run.offset + run.width * run.count, type.id).toBeLessThanOrEqual(type.blockBytes);
      }
    }
  });

  it('decodes every block type into the asked place only', () => {
    for (const type of QUANT_TYPES.map((t) => quantType(t.id))) {
      if (!type.dequantize) continue;
      const bytes = Uint8Array.from({ length: type.blockBytes * 2 + 1 }, (_, i) => (i * 37) & 63);
      const out = new Float32Array(type.blockElems * 2 + 2).fill(-7777);
      type.dequantize(bytes, type.blockElems * 2, out, 1, 1);
      expect([out[0], out.at(-1)], type.id).toEqual([-7777, -7777]);
      expect(out.subarray(1, -1).includes(-7777), type.id).toBe(false);
    }
  });
});

describe('reading tensors', () => {
  it('gathers strided views in logical order', async () => {
    const base = Float32Array.from({ length: 12 }, (_, i) => i);
    const view = { ...tensor('F32', [4, 3], new Uint8Array(base.buffer)), strides: [1, 4] };
    expect([...(await dequantizeTensor(view))]).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
    expect([...(await dequantizeTensor(view, { rowStart: 2, rowCount: 1 }))]).toEqual([2, 6, 10]);
    expect([...new Float32Array((await readRaw(view)).buffer)]).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
  });

  it('gives little-endian bytes and the same values for a big-endian tensor', async () => {
    for (const id of ['Q8_0', 'Q4_K', 'F16', 'F32'] as const) {
      const type = quantType(id);
      const values = Float32Array.from({ length: 512 }, (_, i) => Math.cos(i));
      const little = quantize(id, values);
      const big = little.slice();
      for (let block = 0; block < big.length; block += type.blockBytes) {
        for (const run of type.words ?? []) {
          for (let i = 0; i < run.count; i++) {
            const at = block + run.offset + i * run.width;
            big.subarray(at, at + run.width).reverse();
          }
        }
      }
      const stored = { ...tensor(id, [512], big), byteOrder: 'big' as const };
      expect(await readRaw(stored)).toEqual(little);
      expect(await readRaw(stored, { byteStart: 3, byteLength: 20 })).toEqual(little.slice(3, 23));
      expect(await dequantizeTensor(stored)).toEqual(await dequantizeTensor(tensor(id, [512], little)));
    }
  });

  it('multiplies by one scale or by one per row', async () => {
    const weight = tensor('I8', [2, 2], Uint8Array.of(1, 2, 3, 255));
    const scale = (...values: number[]) =>
      tensor('F32', [values.length], new Uint8Array(Float32Array.from(values).buffer));
    expect([...(await dequantizeTensor({ ...weight, companions: { scale: scale(2) } }))]).toEqual([2, 4, 6, -2]);
    expect([...(await dequantizeTensor({ ...weight, companions: { scale: scale(2, 10) } }, { rowStart: 1 }))]).toEqual([
      30, -10,
    ]);
    const wrong = dequantizeTensor({ ...weight, companions: { scale: scale(1, 2, 3) } });
    await expect(wrong).rejects.toMatchObject({ code: 'quant/bad-companion' });
  });

  it('refuses opaque types by name and rows outside the tensor', async () => {
    await expect(dequantizeTensor(tensor('F4', [2], Uint8Array.of(0)))).rejects.toMatchObject({
      code: 'quant/no-decoder',
    });
    const plain = tensor('F32', [1], new Uint8Array(4));
    await expect(dequantizeTensor(plain, { rowStart: 1, rowCount: 1 })).rejects.toMatchObject({
      code: 'argument/invalid',
    });
    await expect(readRaw(plain, { byteStart: 2, byteLength: 3 })).rejects.toMatchObject({ code: 'argument/invalid' });
  });
});

describe('16-bit floats', () => {
  it('keeps every code through f32', () => {
    const changed: number[] = [];
    for (let code = 0; code < 65536; code++) {
      const half = f16ToF32(code);
      const brain = bf16ToF32(code);
      if (!Number.isNaN(half) && f32ToF16(half) !== code) changed.push(code);
      if (!Number.isNaN(brain) && f32ToBf16(brain) !== code) changed.push(code);
    }
    expect(changed).toEqual([]);
  });
});

describe('encoders', () => {
  const values = (count: number) =>
    fc.float32Array({ minLength: count, maxLength: count, noNaN: true, min: -100, max: 100 });

  it('stay within half a step of the block scale', () => {
    fc.assert(
      fc.property(values(256), (input) => {
        for (const [id, levels] of [
          ['Q8_0', 127],
          ['Q4_0', 7],
        ] as const) {
          const type = quantType(id);
          const packed = quantize(id, input);
          expect(packed.length).toBe(packedBytes(type, 256));
          const back = new Float32Array(256);
          type.dequantize?.(packed, 256, back);
          for (let i = 0; i < 256; i++) {
            const block = input.subarray(i - (i % 32), i - (i % 32) + 32);
            const largest = block.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
            // Half a step, the rounding of the f16 scale down to its subnormals, and Q4_0's missing level opposite the extreme.
            const bound = (largest / levels) * (id === 'Q4_0' ? 1.01 : 0.5) + largest * 2 ** -10 + 127 * 2 ** -24;
            expect(Math.abs((back[i] ?? 0) - (input[i] ?? 0))).toBeLessThanOrEqual(bound);
          }
        }
      }),
      { seed: 7, numRuns: 100 },
    );
  });

  it('Q4_K and NF4 keep finite values finite and near', () => {
    fc.assert(
      fc.property(values(256), (input) => {
        const range = input.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        const back = new Float32Array(256);
        quantType('Q4_K').dequantize?.(quantize('Q4_K', input), 256, back);
        back.forEach((value, i) => expect(Math.abs(value - (input[i] ?? 0))).toBeLessThanOrEqual(range * 0.5 + 1e-6));
        const nf4 = quantizeNf4(input);
        quantType('NF4').dequantize?.(nf4.packed, 256, back);
        back.forEach((code, i) => {
          const largest = nf4.absmax[i >> 6] ?? 0;
          expect(Math.abs(code * largest - (input[i] ?? 0))).toBeLessThanOrEqual(largest * 0.16 + 1e-30);
        });
      }),
      { seed: 7, numRuns: 100 },
    );
  });

  it('refuses types that are only read and broken blocks', () => {
    expect(() => quantize('IQ2_S', new Float32Array(256))).toThrow(
      expect.objectContaining({ code: 'quant/no-encoder' }),
    );
    expect(() => quantize('Q8_0', new Float32Array(31))).toThrow(expect.objectContaining({ code: 'argument/invalid' }));
  });
});
