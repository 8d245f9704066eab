/**
 * `npm run bench -- lora [--webgpu] [--tokens 256]`: three rank-16 LoRAs as side paths on a quantized transformer block
 * against the same block with nothing (which is what merged weights cost per step): time to put them on, cost per run,
 * removal bit by bit. On the backend of this machine; `--webgpu` through Dawn in Node, where `LD_LIBRARY_PATH` leads to a
 * Vulkan loader. Fewer tokens for software adapters: the share of the side path does not depend on them.
 */
import { createNodeBackend } from '../../src/companion/node_backend';
import type { Backend, DeviceTensor, Program } from '../../src/lib/backends/backend';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { selfTest } from '../../src/lib/backends/webgpu/self_test';
import { GraphBuilder } from '../../src/lib/graph/builder';
import type { Graph } from '../../src/lib/graph/ir';
import { packedWeight } from '../../src/lib/graph/memory_weight';
import { applyLora, loraInput, type Lora } from '../../src/lib/graph/passes/lora';
import { weightResolver, type NamedWeight, type WeightMap } from '../../src/lib/graph/weights';
import { packedBytes, quantType } from '../../src/lib/quant/registry';
import { dawnGpu, diskKernels } from '../kernels/node_kernels';
import type { BenchResult } from './main';

/** Of FLUX.1's blocks. Three adapters of rank 16 add about 72 / width of the operations: 2.3 % here, 7 % at 1024. */
const WIDTH = 3072;
const USUAL_TOKENS = 256;
const RANK = 16;
/** Pairs of runs: at most so many, and as many as begin within the time, three at least. */
const ROUNDS = 7;
const FEWEST_ROUNDS = 3;
const ROUNDS_MS = 60_000;
const LAYERS: readonly (readonly [string, number, number])[] = [
  ['q', WIDTH, WIDTH],
  ['k', WIDTH, WIDTH],
  ['v', WIDTH, WIDTH],
  ['out', WIDTH, WIDTH],
  ['up', 4 * WIDTH, WIDTH],
  ['down', WIDTH, 4 * WIDTH],
];

let state = 1;
const random = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32) * 2 - 1;
const floats = (count: number, scale: number) => Float32Array.from({ length: count }, () => scale * random());

/** Q8_0 blocks with small scales and random quants. */
function quantized(name: string, shape: readonly [number, number]): NamedWeight {
  const bytes = new Uint8Array(packedBytes(quantType('Q8_0'), shape[0] * shape[1]));
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < bytes.length; block += 34) {
    view.setUint16(block, 0x0c00, true);
    for (let i = 2; i < 34; i++) bytes[block + i] = 127 * random();
  }
  return packedWeight(name, 'Q8_0', shape, bytes);
}

function block(tokens: number): { graph: Graph; weights: WeightMap } {
  const weights = new Map(
    LAYERS.map(([name, out, inner]) => [`${name}.weight`, quantized(name, [out, inner])] as const),
  );
  const g = GraphBuilder.create('lora bench', weightResolver(weights));
  const x = g.input('x', [1, tokens, WIDTH]);
  const linear = (value: typeof x, name: string) =>
    g.linear(value, name, { out: LAYERS.find(([one]) => one === name)?.[1] ?? 0, bias: false });
  const attended = g.attention(linear(x, 'q'), linear(x, 'k'), linear(x, 'v'), { heads: 16 });
  const h = g.add(x, linear(attended, 'out'));
  g.output('y', g.add(h, linear(g.activation(linear(h, 'up'), 'gelu'), 'down')));
  return { graph: g.finish(), weights };
}

const loras: readonly Lora[] = ['a', 'b', 'c'].map((id) => ({
  id,
  layers: new Map(
    LAYERS.map(([name, out, inner]) => [
      name,
      [{ kind: 'low-rank', rank: RANK, down: floats(RANK * inner, 0.03), up: floats(out * RANK, 0.03), scale: 1 }],
    ]),
  ),
}));

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function timed(backend: Backend, program: Program, inputs: Record<string, DeviceTensor>) {
  const begun = performance.now();
  const { y } = await program.run(inputs);
  if (!y) throw new Error('bench: no output');
  // Reading back waits for the device.
  const { data } = await backend.download(y);
  y.dispose();
  return { ms: performance.now() - begun, data };
}

async function openBackend(webgpu: boolean): Promise<Backend> {
  if (!webgpu) return createNodeBackend('auto', 1);
  const backend = await WebgpuBackend.create({ gpu: await dawnGpu(), sources: diskKernels() });
  const software = /software|swiftshader|llvmpipe/i.test(`${backend.info['architecture']} ${backend.info['adapter']}`);
  // As the app does: software adapters keep the plain kernels.
  if (!software) await selfTest(backend);
  console.error(`WebGPU on ${backend.info['architecture'] ?? 'an unknown adapter'}`);
  return backend;
}

function tokensOf(words: readonly string[]): number {
  const at = words.indexOf('--tokens');
  const tokens = at < 0 ? USUAL_TOKENS : Number(words[at + 1]);
  if (Number.isSafeInteger(tokens) && tokens > 0) return tokens;
  console.error('npm run bench -- lora [--webgpu] [--tokens 256]');
  process.exit(2);
}

export async function bench(words: readonly string[]): Promise<BenchResult> {
  const tokens = tokensOf(words);
  const backend = await openBackend(words.includes('--webgpu'));
  const { graph, weights } = block(tokens);
  const input = backend.upload({ shape: [1, tokens, WIDTH], data: floats(tokens * WIDTH, 1) });
  const plain = await backend.compile(graph, weights);
  const before = await timed(backend, plain, { x: input });

  const begun = performance.now();
  const stacked = applyLora(graph, weights, loras);
  const patchMs = performance.now() - begun;
  const compiling = performance.now();
  const program = await backend.compile(stacked.graph, stacked.weights);
  const compileMs = performance.now() - compiling;
  const strengths = Object.fromEntries(
    loras.map(({ id }) => [loraInput(id), backend.upload({ shape: [1], data: Float32Array.of(0.7) })]),
  );
  let encode = { ms: 0, dispatches: 0 };
  backend.observe({
    wantsTimings: () => false,
    onRun: ({ encodeMs, dispatches }) => {
      encode = { ms: encode.ms + encodeMs, dispatches: encode.dispatches + dispatches };
    },
  });
  const times: { plain: number[]; stacked: number[] } = { plain: [], stacked: [] };
  await timed(backend, program, { x: input, ...strengths });
  const started = performance.now();
  for (let i = 0; i < ROUNDS && (i < FEWEST_ROUNDS || performance.now() - started < ROUNDS_MS); i++) {
    console.error(`pair ${i + 1} after ${((performance.now() - started) / 1000).toFixed(0)} s`);
    times.plain.push((await timed(backend, plain, { x: input })).ms);
    times.stacked.push((await timed(backend, program, { x: input, ...strengths })).ms);
  }
  await program.dispose();
  await plain.dispose();
  const again = await backend.compile(graph, weights);
  const after = await timed(backend, again, { x: input });
  const same = after.data.every((value, i) => Object.is(value, before.data[i]));
  const [ours, merged] = [median(times.stacked), median(times.plain)];
  const perDispatch = encode.dispatches > 0 ? (1000 * encode.ms) / encode.dispatches : 0;
  return {
    device: backend.info,
    rows: [
      {
        name: '3 LoRAs of rank 16: weights rewritten',
        ours: 0,
        unit: 'ms',
        note: `graph pass ${patchMs.toFixed(1)} ms`,
      },
      {
        name: '3 LoRAs of rank 16: program made',
        ours: compileMs,
        unit: 'ms',
        note: 'once per stack; strengths are inputs',
      },
      {
        name: `block ${tokens} x ${WIDTH} Q8_0 with 3 LoRAs`,
        ours,
        unit: 'ms',
        baseline: merged,
        baselineName: 'merged weights',
        ratio: merged / ours,
        note: `${(100 * (ours / merged - 1)).toFixed(1)} % more per run, medians of ${times.plain.length} pairs`,
      },
      { name: 'taken away: same bits as before', ours: same ? 1 : 0, unit: same ? 'yes' : 'no' },
      ...(encode.ms > 0 ? [{ name: 'recording and handing over', ours: perDispatch, unit: 'µs per dispatch' }] : []),
    ],
  };
}
