/** Golden quantized weights on WebGPU: decoded values through `embedding`, products through `linear` and `conv2d`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateOpCase, nmse } from '../../src/lib/backends/op_cases/run_op_case';
import type { HostTensor } from '../../src/lib/backends/backend';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { directFragment } from '../../src/lib/backends/webgpu/weights/weight_plan';
import { GraphBuilder } from '../../src/lib/graph/builder';
import { memoryWeight, packedWeight } from '../../src/lib/graph/memory_weight';
import { weightResolver, type NamedWeight } from '../../src/lib/graph/weights';
import { isQuantTypeId, type QuantTypeId } from '../../src/lib/quant/registry';
import { createTestBackend, goldenFile, goldenJson } from './test_backend';

interface GoldenCase {
  readonly name: string;
  readonly kind: string;
  readonly type?: string;
  readonly file: string;
  readonly inputs_file?: string;
  readonly weight_shape_oihw?: readonly number[];
  readonly params: unknown;
  readonly inputs: Readonly<Record<string, string>>;
  readonly expected: Readonly<Record<string, string>>;
  readonly tolerance: {
    readonly nmse_f32_accumulate?: number;
    readonly nmse_f16_staging?: number;
    readonly nmse?: number;
  };
}

interface GoldenArray {
  readonly shape: readonly number[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const index = await goldenJson<{ cases: readonly GoldenCase[] }>('quant/index.json');
const files = new Map<string, Promise<ReadonlyMap<string, GoldenArray>>>();

/** All arrays of a small safetensors file, read once. */
function arrays(path: string): Promise<ReadonlyMap<string, GoldenArray>> {
  let read = files.get(path);
  if (!read) {
    read = goldenFile(`quant/${path}`).then((file) => {
      if (!file) throw new Error(`the golden folder has no ${path}`);
      const headerBytes = Number(new DataView(file.buffer).getBigUint64(0, true));
      const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerBytes))) as Record<
        string,
        { shape: number[]; data_offsets: [number, number] }
      >;
      return new Map(
        Object.entries(header).flatMap(([name, entry]) => {
          if (name === '__metadata__') return [];
          const [begin, end] = entry.data_offsets;
          return [[name, { shape: entry.shape, bytes: file.slice(8 + headerBytes + begin, 8 + headerBytes + end) }]];
        }),
      );
    });
    files.set(path, read);
  }
  return read;
}

function array(from: ReadonlyMap<string, GoldenArray>, name: string): GoldenArray {
  const found = from.get(name);
  if (!found) throw new Error(`no golden array ${name}`);
  return found;
}

const floats = (golden: GoldenArray) => new Float32Array(golden.bytes.buffer);
const host = (golden: GoldenArray): HostTensor => ({ shape: golden.shape, data: floats(golden) });

let backend: WebgpuBackend;
beforeAll(async () => {
  backend = await createTestBackend();
});
afterAll(() => backend.dispose());

async function compute(
  weights: ReadonlyMap<string, NamedWeight>,
  inputs: Readonly<Record<string, HostTensor>>,
  build: (g: GraphBuilder) => void,
): Promise<HostTensor> {
  const g = GraphBuilder.create('golden', weightResolver(weights));
  build(g);
  return evaluateOpCase(backend, { graph: g.finish(), weights, inputs, flops: 0, bytes: 0 });
}

/** Values of a [rows, cols] weight, looked up row by row. */
async function decoded(weight: NamedWeight, rows: number, cols: number): Promise<ArrayLike<number>> {
  const ids = { shape: [1, rows], data: Int32Array.from({ length: rows }, (_, i) => i) };
  const { data } = await compute(new Map([['w', weight]]), { ids }, (g) => {
    const input = g.input('ids', [1, rows], { elementType: 'i32' });
    g.output('y', g.embedding(input, 'w', { count: rows, width: cols }));
  });
  return data;
}

async function product(weight: NamedWeight, x: GoldenArray, bias?: GoldenArray): Promise<ArrayLike<number>> {
  const [n = 0] = weight.tensor.shape;
  const weights = new Map([['l.weight', weight]]);
  if (bias) weights.set('l.bias', memoryWeight('l.bias', bias.shape, floats(bias)));
  const { data } = await compute(weights, { x: host(x) }, (g) => {
    g.output('y', g.linear(g.input('x', x.shape), 'l', { out: n, bias: bias !== undefined }));
  });
  return data;
}

/** Types that end in a multiply-add, which a compiler may fuse. */
const WITH_MINIMUM: ReadonlySet<string> = new Set(['Q4_1', 'Q5_1', 'Q2_K', 'Q4_K', 'Q5_K']);

/** Types without a fragment are decoded to half precision at load, see `weight_plan.ts`. */
function bounds(type: QuantTypeId, { tolerance }: GoldenCase) {
  const exact = directFragment(type) !== undefined;
  return { exact, nmse: (exact ? tolerance.nmse_f32_accumulate : tolerance.nmse_f16_staging) ?? 0 };
}

const casesOf = (...kinds: string[]) =>
  (index?.cases ?? []).flatMap((c) => (kinds.includes(c.kind) ? [[c.name, c] as const] : []));

describe('golden quantized weights', () => {
  if (!index) it.skip('skipped: the golden folder has no quant group', () => undefined);

  it.each(casesOf('ggml'))('%s', async (_name, c) => {
    if (c.type === undefined || !isQuantTypeId(c.type)) throw new Error(`unknown type ${c.type}`);
    const data = await arrays(c.file);
    const inputs = await arrays(c.inputs_file ?? c.file);
    const dequant = array(data, 'dequant');
    const [rows = 0, cols = 0] = dequant.shape;
    const weight = packedWeight('w', c.type, [rows, cols], array(data, 'packed').bytes);
    const { exact, nmse: bound } = bounds(c.type, c);
    const expected = floats(dequant);
    const found = await decoded(weight, rows, cols);
    const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const slack = !exact ? 2 ** -11 * largest : WITH_MINIMUM.has(c.type) ? 2 ** -22 * largest : 0;
    expect(expected.findIndex((value, i) => !(Math.abs(value - (found[i] ?? NaN)) <= slack))).toBe(-1);
    // The committed selection has values alone.
    for (const x of ['x1', 'x7', 'x77'].filter((name) => data.has(name.replace('x', 'y')))) {
      const y = await product(weight, array(inputs, x), array(inputs, 'bias'));
      expect(nmse(y, floats(array(data, x.replace('x', 'y')))), x).toBeLessThanOrEqual(bound);
    }
    if (!data.has('y_large')) return;
    const large = await product(weight, array(inputs, 'x_large'));
    expect(nmse(large, floats(array(data, 'y_large'))), 'x_large').toBeLessThanOrEqual(Math.max(bound, 1e-10));
  });

  it.each(casesOf('ggml-accumulate'))('%s', async (_name, c) => {
    const data = await arrays(c.file);
    for (const { type } of c.params as readonly { readonly type: string }[]) {
      if (!isQuantTypeId(type)) throw new Error(`unknown type ${type}`);
      const x = array(data, 'x');
      const expected = array(data, `${type}.y`);
      const rows = expected.bytes.length / 4 / (x.shape.slice(0, -1).reduce((a, b) => a * b, 1) || 1);
      const weight = packedWeight('w', type, [rows, x.shape.at(-1) ?? 0], array(data, `${type}.packed`).bytes);
      expect(nmse(await product(weight, x), floats(expected)), type).toBeLessThanOrEqual(c.tolerance.nmse ?? 0);
    }
  });

  it.each(casesOf('conv2d'))('%s', async (_name, c) => {
    if (c.type === undefined || !isQuantTypeId(c.type)) throw new Error(`unknown type ${c.type}`);
    const data = await arrays(c.file);
    const shape = c.weight_shape_oihw ?? [];
    const { stride, padding } = c.params as { readonly stride: number; readonly padding: number };
    const x = array(data, c.inputs['x'] ?? '');
    const bias = array(data, c.inputs['bias'] ?? '');
    const weights = new Map([
      ['c.weight', packedWeight('w', c.type, shape, array(data, c.inputs['packed'] ?? '').bytes)],
      ['c.bias', memoryWeight('b', bias.shape, floats(bias))],
    ]);
    const [out = 0, , kernel = 0] = shape;
    const y = await compute(weights, { x: host(x) }, (g) => {
      const image = g.input('x', x.shape, { layout: 'image' });
      g.output('y', g.conv2d(image, 'c', { out, kernel, stride, pad: padding }));
    });
    const expected = floats(array(data, c.expected['y'] ?? ''));
    expect(nmse(y.data, expected)).toBeLessThanOrEqual(bounds(c.type, c).nmse);
  });
});
