/**
 * How near whole networks come to a large matrix product in the same runtime: the default U-Net's shape against
 * 1024x1024x1024, interleaved, best of many, since other work on the machine only ever adds time.
 */
import { createOnnxBackend } from '../../src/lib/backends/onnx/backend';
import type { OnnxRuntime } from '../../src/lib/backends/onnx/runtime';
import { graphCost } from '../../src/lib/graph/cost';
import { DEFAULT_UNET, randomCase, unet, type GraphCase } from '../unit/backends/onnx/graphs';

export interface OnnxBenchRow {
  readonly name: string;
  readonly ours: number;
  readonly baseline: number;
  readonly baselineName: string;
  readonly unit: 'GFLOP/s';
  readonly ratio: number;
  readonly ms: number;
  readonly compileMs: number;
}

const SIDE = 1024;
/** WASM code is slow until V8 has compiled it again. */
const WARM_UP_RUNS = 10;

function matmul(): GraphCase {
  return randomCase('matmul', (g) => ({
    y: g.linear(g.input('x', [SIDE, SIDE]), 'layer', { out: SIDE, bias: false }),
  }));
}

/** Rows for one runtime. @param runs timed runs of each graph */
export async function benchOnnx(runtime: OnnxRuntime, runs = 40): Promise<OnnxBenchRow[]> {
  const backend = createOnnxBackend({ runtime, id: `onnx-${runtime.id}`, label: runtime.id });
  const timed = [];
  for (const { graph, weights, inputs } of [randomCase('default U-Net, batch 2', unet(DEFAULT_UNET)), matmul()]) {
    const begun = performance.now();
    const program = await backend.compile(graph, weights);
    const compileMs = performance.now() - begun;
    const uploaded = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, backend.upload(x)]));
    timed.push({ program, uploaded, compileMs, flops: graphCost(graph).flops, ms: Infinity });
  }
  for (let run = 0; run < WARM_UP_RUNS + runs; run++) {
    for (const entry of timed) {
      const begun = performance.now();
      const outputs = await entry.program.run(entry.uploaded);
      const ms = performance.now() - begun;
      for (const tensor of Object.values(outputs)) tensor.dispose();
      if (run >= WARM_UP_RUNS) entry.ms = Math.min(entry.ms, ms);
    }
  }
  await backend.dispose();
  const speeds = timed.map(({ flops, ms }) => flops / ms / 1e6);
  const baseline = speeds.at(-1) ?? NaN;
  return timed.slice(0, -1).map(({ program, compileMs, ms }, i) => ({
    name: `${program.graph.name} on ${runtime.info['library']}, ${runtime.threads} threads`,
    ours: speeds[i] ?? NaN,
    baseline,
    baselineName: `${SIDE}x${SIDE}x${SIDE} product`,
    unit: 'GFLOP/s',
    ratio: (speeds[i] ?? NaN) / baseline,
    ms,
    compileMs,
  }));
}
