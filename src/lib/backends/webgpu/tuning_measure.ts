/** Times one node as one kernel computes it, on made-up numbers of the model's own shape and stored type. */
import { GraphBuilder } from '../../graph/builder';
import { packedWeight } from '../../graph/memory_weight';
import { weightResolver, type WeightMap } from '../../graph/weights';
import { packedBytes, QUANT_TYPES, quantType, type QuantTypeId } from '../../quant/registry';
import { elementCount, type Shape } from '../../base/shape';
import type { Graph } from '../../graph/ir';
import type { DeviceTensor, HostTensor } from '../backend';
import type { WebgpuBackend } from './backend';
import type { AttentionChoice, AttentionShape, ConvShape, GemmChoice, GemmShape, Tuning } from './tuning';
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
function madeUpWeight(type: QuantTypeId, shape: Shape) {
  const [n = 1] = shape;
  const count = elementCount(shape);
  if (type === 'F32') return packedWeight('w.weight', type, shape, new Uint8Array(wave(count, 0.7).buffer));
  const bytes = new Uint8Array(packedBytes(quantType(type), count));
  // 0x2c2c is 0.065 in binary16 and 2e-12 in bfloat16; every field read as a scale is finite and positive.
  bytes.fill(0x2c);
  const weight = packedWeight('w.weight', type, shape, bytes);
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

/** A graph of one node, and its inputs. */
interface Probe {
  readonly graph: Graph;
  readonly weights: WeightMap;
  readonly inputs: Readonly<Record<string, HostTensor>>;
}

function linearProbe({ m, n, k, fragment = 'f32' }: GemmShape): Probe {
  const rows = Math.min(MAX_ROWS, m);
  const weights = new Map([['w.weight', madeUpWeight(typeOf(fragment), [n, k])]]);
  const g = GraphBuilder.create('tuning', weightResolver(weights));
  g.output('y', g.linear(g.input('x', [rows, k]), 'w', { out: n, bias: false }));
  return { graph: g.finish(), weights, inputs: { x: { shape: [rows, k], data: wave(rows * k, 0.3) } } };
}

/** As wide as high, with about as many output pixels as the model's own. */
function convProbe({ m, n, fragment = 'f32' }: GemmShape, conv: ConvShape): Probe {
  const { channels, kernelHeight, kernelWidth, stride, upsample } = conv;
  const side = Math.max(1, Math.round((Math.sqrt(Math.min(MAX_ROWS, m)) * stride) / upsample));
  const weight = madeUpWeight(typeOf(fragment), [n, channels, kernelHeight, kernelWidth]);
  const weights = new Map([['w.weight', weight]]);
  const g = GraphBuilder.create('tuning', weightResolver(weights));
  const shape = [1, channels, side, side];
  const x = g.input('x', shape, { layout: 'image' });
  const [top, left] = [Math.floor(kernelHeight / 2), Math.floor(kernelWidth / 2)];
  const attrs = { stride, pad: [top, left, top, left], padMode: 'zeros', upsample } as const;
  g.output('y', g.op('conv2d', [x, g.weight('w.weight', [n, channels, kernelHeight, kernelWidth])], attrs));
  return { graph: g.finish(), weights, inputs: { x: { shape, data: wave(channels * side * side, 0.3) } } };
}

function attentionProbe({ queries, keys, width, heads }: AttentionShape): Probe {
  const g = GraphBuilder.create('tuning', () => undefined);
  const tensor = (tokens: number, step: number) => ({
    shape: [1, tokens, heads * width],
    data: wave(tokens * heads * width, step),
  });
  const inputs = { q: tensor(queries, 0.3), k: tensor(keys, 0.57), v: tensor(keys, 0.83) };
  const [q, k, v] = (['q', 'k', 'v'] as const).map((name) => g.input(name, inputs[name].shape));
  if (q && k && v) g.output('y', g.attention(q, k, v, { heads }));
  return { graph: g.finish(), weights: new Map(), inputs };
}

export interface Measured {
  readonly ms: number;
  readonly values: ArrayLike<number>;
}

/** One product or convolution as one kernel computes it. @throws AppError 'job/cancelled', 'backend/…' */
export function measureProduct(
  backend: WebgpuBackend,
  shape: GemmShape,
  choice: GemmChoice,
  options: MeasureOptions,
): Promise<Measured> {
  const probe = shape.conv ? convProbe(shape, shape.conv) : linearProbe(shape);
  return measure(backend, probe, { ...backend.tuning, gemm: () => choice }, options);
}

/** As `measureProduct` for attention, at its full length: which kernel wins depends on it. */
export function measureAttention(
  backend: WebgpuBackend,
  shape: AttentionShape,
  choice: AttentionChoice,
  options: MeasureOptions,
): Promise<Measured> {
  return measure(backend, attentionProbe(shape), { ...backend.tuning, attention: () => choice }, options);
}

/** Fastest of a few runs by timestamps, and the values. */
async function measure(
  backend: WebgpuBackend,
  { graph, weights, inputs }: Probe,
  tuning: Tuning,
  { runs = 5, signal }: MeasureOptions,
): Promise<Measured> {
  const given = signal ? { signal } : {};
  const program = await backend.compileWith(tuning, graph, weights, given);
  const uploaded: Record<string, DeviceTensor> = {};
  try {
    for (const [name, tensor] of Object.entries(inputs)) uploaded[name] = backend.upload(tensor);
    const { y } = await program.run(uploaded, given);
    if (!y) return { ms: Infinity, values: [] };
    let values: ArrayLike<number>;
    try {
      values = (await backend.download(y)).data;
    } finally {
      y.dispose();
    }
    let ms = Infinity;
    for (let run = 0; run < runs; run++) {
      const timings = await program.profile(uploaded);
      ms = Math.min(
        ms,
        timings.reduce((sum, timing) => sum + timing.ms, 0),
      );
    }
    return { ms, values };
  } finally {
    for (const tensor of Object.values(uploaded)) tensor.dispose();
    await program.dispose();
  }
}
