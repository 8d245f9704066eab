/** Weights brought into order by the device against the same by the host: every kind of word, odd counts, padded rows. */
import type { NamedWeight } from '../../graph/weights';
import { memoryWeight, packedWeight } from '../../graph/memory_weight';
import { packedBytes, quantType, type QuantTypeId } from '../../quant/registry';
import type { WebgpuBackend } from './backend';
import { readBuffer } from './read_buffer';
import { packPart } from './weights/pack_weight';
import { planWeight, type WeightForm } from './weights/weight_plan';

/** A weight of arbitrary bytes: order is what is tested, not values. */
function arbitrary(type: QuantTypeId, shape: readonly number[]): NamedWeight {
  const count = shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(packedBytes(quantType(type), count));
  let state = 1;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  const weight = packedWeight('w', type, shape, bytes);
  if (type !== 'NF4') return weight;
  const blocks = new Float32Array(Math.ceil(count / 64)).map((_, i) => i + 1);
  const absmax = memoryWeight('absmax', [blocks.length], blocks).tensor;
  return { ...weight, tensor: { ...weight.tensor, companions: { absmax }, params: { blockSize: 64 } } };
}

export interface RepackCase {
  readonly type: QuantTypeId;
  readonly shape: readonly number[];
  readonly form: WeightForm;
}

/** Together they hold every kind of recipe and both kernels. */
const CASES: readonly RepackCase[] = [
  { type: 'Q8_0', shape: [3, 96], form: 'matrix' },
  { type: 'Q3_K', shape: [3, 256], form: 'matrix' },
  { type: 'Q5_K', shape: [1, 512], form: 'matrix' },
  { type: 'NF4', shape: [3, 64], form: 'matrix' },
  { type: 'F16', shape: [3, 5, 3, 3], form: 'conv' },
];

/** Words in which device and host differ. */
export async function repackDifferences(backend: WebgpuBackend, { type, shape, form }: RepackCase): Promise<number> {
  const named = arbitrary(type, shape);
  const plan = planWeight('w', named, shape, form, { maxBindingBytes: backend.engine.gpu.limits.maxBindingBytes });
  const planned = { plan, form, shape, value: 0 };
  const { engine } = backend;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  let differences = 0;
  for (const part of plan.parts) {
    const expected = new Uint8Array(part.bytes);
    await packPart(plan, part, named, shape, { write: (offset, bytes) => expected.set(bytes, offset) });
    const pooled = engine.pool.allocate('repack test', part.bytes, 'weights', usage);
    try {
      await engine.weights.write(planned, part, named, { buffer: pooled.buffer, offset: 0 });
      const found = new Uint32Array(await readBuffer(engine, pooled.buffer, 0, part.bytes));
      const wanted = new Uint32Array(expected.buffer);
      differences += wanted.reduce((sum, word, i) => sum + (word === found[i] ? 0 : 1), 0);
    } finally {
      engine.pool.free(pooled);
    }
  }
  return differences;
}

/** 0 when all words are equal. */
export async function repackError(backend: WebgpuBackend): Promise<number> {
  let differences = 0;
  for (const one of CASES) differences += await repackDifferences(backend, one);
  return differences;
}
