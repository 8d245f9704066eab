/** How a kind of golden case is run: which parts it needs, which graphs it builds, what it hands back. */
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { withTaps } from '../../../src/lib/graph/ir';
import type { DetectedFile } from '../../../src/lib/models/detect';
import type {
  ArchitectureId,
  BuiltGraph,
  HintTable,
  ModelPart,
  PartRole,
  TextEncoderId,
} from '../../../src/lib/models/part';
import type { GoldenCase, GoldenFamily } from './golden_case';

export type Tensors = ReadonlyMap<string, HostTensor>;

export class CaseRun {
  readonly backend: Backend;
  readonly files: readonly DetectedFile[];
  readonly family: GoldenFamily;
  readonly goldenCase: GoldenCase;
  readonly inputs: Tensors;
  readonly hints: HintTable;
  /** Set to collect every named intermediate. */
  readonly trace: Map<string, HostTensor> | undefined;

  /** Relative disturbance of every float input of every graph, to measure how much a network amplifies rounding. */
  readonly #noise: number;

  constructor(options: {
    backend: Backend;
    files: readonly DetectedFile[];
    family: GoldenFamily;
    goldenCase: GoldenCase;
    inputs: Tensors;
    hints: HintTable;
    trace?: Map<string, HostTensor>;
    noise?: number;
  }) {
    this.#noise = options.noise ?? 0;
    this.backend = options.backend;
    this.files = options.files;
    this.family = options.family;
    this.goldenCase = options.goldenCase;
    this.inputs = options.inputs;
    this.hints = options.hints;
    this.trace = options.trace;
  }

  input(name: string): HostTensor {
    const found = this.inputs.get(name);
    if (!found) throw new Error(`${this.goldenCase.name}: no input ${name}`);
    return found;
  }

  part<Config>(role: PartRole, architecture?: ArchitectureId, encoder?: TextEncoderId): ModelPart<Config> {
    const found = findPart(this.files, role, architecture, encoder);
    if (!found) throw new Error(`${this.goldenCase.name}: no ${encoder ?? architecture ?? role}`);
    return found as ModelPart<Config>;
  }

  /** Compiles, runs once, downloads every output, frees everything. */
  async run(
    { graph, weights }: BuiltGraph,
    inputs: Readonly<Record<string, HostTensor>>,
  ): Promise<Record<string, HostTensor>> {
    const program = await this.backend.compile(this.trace ? withTaps(graph) : graph, weights);
    const uploaded = Object.fromEntries(
      Object.entries(inputs).map(([name, t]) => [name, this.backend.upload(this.#disturbed(t))]),
    );
    const results = await program.run(uploaded);
    const outputs: Record<string, HostTensor> = {};
    for (const [name, tensor] of Object.entries(results)) {
      const host = await this.backend.download(tensor);
      tensor.dispose();
      if (graph.outputs.has(name)) outputs[name] = host;
      if (this.trace && !this.trace.has(name) && graph.taps.has(name)) this.trace.set(name, host);
    }
    for (const tensor of Object.values(uploaded)) tensor.dispose();
    await program.dispose();
    return outputs;
  }

  #disturbed(t: HostTensor): HostTensor {
    if (this.#noise === 0 || t.data instanceof Int32Array) return t;
    return { shape: t.shape, data: t.data.map((x, i) => x * (1 + this.#noise * (signs[i % signs.length] ?? 1))) };
  }
}

const signs = [1, -1, -1, 1, 1, 1, -1, 1, -1, -1, 1, -1, -1];

export function findPart(
  files: readonly DetectedFile[],
  role: PartRole,
  architecture?: ArchitectureId,
  encoder?: TextEncoderId,
): ModelPart | undefined {
  for (const file of files) {
    for (const part of file.parts) {
      if (part.role !== role) continue;
      if (architecture !== undefined && part.architecture !== architecture) continue;
      if (encoder !== undefined && part.encoder !== encoder) continue;
      return part;
    }
  }
  return undefined;
}

export interface Adapter {
  readonly id: string;
  /** A case that names a file also runs on every other file of the same configuration. */
  readonly everyFile?: boolean;
  /** Whether this kind of case is meant. */
  matches(family: GoldenFamily, goldenCase: GoldenCase, inputs: Tensors): boolean;
  /** Whether these files suffice. */
  serves(files: readonly DetectedFile[], family: GoldenFamily, goldenCase: GoldenCase, inputs: Tensors): boolean;
  /** Outputs by the case's names; names that a case does not expect are ignored, missing ones fail. */
  run(run: CaseRun): Promise<Readonly<Record<string, HostTensor>>>;
}

export const f32 = (shape: readonly number[], data: ArrayLike<number>): HostTensor => ({
  shape,
  data: Float32Array.from(data),
});
export const i32 = (shape: readonly number[], data: ArrayLike<number>): HostTensor => ({
  shape,
  data: Int32Array.from(data),
});
export const scaled = (t: HostTensor, scale: number, offset = 0): HostTensor =>
  f32(
    t.shape,
    Array.from(t.data, (x) => x * scale + offset),
  );

/** Σ coefficient · tensor. */
export function combine(...terms: (readonly [number, HostTensor])[]): HostTensor {
  const first = terms[0]?.[1] ?? f32([0], []);
  const data = new Float32Array(first.data.length);
  for (let i = 0; i < data.length; i += 1) {
    let sum = 0;
    for (const [c, t] of terms) sum += c * (t.data[i] ?? NaN);
    data[i] = sum;
  }
  return { shape: first.shape, data };
}

/** Element-wise product, b broadcast over the channel axis when it has one channel. */
export function times(a: HostTensor, b: HostTensor): HostTensor {
  const [, channels = 1] = a.shape;
  const plane = b.data.length;
  const broadcast = a.data.length !== plane;
  const data = Array.from(a.data, (x, i) => x * (b.data[broadcast ? i % (a.data.length / channels) : i] ?? NaN));
  return f32(a.shape, data);
}

/** Rows `start..start+count` of the first axis. */
export function rows(t: HostTensor, start: number, count: number): HostTensor {
  const size = t.data.length / (t.shape[0] ?? 1);
  return { shape: [count, ...t.shape.slice(1)], data: t.data.slice(start * size, (start + count) * size) };
}

export function stack(...tensors: HostTensor[]): HostTensor {
  const [first] = tensors;
  const n = tensors.reduce((sum, t) => sum + (t.shape[0] ?? 0), 0);
  return f32(
    [n, ...(first?.shape.slice(1) ?? [])],
    tensors.flatMap((t) => Array.from(t.data)),
  );
}

/** Position of the first highest id in each row: where CLIP pools. */
export function endIndex(ids: HostTensor): HostTensor {
  const [n = 0, t = 0] = ids.shape;
  const found = Array.from({ length: n }, (_, row) => {
    const line = Array.from(ids.data.subarray(row * t, (row + 1) * t));
    return line.indexOf(Math.max(...line));
  });
  return i32([n], found);
}

/** One number per row. */
export function perRow(n: number, value: number): HostTensor {
  return f32([n], new Array<number>(n).fill(value));
}
