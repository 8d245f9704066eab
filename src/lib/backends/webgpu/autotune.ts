/**
 * Measured choice of matrix kernels for a model's dominant shapes: a second or two once per device, kept in an injected
 * store. A candidate that gives other numbers than the plain kernel is never timed. Without a store, and for shapes that
 * were not measured, the deterministic default holds.
 */
import { GraphBuilder } from '../../graph/builder';
import { memoryWeight } from '../../graph/memory_weight';
import { weightResolver } from '../../graph/weights';
import { nmse } from '../op_cases/run_op_case';
import type { WebgpuBackend } from './backend';
import { plainTuning, type GemmChoice, type GemmShape, type Tuning } from './tuning';

/** Where verdicts are kept; the browser's layer implements it on IndexedDB. */
export interface KeyValueStore {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
}

export interface AutotuneOptions {
  /** Names browser and version: a new compiler may change every verdict. */
  readonly browser?: string;
  readonly store?: KeyValueStore;
  /** Runs per candidate; the fastest counts. */
  readonly runs?: number;
  readonly signal?: AbortSignal;
}

/** Raise when a matrix kernel changes: older verdicts are then measured again. */
export const KERNEL_REVISION = 1;

/** f32 sums in another order. */
const LARGEST_NMSE = 1e-8;

function tiles(splits: number): readonly GemmChoice[] {
  return [
    { kernel: 'tiled', tile: { bm: 64, bn: 64, bk: 16, splits } },
    { kernel: 'tiled', tile: { bm: 128, bn: 64, bk: 16, splits } },
    { kernel: 'tiled', tile: { bm: 32, bn: 64, bk: 16, splits } },
    { kernel: 'tiled', tile: { bm: 128, bn: 128, bk: 8, splits } },
  ];
}

/** Bytes of workgroup memory of a tile; see `gemm_tiled.wgsl`. */
export function tileMemoryBytes({ bm, bn, bk }: { bm: number; bn: number; bk: number }): number {
  return (bm + bn) * (bk / 4 + 1) * 16 + 16 * bm;
}

/** Candidates that a device with these limits can run. */
export function candidates(
  { m, n }: GemmShape,
  limits: { readonly workgroupMemoryBytes: number; readonly workgroupThreads: number },
): readonly GemmChoice[] {
  const few = Math.ceil(m / 64) * Math.ceil(n / 64) < 64;
  const all: GemmChoice[] = [{ kernel: 'plain' }, ...tiles(1)];
  if (few) all.push(...[2, 4, 8].flatMap((splits) => tiles(splits).slice(0, 1)));
  if (m <= 16) all.push({ kernel: 'skinny' });
  return all.filter((choice) => {
    if (choice.kernel !== 'tiled') return true;
    const { bm, bn } = choice.tile;
    const fits = tileMemoryBytes(choice.tile) <= limits.workgroupMemoryBytes;
    return fits && (bm / 8) * (bn / 8) <= limits.workgroupThreads;
  });
}

const keyOf = ({ m, n, k }: GemmShape) => `${m}x${n}x${k}`;

/**
 * Measures what the store does not know and switches the backend to the result.
 * @param shapes the model's dominant products, a handful
 * @param base choice for every other shape
 * @throws AppError 'job/cancelled', 'backend/device-lost'
 */
export async function autotune(
  backend: WebgpuBackend,
  shapes: readonly GemmShape[],
  base: Tuning,
  options: AutotuneOptions = {},
): Promise<Tuning> {
  const { adapter = '', vendor = '' } = backend.info;
  const place = `webgpu tuning ${KERNEL_REVISION} ${vendor} ${adapter} ${options.browser ?? ''}`;
  const known = asVerdicts(await options.store?.get(place));
  for (const shape of shapes) {
    if (!known.has(keyOf(shape))) known.set(keyOf(shape), await fastest(backend, shape, options));
  }
  await options.store?.set(place, Object.fromEntries(known));
  const tuning: Tuning = { ...base, gemm: (shape) => known.get(keyOf(shape)) ?? base.gemm(shape) };
  backend.setTuning(tuning, { tuning: `${known.size} shapes measured` });
  return tuning;
}

/** Stored verdicts; anything of another form is measured again. */
function asVerdicts(stored: unknown): Map<string, GemmChoice> {
  const verdicts = new Map<string, GemmChoice>();
  if (typeof stored !== 'object' || stored === null) return verdicts;
  for (const [key, choice] of Object.entries(stored)) if (isChoice(choice)) verdicts.set(key, choice);
  return verdicts;
}

function isChoice(value: unknown): value is GemmChoice {
  if (typeof value !== 'object' || value === null || !('kernel' in value)) return false;
  if (value.kernel === 'plain' || value.kernel === 'skinny') return true;
  if (value.kernel !== 'tiled' || !('tile' in value) || typeof value.tile !== 'object' || value.tile === null)
    return false;
  const tile = value.tile as Record<string, unknown>;
  return ['bm', 'bn', 'bk', 'splits'].every((name) => Number.isInteger(tile[name]) && Number(tile[name]) > 0);
}

async function fastest(backend: WebgpuBackend, shape: GemmShape, options: AutotuneOptions): Promise<GemmChoice> {
  let best: GemmChoice = { kernel: 'plain' };
  let bestMs = Infinity;
  let truth: ArrayLike<number> | undefined;
  for (const choice of candidates(shape, backend.engine.gpu.limits)) {
    const { ms, values } = await measure(backend, shape, choice, options);
    truth ??= values;
    if (!(nmse(values, truth) <= LARGEST_NMSE) || ms >= bestMs) continue;
    best = choice;
    bestMs = ms;
  }
  return best;
}

async function measure(
  backend: WebgpuBackend,
  { m, n, k }: GemmShape,
  choice: GemmChoice,
  { runs = 5, signal }: AutotuneOptions,
): Promise<{ readonly ms: number; readonly values: ArrayLike<number> }> {
  const wave = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(step * i));
  const weights = new Map([['w.weight', memoryWeight('w.weight', [n, k], wave(n * k, 0.7))]]);
  const g = GraphBuilder.create('tuning', weightResolver(weights));
  g.output('y', g.linear(g.input('x', [m, k]), 'w', { out: n, bias: false }));
  backend.setTuning({ ...plainTuning, gemm: () => choice }, {});
  const program = await backend.compile(g.finish(), weights, signal ? { signal } : {});
  const x = backend.upload({ shape: [m, k], data: wave(m * k, 0.3) });
  try {
    const { y } = await program.run({ x }, signal ? { signal } : {});
    if (!y) return { ms: Infinity, values: [] };
    let values: ArrayLike<number>;
    try {
      values = (await backend.download(y)).data;
    } finally {
      y.dispose();
    }
    let ms = Infinity;
    for (let run = 0; run < runs; run++) {
      const timings = await program.profile({ x });
      ms = Math.min(
        ms,
        timings.reduce((sum, timing) => sum + timing.ms, 0),
      );
    }
    return { ms, values };
  } finally {
    x.dispose();
    await program.dispose();
  }
}
