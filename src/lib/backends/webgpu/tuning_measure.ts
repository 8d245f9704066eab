/** Times one product as one kernel computes it, on made-up numbers of the model's own shape and stored type. */
import { GraphBuilder } from '../../graph/builder';
import { packedWeight } from '../../graph/memory_weight';
import { weightResolver } from '../../graph/weights';
import { packedBytes, QUANT_TYPES, quantType, type QuantTypeId } from '../../quant/registry';
import type { WebgpuBackend } from './backend';
import type { GemmChoice, GemmShape } from './tuning';
import { directFragment } from './weights/weight_plan';

export interface MeasureOptions {
  readonly runs?: number;
  readonly signal?: AbortSignal;
}

/** A stored type that lies on the device like the given fragment. */
function typeOf(fragment: string): QuantTypeId {
  return QUANT_TYPES.find(({ id }) => directFragment(id) === fragment)?.id ?? 'F32';
}

/** More rows change nothing about which kernel wins. */
const MAX_ROWS = 2048;

/** Values in ±1, repeated after a prime number of them: made in no time. */
function wave(count: number, step: number): Float32Array<ArrayBuffer> {
  const period = Math.min(count, 4099);
  const values = new Float32Array(count);
  for (let i = 0; i < period; i++) values[i] = Math.sin(step * (i + 1));
  for (let done = period; done < count; done += period) values.copyWithin(done, 0, Math.min(period, count - done));
  return values;
}

/** A weight of repeated bytes whose scales are ordinary numbers: speed depends on the layout alone. */
function madeUpWeight(type: QuantTypeId, n: number, k: number) {
  const count = n * k;
  if (type === 'F32') return packedWeight('w.weight', type, [n, k], new Uint8Array(wave(count, 0.7).buffer));
  const bytes = new Uint8Array(packedBytes(quantType(type), count));
  // 0x2c2c is 0.065 in binary16 and 2e-12 in bfloat16; every field read as a scale is finite and positive.
  bytes.fill(0x2c);
  const weight = packedWeight('w.weight', type, [n, k], bytes);
  const companion = (values: Float32Array<ArrayBuffer>) =>
    packedWeight('scale', 'F32', [values.length], new Uint8Array(values.buffer)).tensor;
  if (type === 'NF4' || type === 'FP4') {
    const absmax = companion(new Float32Array(Math.ceil(count / 64)).fill(1));
    return { ...weight, tensor: { ...weight.tensor, companions: { absmax }, params: { blockSize: 64 } } };
  }
  if (type === 'LLM_INT8') {
    return { ...weight, tensor: { ...weight.tensor, companions: { SCB: companion(new Float32Array(n).fill(1)) } } };
  }
  return weight;
}

/**
 * Fastest of a few runs by timestamps, and the values.
 * @throws AppError 'job/cancelled', 'backend/…'
 */
export async function measureProduct(
  backend: WebgpuBackend,
  shape: GemmShape,
  choice: GemmChoice,
  { runs = 5, signal }: MeasureOptions,
): Promise<{ readonly ms: number; readonly values: ArrayLike<number> }> {
  const { n, k, fragment = 'f32' } = shape;
  const m = Math.min(MAX_ROWS, shape.m);
  const weights = new Map([['w.weight', madeUpWeight(typeOf(fragment), n, k)]]);
  const g = GraphBuilder.create('tuning', weightResolver(weights));
  g.output('y', g.linear(g.input('x', [m, k]), 'w', { out: n, bias: false }));
  const tuning = { ...backend.tuning, gemm: () => choice };
  const program = await backend.compileWith(tuning, g.finish(), weights, signal ? { signal } : {});
  const x = backend.upload({ shape: [m, k], data: wave(m * k, 0.3) });
  try {
    const { y } = await program.run({ x }, signal ? { signal } : {});
    if (!y) return { ms: Infinity, values: [] };
    let values: ArrayLike<number>;
    try {
      values = (await backend.download(y)).data;
    } finally {
      y.dispose();
    }
    let ms = Infinity;
    for (let run = 0; run < runs; run++) {
      const timings = await program.profile({ x });
      ms = Math.min(
        ms,
        timings.reduce((sum, timing) => sum + timing.ms, 0),
      );
    }
    return { ms, values };
  } finally {
    x.dispose();
    await program.dispose();
  }
}
