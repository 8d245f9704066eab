import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { BrownianNoise } from '../../../src/lib/sampling/noise/brownian';
import {
  comfyNoise,
  ImageNoise,
  noiseStream,
  seedTable,
  slerp,
  type LatentShape,
} from '../../../src/lib/sampling/noise/image_noise';
import { Mt19937, TorchCpuNoise } from '../../../src/lib/sampling/noise/mt19937';
import { philox4x32, PhiloxNoise } from '../../../src/lib/sampling/noise/philox';
import { seedSequenceState } from '../../../src/lib/sampling/noise/seed_sequence';
import { describeGroup, maxAbsDifference, num, type Case, type Group } from './read_group';
import { expectWithin } from '../within';

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const bigints = (list: unknown): bigint[] => (list as (string | number)[]).map(BigInt);
const kindOf = (c: Case): 'cpu' | 'nv' => (c['mode'] === 'NV' ? 'nv' : 'cpu');

function expectClose(mine: ArrayLike<number>, golden: ArrayLike<number>, tolerance: number): void {
  expectWithin(maxAbsDifference(mine, golden), tolerance);
}

/** Normals: 2e-6 absolute unless the case says otherwise (last bits depend on the vector maths of the CPU). */
function check(group: Group, c: Case): void {
  const tolerance = num(c['tolerance'] ?? 2e-6);
  const seed = BigInt((c['seed'] ?? c['entropy'] ?? 0) as string | number);
  const shape = (c['shape'] ?? []) as number[];
  switch (c.kind) {
    case 'mt19937': {
      const words = new Mt19937(seed);
      const raw = c['raw_u32'] as number[];
      expect(raw.map(() => words.word())).toEqual(raw);
      const again = new Mt19937(seed);
      const uniforms = Float32Array.from({ length: num(c['rand_f32_count']) }, () => again.uniform());
      expect(createHash('sha256').update(uniforms).digest('hex')).toBe(c['rand_f32_sha256']);
      const wide = new Mt19937(seed);
      const wanted = c['rand_f64_first'] as number[];
      return expect(wanted.map(() => wide.uniform53())).toEqual(wanted);
    }
    case 'randn_cpu': {
      const mine = new TorchCpuNoise(seed).randn(product(shape));
      const head = group.floats(c['head']);
      expectClose(mine.subarray(0, head.length), head, tolerance);
      return expectClose(mine.subarray(mine.length - head.length), group.floats(c['tail']), tolerance);
    }
    case 'randn_cpu_sequence': {
      const stream = new TorchCpuNoise(seed);
      const heads = c['heads'] as string[];
      (c['shapes'] as number[][]).forEach((s, i) => {
        const head = group.floats(heads[i]);
        expectClose(stream.randn(product(s)).subarray(0, head.length), head, tolerance);
      });
      return;
    }
    case 'randn_cpu_dtype': {
      const stream = new TorchCpuNoise(seed);
      const head = group.floats(c['head']);
      const mine = c['dtype'] === 'float64' ? stream.randn64(product(shape)) : stream.randn(product(shape));
      return expectClose(mine.subarray(0, head.length), head, tolerance);
    }
    case 'philox_block':
      return expect(
        philox4x32(c['counter'] as number[], c['key'] as number[]).map((w) => w.toString(16).padStart(8, '0')),
      ).toEqual(c['words_hex']);
    case 'philox_words':
      return (c['words'] as number[][]).forEach((words, i) =>
        expect(philox4x32([0, 0, i, 0], c['key'] as number[])).toEqual(words),
      );
    case 'randn_nv': {
      const stream = new PhiloxNoise(seed);
      (c['draws'] as [string, string][]).forEach(([headKey, tailKey]) => {
        const mine = stream.randn(product(shape));
        const head = group.floats(headKey);
        expectClose(mine.subarray(0, head.length), head, tolerance);
        expectClose(mine.subarray(mine.length - head.length), group.floats(tailKey), tolerance);
      });
      return;
    }
    case 'randn_nv_published':
      return expectClose(new PhiloxNoise(seed).randn(product(shape)), (c['values'] as number[][]).flat(), tolerance);
    case 'randn_cuda_grid': {
      const mine = new PhiloxNoise(seed).randnGrid(num(c['count']), num(c['threads']));
      const wanted = group.floats(c['values']);
      const got = (c['at'] as number[]).flatMap((p) => [...mine.subarray(Math.max(0, p), p + 4)]);
      return expectClose(got, wanted, tolerance);
    }
    case 'cuda_published': {
      const mine = new PhiloxNoise(seed).randnGrid(num(c['count']), num(c['threads_used']));
      const got = (c['at'] as number[]).map((i) => mine[i]!);
      expectClose(got, c['exact'] as number[], 1e-6);
      return expectClose(got, c['values'] as number[], tolerance);
    }
    case 'image_rng': {
      const noise = new ImageNoise({
        kind: kindOf(c),
        shape: shape as unknown as LatentShape,
        seeds: bigints(c['seeds']),
        ...(c['subseeds'] ? { subseeds: bigints(c['subseeds']) } : {}),
        subseedStrength: num(c['strength'] ?? 0),
        seedResizeHeight: num(c['from_h'] ?? 0),
        seedResizeWidth: num(c['from_w'] ?? 0),
        ensd: num(c['ensd'] ?? 0),
      });
      return (c['draws_out'] as string[]).forEach((key) => expectClose(noise.next(), group.floats(key), tolerance));
    }
    case 'slerp': {
      const low = Float32Array.from(group.floats(c['low']));
      const high = Float32Array.from(group.floats(c['high']));
      const dims = group.tensor(c['low']).shape as unknown as LatentShape;
      return expectClose(slerp(num(c['t']), low, high, dims), group.floats(c['out']), tolerance);
    }
    case 'seed_table': {
      const table = seedTable({
        seed: num(c['seed']),
        subseed: num(c['subseed']),
        subseedStrength: num(c['subseed_strength']),
        count: num(c['batch_size']) * num(c['n_iter']),
      });
      expect(table.seeds).toEqual(c['all_seeds']);
      return expect(table.subseeds).toEqual(c['all_subseeds']);
    }
    case 'comfy_noise': {
      const index = c['batch_index'] as number[] | null;
      const mine = comfyNoise(seed, shape as [number, number, number, number], index ?? undefined);
      return expectClose(mine, group.floats(c['out']), tolerance);
    }
    case 'seed_sequence': {
      const state = seedSequenceState(
        { entropy: seed, spawnKey: c['spawn_key'] as number[], poolSize: num(c['pool_size']) },
        4,
      );
      return expect(state).toEqual(c['generate_state_4']);
    }
    case 'brownian': {
      const noise = new BrownianNoise({
        kind: kindOf(c),
        seeds: bigints(c['seeds']),
        count: product(shape.slice(1)),
        sigmaMin: num(c['sigma_min']),
        sigmaMax: num(c['sigma_max']),
      });
      const outs = c['out'] as string[];
      return (c['pairs'] as [number, number][]).forEach(([a, b], i) =>
        expectClose(noise.between(a, b), group.floats(outs[i]), tolerance),
      );
    }
    default:
      throw new Error(`unknown kind ${c.kind}`);
  }
}

describeGroup('rng', (group) => {
  for (const c of group.cases) it(c.name, () => check(group, c));
  it('streams of one seed agree whether created by kind or class', () => {
    expect(noiseStream('cpu', 5).randn(32)).toEqual(new TorchCpuNoise(5).randn(32));
  });
});
