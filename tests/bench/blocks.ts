/** Single blocks of published models at their true size, with random weights, on a device. Runs in Node and in pages. */
import type { Backend, DeviceTensor } from '../../src/lib/backends/backend';
import { CASE_WEIGHT_TYPES, randomWeight } from '../../src/lib/backends/op_cases/packed';
import { createRandom, seedOf } from '../../src/lib/backends/op_cases/random';
import { elementCount } from '../../src/lib/base/shape';
import { graphCost } from '../../src/lib/graph/cost';
import { valueOf, type Graph, type ValueId } from '../../src/lib/graph/ir';
import { GraphWriter } from '../../src/lib/graph/passes/graph_writer';
import type { NamedWeight } from '../../src/lib/graph/weights';
import { syntheticModel } from '../../src/lib/models/synthetic';
import type { TrueSize } from '../../src/lib/models/true_sizes';
import { denoiserGraph } from '../../src/lib/pipeline/fit_stages';
import type { QuantTypeId } from '../../src/lib/quant/registry';
import type { BenchRow } from './report';

/** The scope of a block: residual and transformer blocks, as networks number them. */
const BLOCK = /^(?:.*\.)?\w*(?:transformer_blocks|resnets|layers|refiner)\.\d+/;
/** No block may take longer on this device, and all of them together. */
const LONGEST_MS = 20_000;
const ALL_MS = 60_000;

interface Block {
  readonly scope: string;
  readonly graph: Graph;
  readonly flops: number;
  readonly weightsBytes: number;
  /** How many of the network's blocks are like it. */
  count: number;
}

/** The nodes of one block as a graph: what comes from outside are inputs, what others read are outputs. */
function blockGraph(graph: Graph, scope: string): Graph {
  const inside = graph.nodes.filter((node) => BLOCK.exec(node.scope)?.[0] === scope);
  const made = new Set(inside.map(({ output }) => output));
  const writer = new GraphWriter({ ...graph, inputs: new Map() });
  const given = new Set<ValueId>();
  for (const node of inside) {
    for (const id of node.inputs) {
      if (id === undefined || made.has(id) || given.has(id)) continue;
      const value = valueOf(graph, id);
      if (value.source.kind === 'weight' || value.source.kind === 'constant') continue;
      given.add(id);
      writer.replace(id, writer.input(`in ${given.size}`, value));
    }
    writer.copy(node);
  }
  const leaving = new Set([...graph.nodes.filter((node) => !inside.includes(node)).flatMap(({ inputs }) => inputs)]);
  for (const id of graph.outputs.values()) leaving.add(id);
  const outputs = [...made].filter((id) => leaving.has(id)).map((id, i) => [`out ${i}`, id] as const);
  return { ...writer.finish(new Map(outputs)), name: `${graph.name}, ${scope}` };
}

/** Each kind of block once, the smallest first. */
function blocksOf(graph: Graph): Block[] {
  const scopes = new Set(graph.nodes.flatMap(({ scope }) => BLOCK.exec(scope)?.[0] ?? []));
  const kinds = new Map<string, Block>();
  for (const scope of scopes) {
    const block = blockGraph(graph, scope);
    const { flops, weightsBytes } = graphCost(block);
    const key = `${flops} ${weightsBytes} ${block.nodes.length}`;
    const known = kinds.get(key);
    if (known) known.count++;
    else kinds.set(key, { scope, graph: block, flops, weightsBytes, count: 1 });
  }
  return [...kinds.values()].sort((a, b) => a.flops - b.flops);
}

/** Weights with values of about the spread that keeps a layer's outputs as large as its inputs. */
export function weightsOf(graph: Graph): Map<string, NamedWeight> {
  const random = createRandom(seedOf(graph.name));
  const weights = new Map<string, NamedWeight>();
  for (const { source, shape } of graph.values) {
    if (source.kind !== 'weight' || weights.has(source.name)) continue;
    const type = CASE_WEIGHT_TYPES.find((one) => one === source.type) ?? 'F16';
    const std = 1 / Math.sqrt(elementCount(shape.slice(1)));
    weights.set(source.name, randomWeight(source.name, shape, type, std, random));
  }
  return weights;
}

async function measure(backend: Backend, { graph }: Block): Promise<{ ms: number; finite: boolean }> {
  const program = await backend.compile(graph, weightsOf(graph));
  const random = createRandom(1);
  const inputs: Record<string, DeviceTensor> = {};
  try {
    for (const [name, id] of graph.inputs) {
      const { shape } = valueOf(graph, id);
      const data = Float32Array.from({ length: elementCount(shape) }, () => random.normal());
      inputs[name] = backend.upload({ shape, data });
    }
    let best = Infinity;
    let finite = true;
    const begun = performance.now();
    // The first run warms up, unless one is long enough to speak for itself.
    for (let run = 0; run < 2 || (run < 20 && performance.now() - begun < 1000); run++) {
      const started = performance.now();
      const outputs = Object.values(await program.run(inputs));
      const results = await Promise.all(outputs.map((tensor) => backend.download(tensor)));
      const ms = performance.now() - started;
      best = Math.min(best, ms);
      finite = results.every(({ data }) => data.every((value: number) => Number.isFinite(value)));
      for (const tensor of outputs) tensor.dispose();
      if (ms > 3000) break;
    }
    return { ms: best, finite };
  } finally {
    for (const tensor of Object.values(inputs)) tensor.dispose();
    await program.dispose();
  }
}

/**
 * Every kind of block of a denoiser, the smallest first, until the next would take too long at the speed seen so far.
 * Blocks that were not run are listed with the reason.
 */
export async function measureBlocks(
  backend: Backend,
  size: TrueSize,
  type: QuantTypeId,
  sidePx: number,
): Promise<BenchRow[]> {
  const spec = { widthPx: sidePx, heightPx: sidePx, batch: 1, promptTokens: 77 };
  const { graph } = denoiserGraph(syntheticModel(size, type), spec, 1);
  const rows: BenchRow[] = [];
  let flopsPerMs: number | undefined;
  let spentMs = 0;
  for (const block of blocksOf(graph)) {
    const name = `${size.id} ${type} @${sidePx} ${block.scope}`;
    const gflop = block.flops / 1e9;
    const about = `${gflop.toFixed(1)} GFLOP, ${(block.weightsBytes / 2 ** 20).toFixed(1)} MiB of weights, ${block.count} like it`;
    const expectedMs = flopsPerMs === undefined ? 0 : block.flops / flopsPerMs;
    if (expectedMs > LONGEST_MS || spentMs + expectedMs > ALL_MS) {
      const note = `${about}; not run: about ${(expectedMs / 1000).toFixed(0)} s at the speed of the one before`;
      rows.push({ name, ours: gflop, unit: 'GFLOP', note });
      continue;
    }
    const { ms, finite } = await measure(backend, block);
    spentMs += ms;
    flopsPerMs = block.flops / ms;
    const note = `${about}; ${(gflop / (ms / 1000)).toFixed(2)} GFLOP/s to host memory`;
    rows.push({ name, ours: ms, unit: 'ms', note: finite ? note : `${note}; NOT FINITE` });
  }
  return rows;
}
