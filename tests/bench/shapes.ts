/**
 * `npm run bench -- shapes FAMILY|all [--type q4_0] [--size 512] [--blocks [--software]]`: published models at their true
 * size without weights: operations, bytes, planned memory against its lower bound, fit. With `--blocks`: single blocks
 * with random weights on Chromium's adapter instead, as many as the device manages in a minute.
 */
import { arenaLowerBound, planArena } from '../../src/lib/backends/webgpu/arena';
import { recordProgram } from '../../src/lib/backends/webgpu/recorder';
import { graphCost } from '../../src/lib/graph/cost';
import { optimize } from '../../src/lib/graph/passes/optimize';
import { syntheticModel } from '../../src/lib/models/synthetic';
import { trueSizeById, TRUE_SIZES, type TrueSize } from '../../src/lib/models/true_sizes';
import type { BuiltGraph } from '../../src/lib/models/part';
import { FIT_MEASURES, planFit } from '../../src/lib/pipeline/fit';
import { decoderGraph, denoiserGraph, encoderGraphs, USUAL_TUNING } from '../../src/lib/pipeline/fit_stages';
import { isQuantTypeId, type QuantTypeId } from '../../src/lib/quant/registry';
import { adapterFlags, inBenchPage } from './bench_page';
import type { KernelBench } from './kernel_timing';
import type { BenchResult } from './main';
import { REFERENCE_COSTS } from './reference_costs';
import type { BenchRow } from './report';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
/** What desktop browsers give. */
const LIMITS = { maxBufferBytes: 2 * GIB, maxBindingBytes: 2 * GIB - 4 };
const BUDGETS_GIB = [1, 2, 4, 8] as const;
const DISPATCH_FLOPS = 3e10;

/** Rows of one graph: cost, weights, arena. */
function graphRows(name: string, { graph, weights }: BuiltGraph, reference: number | undefined): BenchRow[] {
  const cost = graphCost(graph);
  const options = { maxBindingBytes: LIMITS.maxBindingBytes, dispatchFlops: DISPATCH_FLOPS, tuning: USUAL_TUNING };
  const optimized = optimize(graph);
  const recorded = recordProgram(optimized, weights, options);
  const arena = planArena(recorded, LIMITS.maxBufferBytes);
  const bound = arenaLowerBound(recorded);
  const apart = planArena(recordProgram(optimized, weights, { ...options, apart: true }), LIMITS.maxBufferBytes);
  const byOp = [...cost.byOp].sort((a, b) => b[1].flops - a[1].flops).slice(0, 3);
  const share = byOp.map(([op, { flops }]) => `${op} ${((100 * flops) / cost.flops).toFixed(0)} %`).join(', ');
  const types = [...cost.weightsBytesByType].map(([type, bytes]) => `${type} ${(bytes / MIB).toFixed(0)} MiB`);
  const tflop = cost.flops / 1e12;
  return [
    {
      name: `${name}: operations`,
      ours: tflop,
      unit: 'TFLOP',
      ...(reference === undefined
        ? {}
        : { baseline: reference, baselineName: 'reference count', ratio: reference / tflop }),
      note: share,
    },
    { name: `${name}: weights`, ours: cost.weightsBytes / MIB, unit: 'MiB', note: types.join(', ') },
    {
      name: `${name}: arena`,
      ours: arena.bytes / MIB,
      unit: 'MiB',
      baseline: arena.naiveBytes / MIB,
      baselineName: 'no reuse',
      ratio: arena.bytes === 0 ? 1 : arena.naiveBytes / arena.bytes,
      note: `lower bound, results in place: ${(bound / MIB).toFixed(1)} MiB; ${(arena.bytes / bound).toFixed(3)} of it`,
    },
    {
      name: `${name}: arena, results in place`,
      ours: arena.bytes / MIB,
      unit: 'MiB',
      baseline: apart.bytes / MIB,
      baselineName: 'results apart',
      ratio: arena.bytes === 0 ? 1 : apart.bytes / arena.bytes,
    },
    {
      name: `${name}: dispatches`,
      ours: recorded.dispatches.length,
      unit: '',
      note: `${graph.nodes.length} operators, ${optimized.nodes.length} after fusion`,
    },
  ];
}

function referenceOf(id: string, stage: string, sidePx: number, promptTokens: number, encoder?: string) {
  const fits = REFERENCE_COSTS.find(
    (one) =>
      one.id === id &&
      one.stage === stage &&
      one.encoder === encoder &&
      (stage === 'text-encoder' || one.sidePx === sidePx) &&
      (stage === 'decoder' || one.promptTokens === promptTokens),
  );
  return fits?.tflop;
}

/** Prompt length that the reference counts of a model are for. */
function usualTokens(id: string): number {
  return REFERENCE_COSTS.find((one) => one.id === id && one.stage === 'denoiser')?.promptTokens ?? 128;
}

function sizeRows(size: TrueSize, type: QuantTypeId, sidePx: number): BenchRow[] {
  const model = syntheticModel(size, type);
  const promptTokens = usualTokens(size.id);
  const spec = { widthPx: sidePx, heightPx: sidePx, batch: 1, promptTokens };
  const at = `${size.id} ${type} @${sidePx}`;
  const rows: BenchRow[] = [];
  for (const { id, build } of encoderGraphs(model, promptTokens)) {
    rows.push(...graphRows(`${at} ${id}`, build(), referenceOf(size.id, 'text-encoder', sidePx, promptTokens, id)));
  }
  rows.push(
    ...graphRows(
      `${at} denoiser`,
      denoiserGraph(model, spec, 1),
      referenceOf(size.id, 'denoiser', sidePx, promptTokens),
    ),
    ...graphRows(`${at} decoder`, decoderGraph(model, spec), referenceOf('sd15', 'decoder', sidePx, promptTokens)),
  );
  for (const gib of BUDGETS_GIB) {
    const plan = planFit(model, {
      widthPx: sidePx,
      heightPx: sidePx,
      promptTokens,
      measures: FIT_MEASURES,
      limits: { ...LIMITS, budgetBytes: gib * GIB },
    });
    const { resident = 0, sequential = 0, streaming = 0 } = plan.peakBytes;
    const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;
    const used = plan.measures.length > 0 ? ` (${plan.measures.join(', ')})` : '';
    if (gib === BUDGETS_GIB[0]) {
      rows.push({
        name: `${at}: peak, everything resident`,
        ours: resident / MIB,
        unit: 'MiB',
        note: `stage by stage ${mib(sequential)}, block by block ${mib(streaming)}`,
      });
    }
    rows.push({
      name: `${at}: fit in ${gib} GiB`,
      ours: plan.flopsPerPicture / 1e12,
      unit: 'TFLOP per picture',
      note: `${plan.verdict}${used}`,
    });
  }
  return rows;
}

function optionOf(words: readonly string[], name: string): string | undefined {
  const at = words.indexOf(name);
  return at < 0 ? undefined : words[at + 1];
}

/** Single blocks in Chromium, on the real adapter where there is one. */
function blockRows(ids: readonly string[], type: QuantTypeId, sides: readonly number[] | undefined, software: boolean) {
  return inBenchPage('shapes.html', adapterFlags(software), async (page, version): Promise<BenchResult> => {
    await page.waitForFunction(() => 'runBlocks' in globalThis);
    const rows: BenchRow[] = [];
    let device: KernelBench['info'] = {};
    for (const id of ids) {
      for (const sidePx of sides ?? [512]) {
        const run = (given: { id: string; type: QuantTypeId; sidePx: number }) =>
          (
            globalThis as unknown as { runBlocks(id: string, type: QuantTypeId, sidePx: number): Promise<KernelBench> }
          ).runBlocks(given.id, given.type, given.sidePx);
        const found = await page.evaluate(run, { id, type, sidePx });
        rows.push(...found.rows);
        device = found.info;
      }
    }
    return { rows, device, browser: `Chromium ${version}` };
  });
}

/** One row per figure, for every family named. */
export function bench(words: readonly string[]): Promise<BenchResult> {
  const ids = TRUE_SIZES.map(({ id }) => id);
  const [name = ''] = words;
  const type = (optionOf(words, '--type') ?? 'q4_0').toUpperCase();
  const size = optionOf(words, '--size');
  const chosen = (name === 'all' ? TRUE_SIZES : [trueSizeById(name)]).flatMap((one) => one ?? []);
  const sides = size === undefined ? undefined : [Number(size)];
  const whole = sides?.every((side) => Number.isSafeInteger(side) && side > 0) ?? true;
  if (chosen.length === 0 || !isQuantTypeId(type) || !whole) {
    console.error(`npm run bench -- shapes ${ids.join('|')}|all [--type q4_0] [--size 512] [--blocks [--software]]`);
    process.exit(2);
  }
  if (words.includes('--blocks')) {
    return blockRows(
      chosen.map(({ id }) => id),
      type,
      sides,
      words.includes('--software'),
    );
  }
  const rows = chosen.flatMap((one) =>
    [...(sides ?? new Set([512, one.nativePx]))].flatMap((side) => sizeRows(one, type, side)),
  );
  return Promise.resolve({ rows, device: { device: 'none: plans only' } });
}
