/** Shapes of the kernel bench and how they are timed. Runs in Node and in pages. */
import type { Backend, DeviceTensor, Program } from '../../src/lib/backends/backend';
import { GraphBuilder } from '../../src/lib/graph/builder';
import { opCase, type OpCaseData } from '../../src/lib/backends/op_cases/op_case';
import { expectedOutput, nmse } from '../../src/lib/backends/op_cases/run_op_case';
import type { CaseWeightType } from '../../src/lib/backends/op_cases/packed';
import type { BenchRow } from './report';

export interface BenchCase {
  readonly name: string;
  readonly build: () => OpCaseData;
}

export interface KernelBench {
  readonly rows: readonly BenchRow[];
  readonly info: Readonly<Record<string, string>>;
}

/** The bench has one bound of its own. */
const UNBOUNDED = { bound: { f32: Infinity, f16: Infinity } };

function linear(m: number, n: number, k: number, type: CaseWeightType): BenchCase {
  const made = opCase('linear', { m, n, k, type }, UNBOUNDED, (s) => {
    const w = s.weight('weight', [n, k], { type, std: 1 / Math.sqrt(k) });
    return s.g.op('linear', [s.plain('x', [m, k]), w], {});
  });
  return { name: `linear ${type} ${m}x${n}x${k}`, build: () => made.build() };
}

function conv(channels: number, out: number, size: number): BenchCase {
  const made = opCase('conv2d', { channels, out, size }, UNBOUNDED, (s) => {
    const w = s.weight('weight', [out, channels, 3, 3], { type: 'F16', std: 1 / Math.sqrt(9 * channels) });
    const attrs = { stride: 1, pad: [1, 1, 1, 1], padMode: 'zeros', upsample: 1 } as const;
    return s.g.op('conv2d', [s.image('x', [1, channels, size, size]), w], attrs);
  });
  return { name: `conv 3x3 F16 ${channels}->${out} @${size}x${size}`, build: () => made.build() };
}

function attention(tokens: number, keys: number, heads: number, width: number): BenchCase {
  const made = opCase('attention', { tokens, keys, heads, width }, UNBOUNDED, (s) => {
    const shape = (t: number) => [1, t, heads * width];
    return s.g.attention(s.plain('q', shape(tokens)), s.plain('k', shape(keys)), s.plain('v', shape(keys)), { heads });
  });
  return { name: `attention ${heads}x${width} q${tokens} k${keys}`, build: () => made.build() };
}

/** Shapes of SD1.5 and FLUX blocks; a thousandth of them where the adapter is software, which says nothing on speed. */
export function benchCases(software: boolean): readonly BenchCase[] {
  if (software) {
    return [
      linear(64, 128, 128, 'F32'),
      linear(64, 128, 128, 'Q8_0'),
      linear(1, 256, 256, 'Q4_0'),
      conv(32, 32, 16),
      conv(128, 64, 4),
      attention(64, 77, 2, 40),
    ];
  }
  return [
    linear(4096, 1280, 1280, 'F32'),
    linear(4096, 3072, 3072, 'F16'),
    linear(4096, 3072, 3072, 'Q8_0'),
    linear(4096, 3072, 3072, 'Q4_0'),
    linear(4096, 3072, 3072, 'Q4_K'),
    linear(4096, 3072, 3072, 'NF4'),
    linear(1024, 1280, 1280, 'F16'),
    linear(1024, 1280, 1280, 'Q4_0'),
    linear(1, 9216, 3072, 'Q4_0'),
    linear(77, 1280, 1280, 'F16'),
    conv(320, 320, 64),
    conv(1280, 1280, 8),
    conv(1280, 1280, 16),
    conv(512, 512, 64),
    attention(4096, 4096, 8, 40),
    attention(4096, 77, 10, 64),
  ];
}

interface Running {
  readonly backend: Backend;
  readonly program: Program;
  readonly inputs: Record<string, DeviceTensor>;
}

async function start(backend: Backend, data: OpCaseData): Promise<Running> {
  const program = await backend.compile(data.graph, data.weights);
  const inputs = Object.fromEntries(
    Object.entries(data.inputs).map(([name, tensor]) => [name, backend.upload(tensor)]),
  );
  return { backend, program, inputs };
}

async function stop({ program, inputs }: Running): Promise<void> {
  for (const tensor of Object.values(inputs)) tensor.dispose();
  await program.dispose();
}

/** One run to values in host memory, so that the work is really done. */
async function once({ backend, program, inputs }: Running): Promise<{ ms: number; values: ArrayLike<number> }> {
  const begun = performance.now();
  const { y } = await program.run(inputs);
  if (!y) throw new Error('the program gave no output');
  const { data } = await backend.download(y);
  const ms = performance.now() - begun;
  y.dispose();
  return { ms, values: data };
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? NaN;

/** Larger products are compared with the baseline instead of the reference, which manages half a GFLOP per second. */
const REFERENCE_FLOPS = 2e8;
/** An engine that is wrong is not timed. The baseline may round activations to f16. */
const LARGEST_NMSE = 1e-5;

/** Fastest GPU time of a few runs, where the backend can tell. */
async function gpuMs({ program, inputs }: Running): Promise<number | undefined> {
  if (!program.profile) return undefined;
  let best = Infinity;
  for (let run = 0; run < 5; run++) {
    const timings = await program.profile(inputs);
    best = Math.min(
      best,
      timings.reduce((sum, { ms }) => sum + ms, 0),
    );
  }
  return best > 0 ? best : undefined;
}

async function timedRow(
  name: string,
  data: OpCaseData,
  running: Running,
  rival: Running | undefined,
  { baselineName, error, note }: { baselineName: string; error: number | undefined; note: string },
): Promise<BenchRow> {
  const [own, theirs]: [number[], number[]] = [[], []];
  const begun = performance.now();
  while (own.length < 5 || (performance.now() - begun < 1000 && own.length < 100)) {
    own.push((await once(running)).ms);
    if (rival) theirs.push((await once(rival)).ms);
  }
  const ms = median(own);
  const gpu = await gpuMs(running);
  const speed = (time: number) =>
    `${(data.flops / time / 1e6).toFixed(2)} GFLOP/s, ${(data.bytes / time / 1e6).toFixed(2)} GB/s`;
  const notes = [
    `${speed(ms)} to host memory`,
    ...(gpu === undefined ? [] : [`GPU alone ${gpu.toPrecision(3)} ms, ${speed(gpu)}`]),
    ...(note === '' ? [] : [note]),
  ];
  const baseline = rival && median(theirs);
  return {
    name,
    ours: ms,
    unit: 'ms',
    ...(error === undefined ? {} : { nmse: error }),
    ...(baseline === undefined ? {} : { baseline, baselineName, ratio: baseline / ms }),
    note: notes.join('; '),
  };
}

/** Layers of the chain that measures launching: each does next to nothing. */
const CHAIN = 400;
/** Microseconds of processor time that a dispatch may cost. */
const ENCODE_GOAL_US = 15;

/** Processor time to record and submit one dispatch, over a chain of small ones; best of a few runs. */
export async function measureEncoding(backend: Backend): Promise<BenchRow> {
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
  return { name: 'encoding, per dispatch', ours: best, unit: 'us', ratio: ENCODE_GOAL_US / best, note };
}

/**
 * Checks each case, then times both backends in turn: median of at least 5 runs, up to a second each.
 * A baseline that cannot run a case leaves its row without one.
 */
export async function measureKernels(
  ours: Backend,
  other: Backend | undefined,
  cases: readonly BenchCase[],
  baselineName: string,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { name, build } of cases) {
    const data = build();
    const running = await start(ours, data);
    const first = await once(running);
    let rival: Running | undefined;
    let note = '';
    let truth: ArrayLike<number> | undefined;
    try {
      if (other) {
        rival = await start(other, data);
        truth = (await once(rival)).values;
      }
    } catch (error) {
      note = `baseline: ${error instanceof Error ? error.message.slice(0, 80) : String(error)}`;
      rival = undefined;
    }
    if (data.flops <= REFERENCE_FLOPS) truth = (await expectedOutput(data)).data;
    const error = truth ? nmse(first.values, truth) : undefined;
    if (error !== undefined && !(error <= LARGEST_NMSE)) {
      rows.push({ name, ours: NaN, unit: 'ms', nmse: error, note: 'wrong result, not timed' });
    } else {
      rows.push(await timedRow(name, data, running, rival, { baselineName, error, note }));
    }
    await stop(running);
    if (rival) await stop(rival);
  }
  return rows;
}
