import { describe, expect, it } from 'vitest';
import { fewStepVariant } from '../../../src/lib/models/few_step';

import { resolveNames, resolveScheduleName } from '../../../src/lib/sampling/names';

const said = (title: string) => new Map([['modelspec.title', title]]);

describe('few-step variants', () => {
  it.each([
    ['SDXL-Lightning 4step', 'Lightning', 4],
    ['sd_xl_turbo_1.0', 'Turbo', 1],
    ['Dreamshaper v7 LCM', 'LCM', 4],
    ['Hyper-SDXL, Hyper-SD 8 steps', 'Hyper', 8],
  ])('takes %s for %s', (title, name, steps) => {
    const found = fewStepVariant('sdxl', said(title), false);
    expect(found).toMatchObject({ name, defaults: { steps, cfgScale: 1 } });
    expect(resolveNames(found!.defaults.sampler, '').sampler).toBe(found!.defaults.sampler);
    expect(resolveScheduleName(found!.defaults.schedule!)).toBe(found!.defaults.schedule);
  });

  it('goes by the network where it takes the guidance scale', () => {
    expect(fewStepVariant('sd1', new Map(), true)).toMatchObject({ name: 'LCM' });
  });

  it('leaves other models and families alone', () => {
    expect(fewStepVariant('sdxl', said('Juggernaut XL'), false)).toBeUndefined();
    expect(fewStepVariant('z-image', said('Z-Image-Turbo'), false)).toBeUndefined();
  });
});
