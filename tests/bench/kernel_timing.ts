/** How the kernel bench checks and times: our kernels and a baseline in turns, in one run. Runs in Node and in pages. */
import type { Backend, DeviceTensor, HostTensor, Program } from '../../src/lib/backends/backend';
import type { OpCaseData } from '../../src/lib/backends/op_cases/op_case';
import { nmse } from '../../src/lib/backends/op_cases/run_op_case';
import { createReferenceBackend } from '../../src/lib/backends/reference/backend';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import type { Tuning } from '../../src/lib/backends/webgpu/tuning';
import { valueOf } from '../../src/lib/graph/ir';
import { GraphBuilder } from '../../src/lib/graph/builder';
import type { AimedRow } from './aims';
import type { BenchCase } from './kernel_cases';

export interface KernelBench {
  readonly rows: readonly AimedRow[];
  readonly info: Readonly<Record<string, string>>;
}

/** One way of computing: a backend, or a backend with kernels chosen beforehand. */
export interface Contender {
  readonly name: string;
  readonly backend: Backend;
  readonly compile: (data: OpCaseData) => Promise<Program>;
}

export const asItIs = (backend: Backend, name: string): Contender => ({
  name,
  backend,
  compile: ({ graph, weights }) => backend.compile(graph, weights),
});

/** Our kernels with a choice of its own. */
export const chosen = (backend: WebgpuBackend, name: string, tuning: Tuning): Contender => ({
  name,
  backend,
  compile: ({ graph, weights }) => backend.compileWith(tuning, graph, weights),
});

interface Running {
  readonly contender: Contender;
  readonly program: Program;
  readonly inputs: Record<string, DeviceTensor>;
}

async function start(contender: Contender, data: OpCaseData): Promise<Running> {
  const program = await contender.compile(data);
  const inputs = Object.fromEntries(
    Object.entries(data.inputs).map(([name, tensor]) => [name, contender.backend.upload(tensor)]),
  );
  return { contender, program, inputs };
}

async function stop({ program, inputs }: Running): Promise<void> {
  for (const tensor of Object.values(inputs)) tensor.dispose();
  await program.dispose();
}

/** One run to values in host memory, so that the work is really done. */
async function once({ contender, program, inputs }: Running): Promise<{ ms: number; values: ArrayLike<number> }> {
  const begun = performance.now();
  const [y] = Object.values(await program.run(inputs));
  if (!y) throw new Error('the program gave no output');
  const { data }: HostTensor = await contender.backend.download(y);
  const ms = performance.now() - begun;
  y.dispose();
  return { ms, values: data };
}

/** More is compared with the baseline instead of the reference, which manages half a GFLOP per second. */
const REFERENCE_FLOPS = 2e9;
/** An engine that is wrong is not timed. */
const LARGEST_NMSE = 1e-5;
/** Where the baseline is the truth: it rounds activations of quantized products to 8 bits. */
const LARGEST_NMSE_OF_BASELINE = 1e-3;
const LEAST_RUNS = 5;
const MOST_RUNS = 100;
const ENOUGH_MS = 1000;

/** Fastest GPU time of a few runs, where the backend can tell. */
async function gpuMs({ program, inputs }: Running): Promise<number | undefined> {
  if (!program.profile) return undefined;
  let best = Infinity;
  for (let run = 0; run < 3; run++) {
    const timings = await program.profile(inputs);
    best = Math.min(
      best,
      timings.reduce((sum, { ms }) => sum + ms, 0),
    );
  }
  return best > 0 ? best : undefined;
}

/**
 * Fastest of several runs of each, in turns: other work on the machine only ever adds time, and adds it to both.
 */
async function race(all: readonly Running[]): Promise<number[]> {
  const best = all.map(() => Infinity);
  const begun = performance.now();
  for (let run = 0; run < LEAST_RUNS || (run < MOST_RUNS && performance.now() - begun < ENOUGH_MS); run++) {
    for (const [i, running] of all.entries()) best[i] = Math.min(best[i] ?? Infinity, (await once(running)).ms);
  }
  return best;
}

/** The quickest of those that are right; the others are ended. */
async function quickest(
  contenders: readonly Contender[],
  data: OpCaseData,
): Promise<{ running: Running; values: ArrayLike<number> }> {
  let best: { running: Running; values: ArrayLike<number>; ms: number } | undefined;
  for (const contender of contenders) {
    const running = await start(contender, data);
    const { values } = await once(running);
    const ms = contenders.length === 1 ? 0 : Math.min((await once(running)).ms, (await once(running)).ms);
    if (best && best.ms <= ms) {
      await stop(running);
      continue;
    }
    if (best) await stop(best.running);
    best = { running, values, ms };
  }
  if (!best) throw new Error('nobody to time');
  return best;
}

/** The baseline at work, or why it cannot do this. */
async function rivalOf(
  contender: Contender | undefined,
  data: OpCaseData,
): Promise<{ rival?: Running; values?: ArrayLike<number>; why?: string }> {
  if (!contender) return {};
  try {
    const rival = await start(contender, data);
    return { rival, values: (await once(rival)).values };
  } catch (error) {
    return { why: `baseline: ${error instanceof Error ? error.message.slice(0, 80) : String(error)}` };
  }
}

/** What the naive loops compute. */
async function truthOf(data: OpCaseData): Promise<ArrayLike<number>> {
  const running = await start(asItIs(createReferenceBackend(), 'reference'), data);
  try {
    return (await once(running)).values;
  } finally {
    await stop(running);
  }
}

interface Errors {
  readonly ours?: number;
  /** Above it, ours is wrong. */
  readonly limit: number;
  /** Worth a word. */
  readonly note?: string;
}

async function errorsOf(
  data: OpCaseData,
  found: ArrayLike<number>,
  baseline: ArrayLike<number> | undefined,
): Promise<Errors> {
  if (data.flops > REFERENCE_FLOPS) {
    return { ...(baseline ? { ours: nmse(found, baseline) } : {}), limit: LARGEST_NMSE_OF_BASELINE };
  }
  const truth = await truthOf(data);
  const theirs = baseline && nmse(baseline, truth);
  const off =
    theirs !== undefined && theirs > LARGEST_NMSE ? { note: `baseline's NMSE ${theirs.toExponential(1)}` } : {};
  return { ours: nmse(found, truth), limit: LARGEST_NMSE, ...off };
}

function speed({ flops, bytes }: OpCaseData, ms: number): string {
  return `${(flops / ms / 1e6).toFixed(2)} GFLOP/s, ${(bytes / ms / 1e6).toFixed(2)} GB/s`;
}

/** Checks one case, then times ours and the baseline. */
async function measureCase(
  { name, aim, build, own, whole }: BenchCase,
  ours: readonly Contender[],
  other: Contender | undefined,
): Promise<AimedRow> {
  const data = build();
  const usable = whole === true ? ours.slice(0, 1) : ours;
  const { running, values } = await quickest(usable, data);
  const {
    rival,
    values: theirs,
    why,
  } = own
    ? { rival: (await quickest(usable, own.build())).running, values: undefined, why: undefined }
    : await rivalOf(other, data);
  try {
    const { ours: error, limit, note } = await errorsOf(data, values, theirs);
    const head = { name, ...(aim ? { aim } : {}), unit: 'ms', ...(error === undefined ? {} : { nmse: error }) };
    if (error !== undefined && !(error <= limit)) return { ...head, ours: NaN, note: 'wrong result, not timed' };
    const [ms = NaN, baseline] = await race(rival ? [running, rival] : [running]);
    const gpu = await gpuMs(running);
    const notes = [
      `${speed(data, ms)} to host memory`,
      ...(gpu === undefined ? [] : [`GPU alone ${gpu.toPrecision(3)} ms`]),
      ...(ours.length > 1 ? [`kernels: ${running.contender.name}`] : []),
      ...(why === undefined ? [] : [why]),
      ...(note === undefined ? [] : [note]),
    ];
    const against = baseline !== undefined && {
      baseline,
      baselineName: own ? `ours, ${own.name}` : (other?.name ?? ''),
      ratio: baseline / ms,
    };
    return { ...head, ours: ms, ...against, note: notes.join('; ') };
  } finally {
    await stop(running);
    if (rival) await stop(rival);
  }
}

/**
 * @param ours ways of computing, the app's own choice for a whole network first; each case takes the quickest
 * @param other a baseline; where it cannot run a case, its row has none
 */
export async function measureKernels(
  ours: readonly Contender[],
  other: Contender | undefined,
  cases: readonly BenchCase[],
): Promise<AimedRow[]> {
  const rows: AimedRow[] = [];
  for (const one of cases) {
    console.info(`${rows.length + 1}/${cases.length} ${one.name}`);
    rows.push(await measureCase(one, ours, other));
  }
  return rows;
}

/** A graph of numbers that go there and back: what every row holds besides its kernel. */
export const NOTHING: BenchCase = {
  name: 'nothing: 64 numbers there and back',
  build: () => {
    const g = GraphBuilder.create('nothing', () => undefined);
    g.output('y', g.unary(g.input('x', [64]), { kind: 'affine', scale: 1, offset: 1 }));
    const graph = g.finish();
    const [[name, id] = ['x', 0]] = graph.inputs;
    const inputs = { [name]: { shape: valueOf(graph, id).shape, data: new Float32Array(64) } };
    return { graph, weights: new Map(), inputs, flops: 64, bytes: 512 };
  },
};

/** Layers of the chain that measures launching: each does next to nothing. */
const CHAIN = 400;
/** Microseconds of processor time that a dispatch may cost. */
const ENCODE_GOAL_US = 15;

/** Processor time to record and submit one dispatch, over a chain of small ones; best of a few runs. */
export async function measureEncoding(backend: Backend): Promise<AimedRow> {
  const g = GraphBuilder.create('encoding', () => undefined);
  let x = g.input('x', [64]);
  for (let i = 0; i < CHAIN; i++) x = g.unary(x, { kind: 'affine', scale: 1, offset: 1 });
  g.output('y', x);
  const program = await backend.compile(g.finish(), new Map());
  const input = backend.upload({ shape: [64], data: new Float32Array(64) });
  let best = Infinity;
  backend.observe({
    wantsTimings: () => false,
    onRun: ({ encodeMs, dispatches }) => (best = Math.min(best, (1000 * encodeMs) / dispatches)),
  });
  for (let run = 0; run < 20; run++) for (const y of Object.values(await program.run({ x: input }))) y.dispose();
  backend.observe(undefined);
  input.dispose();
  await program.dispose();
  const note = `${CHAIN} dispatches of 64 numbers; the goal is ${ENCODE_GOAL_US} us`;
  return { name: 'recording, per dispatch', aim: 'encode', ours: best, unit: 'us', ratio: ENCODE_GOAL_US / best, note };
}
