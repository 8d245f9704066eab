import { describe, expect, it } from 'vitest';
import { BrownianNoise } from '../../../src/lib/sampling/noise/brownian';
import { ImageNoise } from '../../../src/lib/sampling/noise/image_noise';

const shape = [4, 6, 5] as const;

describe('noise of a batch', () => {
  for (const kind of ['cpu', 'nv'] as const) {
    it(`${kind}: each image equals its own single run, in every draw`, () => {
      const both = new ImageNoise({ kind, shape, seeds: [7, 8], subseeds: [1, 2], subseedStrength: 0.3, ensd: 31337 });
      const second = new ImageNoise({ kind, shape, seeds: [8], subseeds: [2], subseedStrength: 0.3, ensd: 31337 });
      for (let draw = 0; draw < 3; draw++) expect(both.next().subarray(120)).toEqual(second.next());
    });
  }

  it('Brownian noise of an interval is the sum of its parts, and a batch equals single runs', () => {
    const options = { kind: 'cpu', count: 64, sigmaMin: 0.03, sigmaMax: 14 } as const;
    const two = new BrownianNoise({ ...options, seeds: [3, 4] });
    const one = new BrownianNoise({ ...options, seeds: [4] });
    const whole = two.between(9, 1);
    expect(whole.subarray(64)).toEqual(one.between(9, 1));
    const [upper, lower] = [two.between(9, 4), two.between(4, 1)];
    whole.forEach((v, i) => {
      expect(v * Math.sqrt(8)).toBeCloseTo(
        (upper[i] as number) * Math.sqrt(5) + (lower[i] as number) * Math.sqrt(3),
        4,
      );
    });
  });

  it('cuts the tree where the reference does when half of an interval is exactly between two millionths', () => {
    // torchsde 0.2.6, BrownianTree(0.1, 9.5) with this entropy: the border 0.3203125 is kept as 0.320312.
    const noise = new BrownianNoise({ kind: 'cpu', seeds: [5], count: 4, sigmaMin: 0.1, sigmaMax: 9.5 });
    const want = [-0.29637059569358826, -0.38123083114624023, 0.8637040853500366, -0.46681010723114014];
    const got = noise.between(1.4025883674621582, 0.3745114803314209);
    got.forEach((v, i) => expect(Math.abs(v - (want[i] as number))).toBeLessThan(5e-6));
  });

  it('refuses an empty job and takes seeds of any size', () => {
    expect(() => new ImageNoise({ kind: 'cpu', shape, seeds: [] })).toThrow(/at least one seed/);
    expect(() => new BrownianNoise({ kind: 'cpu', seeds: [1], count: 1, sigmaMin: 0, sigmaMax: 1 })).toThrow(
      /sigma_min/,
    );
    for (const seed of [-1, 2 ** 53, 12345678901234567890n]) {
      expect(new ImageNoise({ kind: 'nv', shape, seeds: [seed] }).next().every(Number.isFinite)).toBe(true);
    }
  });
});
