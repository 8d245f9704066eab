/** Small graphs in which a node leaves its work to the one that reads it; what each must compute is the reference's word. */
import { GraphBuilder } from '../../src/lib/graph/builder';
import { memoryWeight, packedWeight } from '../../src/lib/graph/memory_weight';
import { weightResolver, type NamedWeight } from '../../src/lib/graph/weights';
import { f32ToF16 } from '../../src/lib/quant/half';
import { graphCost } from '../../src/lib/graph/cost';
import type { Value } from '../../src/lib/graph/ir';
import type { HostTensor } from '../../src/lib/backends/backend';
import type { OpCaseData } from '../../src/lib/backends/op_cases/op_case';

export interface FusionCase {
  readonly name: string;
  /** A file of the kernel that shows the fusion. */
  readonly file: string;
  /** Operators that must leave no dispatch of their own. */
  readonly gone: string;
  readonly build: () => OpCaseData;
  /** Worth a run with split sums: those take another way where K is longer or read otherwise. */
  readonly split?: boolean;
}

/** A graph in the making, with weights and inputs of its own. */
export class Scope {
  readonly weights = new Map<string, NamedWeight>();
  readonly inputs: Record<string, HostTensor> = {};
  readonly g = GraphBuilder.create('fusion', (name) => weightResolver(this.weights)(name));

  #values(shape: readonly number[], scale: number): Float32Array<ArrayBuffer> {
    const step = 0.37 + this.weights.size + Object.keys(this.inputs).length;
    const length = shape.reduce((a, b) => a * b, 1);
    return Float32Array.from({ length }, (_, i) => scale * Math.sin(step * (i + 1)));
  }

  weight(name: string, shape: readonly number[], scale = 0.3): Value {
    this.weights.set(name, memoryWeight(name, shape, this.#values(shape, scale)));
    return this.g.weight(name, shape);
  }

  /** In half precision, as shipped models have it: the same kernels as theirs. */
  matrix(shape: readonly number[]): Value {
    const halves = Uint16Array.from(this.#values(shape, 0.3), f32ToF16);
    this.weights.set('w', packedWeight('w', 'F16', shape, new Uint8Array(halves.buffer)));
    return this.g.weight('w', shape);
  }

  input(name: string, shape: readonly number[], layout: 'plain' | 'image' = 'plain'): Value {
    this.inputs[name] = { shape, data: this.#values(shape, 2) };
    return this.g.input(name, shape, { layout });
  }

  finish(y: Value): OpCaseData {
    this.g.output('y', y);
    const graph = this.g.finish();
    const { flops } = graphCost(graph);
    return { graph, weights: this.weights, inputs: this.inputs, flops, bytes: 0 };
  }
}

const conv = { stride: 1, padMode: 'zeros', upsample: 1 } as const;
const same = { ...conv, pad: [1, 1, 1, 1] } as const;
const point = { ...conv, pad: [0, 0, 0, 0] } as const;

/** Group norm before a convolution. */
function normedConv(size: 1 | 3, activation?: 'silu'): OpCaseData {
  const s = new Scope();
  const x = s.input('x', [2, 8, 5, 7], 'image');
  const affine = [s.weight('n.weight', [8]), s.weight('n.bias', [8])];
  const h = s.g.op('groupNorm', [x, ...affine], { groups: 2, eps: 1e-5, ...(activation ? { activation } : {}) });
  const w = s.matrix([6, 8, size, size]);
  return s.finish(s.g.op('conv2d', [h, w, s.weight('b', [6])], size === 3 ? same : point));
}

/** y = W x + U (D x) (+ residual). */
function lowRank(kind: 'linear' | 'conv2d', withResidual: boolean): OpCaseData {
  const s = new Scope();
  const image = kind === 'conv2d';
  const x = image ? s.input('x', [2, 8, 5, 7], 'image') : s.input('x', [1, 70, 12]);
  const taps = image ? [3, 3] : [];
  const [from, to, rank] = [image ? 8 : 12, 9, 4];
  const attrs = image ? same : {};
  const w = s.matrix([to, from, ...taps]);
  const down = s.weight('down', [rank, from, ...taps]);
  const up = s.weight('up', [to, rank, ...(image ? [1, 1] : [])]);
  const base = withResidual
    ? s.input('base', image ? [2, to, 5, 7] : [1, 70, to], image ? 'image' : 'plain')
    : undefined;
  const low = s.g.op(kind, [x, down], attrs);
  const side = s.g.op(kind, [low, up, undefined, base], image ? point : {});
  return s.finish(s.g.op(kind, [x, w, s.weight('b', [to]), side], attrs));
}

function modulated(norm: 'layerNorm' | 'rmsNorm', shifted: boolean): OpCaseData {
  const s = new Scope();
  const x = s.input('x', [2, 5, 70]);
  const h =
    norm === 'layerNorm'
      ? s.g.op('layerNorm', [x], { eps: 1e-6 })
      : s.g.op('rmsNorm', [x, s.weight('n', [70])], { size: 70, eps: 1e-6 });
  const scale = s.input('scale', [2, 1, 70]);
  return s.finish(s.g.op('modulate', [h, scale, shifted ? s.input('shift', [2, 1, 70]) : undefined], {}));
}

function normedTokens(): OpCaseData {
  const s = new Scope();
  const x = s.input('x', [2, 8, 5, 7], 'image');
  const h = s.g.op('groupNorm', [x, s.weight('n.weight', [8]), s.weight('n.bias', [8])], { groups: 4, eps: 1e-5 });
  const tokens = s.g.op('imageToTokens', [h], {});
  return s.finish(s.g.op('linear', [tokens, s.matrix([9, 8]), s.weight('b', [9])], {}));
}

export const FUSION_CASES: readonly FusionCase[] = [
  { name: 'group norm, 1x1', file: 'operand/rows4_affine', gone: 'group_norm_apply', build: () => normedConv(1) },
  {
    name: 'group norm, SiLU, few columns',
    file: 'operand/image4_affine',
    gone: 'group_norm_apply',
    build: () => normedConv(3, 'silu'),
  },
  {
    name: 'group norm, tokens, linear',
    file: 'operand/rows4_affine',
    gone: 'group_norm_apply',
    build: normedTokens,
    split: true,
  },
  { name: 'layer norm, modulate', file: 'row_norm', gone: 'modulate', build: () => modulated('layerNorm', true) },
  { name: 'RMS norm, scale alone', file: 'row_norm', gone: 'modulate', build: () => modulated('rmsNorm', false) },
  { name: 'low rank, linear', file: 'side/low_rank', gone: '', build: () => lowRank('linear', false) },
  {
    name: 'low rank, linear, residual',
    file: 'side/low_rank',
    gone: '',
    build: () => lowRank('linear', true),
    split: true,
  },
  { name: 'low rank, convolution, residual', file: 'side/low_rank', gone: '', build: () => lowRank('conv2d', true) },
];
