import { describe, expect, it } from 'vitest';
import { converted, TINY, tinyModel } from '../../tools/tiny_models';
import { pattern, run } from './harness';
import { openTiny } from './tiny_set';

describe('tiny models', () => {
  it.each(['sdxl', 'flux'] as const)('%s draws from its files alone', async (id) => {
    const files = tinyModel(TINY[id]);
    const model = await openTiny(files);
    const { latents, pictures } = await run(model, { steps: 1, cfgScale: 1, schedule: '' });
    console.log(
      id,
      files.map((f) => `${f.name} ${f.bytes.length}`).join(' '),
      model.detected.family.id,
      model.detected.latent,
    );
    expect(latents[0]!.data.every(Number.isFinite)).toBe(true);
    expect(new Set(pictures[0]!.rgba).size).toBeGreaterThan(20);
    await model.dispose();
  });
});
