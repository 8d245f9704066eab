/** The half of the reload bench that computes: a network whose weights pass through the device against one that stays. */
import { openDB } from 'idb';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import type { StreamTimes } from '../../src/lib/backends/backend';
import { browserGpu } from '../../src/lib/backends/webgpu/device';
import { selfTest } from '../../src/lib/backends/webgpu/self_test';
import { bundledKernels } from '../../src/lib/backends/webgpu/sources_vite';
import type { WebgpuProgram } from '../../src/lib/backends/webgpu/program';
import { randomWeight } from '../../src/lib/backends/op_cases/packed';
import { createRandom } from '../../src/lib/backends/op_cases/random';
import { blobSource } from '../../src/lib/base/byte_source';
import { GraphBuilder } from '../../src/lib/graph/builder';
import { weightResolver, type NamedWeight, type WeightMap } from '../../src/lib/graph/weights';

const DATABASE = 'sketchforge-bench';
const LAYERS = 12;
const ROUNDS = 3;
/** Rows of the activations: the more, the longer the device computes with what was read. */
const SIZES = {
  hardware: { width: 2048, tokens: [1, 64, 1024] },
  software: { width: 512, tokens: [1, 4, 16] },
} as const;

/** Tokens, width. */
type Shape = readonly [number, number];

export interface StreamRun {
  readonly tokens: number;
  readonly width: number;
  readonly residentMs: number;
  readonly streamedMs: number;
  /** Reading what a streamed run reads while the device has nothing else to do. */
  readonly aloneMs: number;
  readonly times: StreamTimes;
  readonly equal: boolean;
}

export interface StreamBench {
  readonly info: Readonly<Record<string, string>>;
  readonly weightsBytes: number;
  readonly heldBytes: number;
  readonly runs: readonly StreamRun[];
}

/** Feed-forward layers in Q8_0 whose bytes lie in one Blob of the browser's database, as models do. */
async function storedWeights(width: number): Promise<WeightMap> {
  const random = createRandom(1);
  const made = Array.from({ length: LAYERS }, (_, i) => [
    randomWeight(`${i}.up.weight`, [4 * width, width], 'Q8_0', 1 / Math.sqrt(width), random),
    randomWeight(`${i}.down.weight`, [width, 4 * width], 'Q8_0', 1 / Math.sqrt(4 * width), random),
  ]).flat();
  const bytes = await Promise.all(made.map(({ tensor }) => tensor.source.read(0, tensor.byteLength)));
  const database = await openDB(DATABASE, 1, { upgrade: (opened) => void opened.createObjectStore('weights') });
  await database.put('weights', new Blob(bytes), 'all');
  const stored = (await database.get('weights', 'all')) as Blob;
  database.close();
  const source = blobSource('bench weights', stored);
  let byteOffset = 0;
  return new Map(
    made.map((named): [string, NamedWeight] => {
      const tensor = { ...named.tensor, source, byteOffset };
      byteOffset += tensor.byteLength;
      return [tensor.name, { ...named, tensor }];
    }),
  );
}

function network(weights: WeightMap, [tokens, width]: Shape) {
  const g = GraphBuilder.create('streaming bench', weightResolver(weights));
  let x = g.input('x', [tokens, width]);
  for (let i = 0; i < LAYERS; i++) {
    const up = g.activation(g.linear(x, `${i}.up`, { out: 4 * width, bias: false }), 'gelu');
    x = g.add(x, g.linear(up, `${i}.down`, { out: width, bias: false }));
  }
  g.output('y', x);
  return g.finish();
}

const weightsBytesOf = (weights: WeightMap) =>
  [...weights.values()].reduce((sum, { tensor }) => sum + tensor.byteLength, 0);

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Runs both ways at one number of tokens; the first run of each only warms up. */
async function measure(backend: WebgpuBackend, weights: WeightMap, shape: Shape, budgetBytes: number) {
  const [tokens, width] = shape;
  const graph = network(weights, shape);
  const random = createRandom(2);
  const x = backend.upload({
    shape: [tokens, width],
    data: Float32Array.from({ length: tokens * width }, () => random.normal()),
  });
  const timed = async (program: WebgpuProgram) => {
    const begun = performance.now();
    const { y } = await program.run({ x });
    if (!y) throw new Error('bench: no output');
    const { data } = await backend.download(y);
    y.dispose();
    return { ms: performance.now() - begun, data };
  };
  const rounds = async (program: WebgpuProgram) => {
    const reports: StreamTimes[] = [];
    backend.observe({
      wantsTimings: () => false,
      onRun: ({ streamed }) => void (streamed && reports.push(streamed)),
    });
    const { data } = await timed(program);
    reports.length = 0;
    const ms: number[] = [];
    for (let i = 0; i < ROUNDS; i++) ms.push((await timed(program)).ms);
    backend.observe(undefined);
    await program.dispose();
    return { ms: median(ms), data, reports };
  };
  const load = async () => {
    const begun = performance.now();
    const program = await backend.compile(graph, weights);
    await backend.engine.gpu.idle();
    return { program, ms: performance.now() - begun };
  };
  await (await load()).program.dispose();
  const loaded = await load();
  const resident = await rounds(loaded.program);
  const program = await backend.compile(graph, weights, { weightsBudgetBytes: budgetBytes });
  const heldBytes = program.plan.weightsBytes;
  const streamed = await rounds(program);
  x.dispose();
  const times = {
    bytes: streamed.reports[0]?.bytes ?? 0,
    loadMs: median(streamed.reports.map(({ loadMs }) => loadMs)),
    waitMs: median(streamed.reports.map(({ waitMs }) => waitMs)),
  };
  const equal = streamed.data.every((value, i) => Object.is(value, resident.data[i]));
  const aloneMs = (loaded.ms * times.bytes) / weightsBytesOf(weights);
  return { run: { tokens, width, residentMs: resident.ms, streamedMs: streamed.ms, aloneMs, times, equal }, heldBytes };
}

/** Half of the weights may stay. */
async function streamWeights(): Promise<StreamBench> {
  const backend = await WebgpuBackend.create({ gpu: browserGpu(), sources: bundledKernels() });
  const software = backend.info['architecture'] === 'swiftshader';
  // As the app does: software adapters keep the plain kernels, and the host brings weights into order.
  if (!software) await selfTest(backend);
  const { width, tokens } = software ? SIZES.software : SIZES.hardware;
  const weights = await storedWeights(width);
  const weightsBytes = weightsBytesOf(weights);
  const runs: StreamRun[] = [];
  let heldBytes = 0;
  for (const rows of tokens) {
    const measured = await measure(backend, weights, [rows, width], weightsBytes / 2);
    console.info(`${rows} tokens: done`);
    runs.push(measured.run);
    ({ heldBytes } = measured);
  }
  const { info } = backend;
  await backend.dispose();
  indexedDB.deleteDatabase(DATABASE);
  return { info, weightsBytes, heldBytes, runs };
}

Object.assign(globalThis, { streamWeights });
